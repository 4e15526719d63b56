"""What is said of a run beside its rows: its header, and the images that failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from bench.prompts.abilities import is_recorded
from bench.run.findings import Findings
from bench.run.forecast.pace import latest_of
from bench.run.plan import Plan
from bench.store import provenance
from bench.store.runs import SCHEMA_VERSION, ImageError, RunStore


def keep_errors(store: RunStore, errors: Sequence[ImageError]) -> None:
    """Of the failures so far and now, keeps those whose image is still not done."""
    done = set(store.content().images)
    latest = {error.image_id: error for error in [*store.errors(), *errors]}
    store.write_errors(error for image_id, error in latest.items() if image_id not in done)


def header_of(
    plan: Plan,
    prompt: str,
    status: str | None,
    started: str,
    findings: Findings,
) -> dict[str, Any]:
    """What ``run.json`` says; without a status, the one that the parts on disk give."""
    each = plan.work.runs[prompt]
    metrics = {metric.name: metric.measure.plain() for metric in plan.metrics}
    before, question = each.store.header(), plan.question
    content, failed = each.store.content(), len(each.store.errors())
    if status is None:
        finished = len(content.images) + failed >= len(plan.work.ids)
        status = "complete" if finished else "partial"
    earlier, seconds = before.get("seconds", {}), findings.watch.seconds
    latest = latest_of(plan, findings) if findings.images else before.get("latest")
    return {
        "schema_version": SCHEMA_VERSION,
        "name": each.store.folder.name,
        "key": each.key,
        "task": asdict(question.task),
        "seed": question.seed,
        "model": asdict(question.model),
        "dataset": asdict(question.dataset),
        "prompt": asdict(question.prompts[prompt]),
        "protocol": asdict(question.protocol),
        "report_steps": {str(number): s.plain() for number, s in each.way.report_steps.items()},
        **({"recorded": True} if is_recorded(each.way) else {}),
        "measures": [measure.plain() for measure in plan.task.measures],
        "metrics": before.get("metrics", {}) | metrics,
        "status": status,
        "images": len(plan.work.ids),
        "images_done": len(content.images),
        "images_failed": failed,
        "masks": content.masks,
        "skipped": dict(content.skipped),
        "notes": list(plan.task.notes(plan.setting.config, content.counted)),
        "dataset_fingerprint": plan.work.fingerprint,
        "seconds": {
            name: round(earlier.get(name, 0.0) + seconds.get(name, 0.0), 3)
            for name in {**earlier, **seconds}
        },
        **({"latest": latest} if latest else {}),
        "device": findings.device,
        "facts": findings.facts or before.get("facts", {}),
        "versions": provenance.versions(),
        "git": provenance.commit(),
        "machine": provenance.machine(),
        "created": before.get("created", started),
        "finished": now() if status != "running" else None,
    }


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
