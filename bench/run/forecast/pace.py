"""How fast earlier runs went, and so how long the next one will take."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from bench.config.component import address
from bench.files import places
from bench.run import runtime
from bench.run.findings import Findings
from bench.run.plan import Plan
from bench.store.runs import RunStore, find_runs
from bench.types import BenchError

_PER_ANSWER = frozenset({"prompt", "predict", "score", "write"})
_APART = frozenset({"load", "total", "wait"})


@dataclass(frozen=True, slots=True)
class Pace:
    """What a command once took for ``images`` and the ``answers`` (rows) of all its prompts.

    ``seconds`` by phase; ``workers`` loaded the model each; ``dataset`` is what it ran on, and
    ``host`` and ``device`` the bytes that one worker took at most, where they are known.
    """

    dataset: str
    images: int
    answers: int
    seconds: Mapping[str, float]
    workers: int
    host: int | None
    device: int | None

    @property
    def loading(self) -> float:
        """Seconds by the clock until the model was there."""
        total = self.seconds.get("total", 0.0)
        return min(total, self.seconds.get("load", 0.0) / max(1, self.workers))

    def time_for(self, images: int, answers: int) -> float:
        """Seconds by the clock for so much work.

        Loading, and the rest in proportion to the work, where an image and an answer weigh what
        their phases took. 10 images with 100 answers that took 20 s of the threads each:

        >>> seconds = {"embed": 20.0, "predict": 20.0, "load": 3.0, "total": 23.0}
        >>> pace = Pace("shapes", 10, 100, seconds, 1, None, None)
        >>> pace.time_for(10, 100), pace.time_for(10, 200), pace.time_for(20, 200)
        (23.0, 33.0, 43.0)
        """
        spent = {name: s for name, s in self.seconds.items() if name not in _APART}
        for_answers = sum(s for name, s in spent.items() if name in _PER_ANSWER)
        for_images = sum(spent.values()) - for_answers
        work = images / self.images * for_images
        if self.answers:
            work += answers / self.answers * for_answers
        share = work / max(for_images + for_answers, 1e-9)
        return self.loading + (self.seconds.get("total", 0.0) - self.loading) * share


def latest_of(plan: Plan, findings: Findings) -> dict[str, Any]:
    """What a run's header says of the command that worked on it last, as ``Pace`` reads it."""
    return {
        "images": findings.images,
        "answers": findings.answers(plan),
        "seconds": {name: round(s, 3) for name, s in findings.watch.seconds.items()},
        "workers": findings.workers,
        "memory": asdict(findings.memory),
        "place": place(plan),
    }


def find_pace(plan: Plan) -> Pace | None:
    """The pace of the same model in the same task and place; none where there is none.

    On the same dataset before others, then of the most images.
    """
    here, model = place(plan), _plain(asdict(plan.question.model))
    task = _plain(asdict(plan.question.task))
    found = []
    for header in _headers(places.place(plan.setting.runtime.results)):
        latest, part = header.get("latest") or {}, header.get("model") or {}
        same = _same(part, model) and _same(header.get("task"), task)
        before = latest.get("place") or {}
        before = before | {"runtime": address(str(before.get("runtime")), runtime)}
        if same and before == here and latest.get("images"):
            found.append(_pace(str((header.get("dataset") or {}).get("name")), latest))
    name = plan.question.dataset.name
    return max(found, key=lambda each: (each.dataset == name, each.images), default=None)


def _same(found: Any, wanted: Mapping[str, Any]) -> bool:
    """Whether a header's component is one that can have the same pace."""
    if isinstance(found, str):  # earlier releases kept a task's name alone
        return bool(found == wanted["name"])
    there = found if isinstance(found, Mapping) else {}
    return all(there.get(key) == wanted[key] for key in ("name", "version", "args"))


def place(plan: Plan) -> dict[str, Any]:
    """Where and how a plan runs, as far as it sets the pace, in JSON's own terms."""
    settings = plan.setting.runtime
    plain: dict[str, Any] = _plain(
        {
            "runtime": address(settings.target, runtime),
            "device": plan.setting.site.device,
            "device_name": _device_name(plan.setting.site.device),
            "devices": settings.devices,
            "workers": settings.workers,
            "image_batch": settings.image_batch,
            "prompt_batch": settings.prompt_batch,
            "ray": asdict(settings.ray),
            "cores": os.cpu_count(),
        }
    )
    return plain


def _device_name(device: str) -> str | None:
    import torch

    if torch.device(device).type != "cuda" or not torch.cuda.is_available():
        return None
    return torch.cuda.get_device_name(device)


def _headers(results: places.Place) -> Iterator[dict[str, Any]]:
    stores: list[RunStore] = []
    with suppress(BenchError):  # no run yet
        stores = find_runs(results)
    for store in stores:
        with suppress(BenchError):  # a header that a run of its own will refuse
            yield store.header()


def _pace(dataset: str, latest: Mapping[str, Any]) -> Pace:
    memory = latest.get("memory") or {}
    return Pace(
        dataset,
        latest["images"],
        latest.get("answers", 0),
        latest.get("seconds") or {},
        latest.get("workers", 1),
        memory.get("host"),
        memory.get("device"),
    )


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))
