"""The one loop: read ahead, embed each image once, prompt, score, write."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any, Protocol

import torch

from bench import canary, provenance
from bench.config import conf_dir
from bench.health import Health
from bench.parts import load_class
from bench.pipeline import in_order
from bench.plan import Plan, PromptRun
from bench.stopwatch import Stopwatch
from bench.store import SCHEMA_VERSION, ImageError, RunStore
from bench.tasks.prompted_masks import PromptedMasks
from bench.types import BenchError, Reader, Row, Sample, Segmenter

log = logging.getLogger(__name__)


class Progress(Protocol):
    """Is told of each image as it is done."""

    def image_done(self, ious: Mapping[str, Sequence[float]]) -> None:
        """An image is scored; ``ious`` holds the last steps' IoUs, by prompt."""

    def image_failed(self, error: ImageError) -> None:
        """An image could not be read."""


def run(plan: Plan, progress: Progress) -> list[ImageError]:
    """Does what the plan's runs lack, and gives the images that failed.

    Finished images are on disk whatever ends the run. With nothing left to do no model is
    loaded. Raises ``BenchError``; with ``runtime.strict`` also for the first unreadable image.
    """
    started = _now()
    unfinished = [r for r in plan.runs.values() if r.missing or not r.store.header()]
    for each in unfinished:
        each.store.write_header(_header(plan, each, "running", started, {}, {}))
    watch, facts = Stopwatch(), dict[str, str]()
    worker: Worker | None = None
    try:
        with watch("total"):
            if plan.todo:
                with watch("load"):
                    worker = Worker(plan, progress, watch)
                facts = dict(worker.segmenter.facts)
                worker(plan.todo)
    finally:
        errors = worker.errors if worker else []
        for each in unfinished:
            _keep_errors(each.store, errors)
            header = _header(plan, each, None, started, watch.seconds, facts)
            each.store.write_header(header)
    return errors


class Worker:
    """Scores images under every prompt of a plan and writes their rows as parts."""

    def __init__(self, plan: Plan, progress: Progress, watch: Stopwatch) -> None:
        config = plan.config
        self.errors: list[ImageError] = []
        self._finished: dict[str, _ScoredImage] = {}
        self._plan, self._progress, self._watch = plan, progress, watch
        # On a CPU images are scored side by side, each on one thread: torch's own threads would
        # gain less, and their number would change the order of summation and so the last bits.
        self._on_cpu = torch.device(plan.site.device).type == "cpu"
        self._lanes = config.runtime.workers if self._on_cpu else 1
        self._use_one_thread()
        model = load_class(config.model, config.runtime.allow_modules, "model")
        self.segmenter: Segmenter = model(**config.model.args, site=plan.site)
        self._health = Health(config.runtime.allow_degenerate)
        self._where = ", ".join(str(run.store.folder) for run in plan.runs.values())
        if config.runtime.canary:
            _ask_canary(self.segmenter, plan)
        self._task = PromptedMasks(
            dataset=config.dataset.name,
            model=config.model.name,
            protocol_name=config.protocol.name,
            protocol=plan.protocol,
            segmenter=self.segmenter,
            seed=config.seed,
            batch=config.runtime.prompt_batch,
            keep_masks=config.runtime.keep_masks,
        )

    def __call__(self, image_ids: Sequence[str]) -> int:
        """Scores the images and gives the number of rows written.

        Whatever ends it, images that are finished or in hand are kept.
        """
        reader = self._plan.reader
        pending = {name: _Pending(each.store, reader) for name, each in self._plan.runs.items()}
        scored = in_order(self._score, self._batches(image_ids), self._lanes, "score")
        try:
            for samples, future in scored:
                with self._watch("wait"):
                    future.result()
                for sample in samples:
                    self._keep(self._finished.pop(sample.image_id), pending)
        finally:
            scored.close()  # waits for what is in hand
            for image_id in list(self._finished):
                self._keep(self._finished.pop(image_id), pending)
            with self._watch("write"):
                for part in pending.values():
                    part.flush()
        return sum(part.rows_written for part in pending.values())

    def _score(self, samples: Sequence[Sample]) -> None:
        """Embeds the samples together and scores each under the prompts that lack it."""
        self._use_one_thread()
        with self._watch("embed"):
            embeddings = self.segmenter.embed([sample.image for sample in samples])
        for sample, embedding in zip(samples, embeddings, strict=True):
            runs = self._plan.runs
            lacking = {n: r.strategy for n, r in runs.items() if sample.image_id in r.missing}
            targets, skipped = self._plan.protocol.sort_out(sample.targets)
            rows = self._task.score_image(sample, targets, embedding, lacking, self._watch)
            self._health.look(sample, embedding, rows, self._where)
            self._finished[sample.image_id] = _ScoredImage(sample.image_id, rows, skipped)

    def _use_one_thread(self) -> None:
        """Keeps torch to the calling thread, for which alone the setting holds."""
        if self._on_cpu:
            torch.set_num_threads(1)

    def _keep(self, image: _ScoredImage, pending: Mapping[str, _Pending]) -> None:
        with self._watch("write"):
            for name, rows in image.rows.items():
                pending[name].add(image.image_id, rows, image.skipped)
                pending[name].flush(at=self._plan.config.runtime.part_images)
        runs = self._plan.runs
        self._progress.image_done(
            {
                name: [row.iou for row in rows if row.step == runs[name].strategy.steps]
                for name, rows in image.rows.items()
            }
        )

    def _batches(self, image_ids: Sequence[str]) -> Iterator[list[Sample]]:
        """The readable samples, a few at a time."""
        batch: list[Sample] = []
        workers = self._plan.config.runtime.workers
        for image_id, future in in_order(self._read, image_ids, workers, "read"):
            try:
                with self._watch("wait"):
                    batch.append(future.result())
            except (BenchError, ValueError, OSError) as error:
                self._fail(ImageError(image_id, str(error)))
                continue
            if len(batch) == self._plan.config.runtime.image_batch:
                yield batch
                batch = []
        if batch:
            yield batch

    def _read(self, image_id: str) -> Sample:
        with self._watch("read"):
            return self._plan.reader.read(image_id)

    def _fail(self, error: ImageError) -> None:
        if self._plan.config.runtime.strict:
            raise BenchError(f"image {error.image_id}: {error.reason} (runtime.strict=true)")
        log.warning("image %s left out: %s", error.image_id, error.reason)
        self.errors.append(error)
        self._progress.image_failed(error)


def _ask_canary(segmenter: Segmenter, plan: Plan) -> None:
    """Checks the masks that the checkpoint is known to give, where they are recorded."""
    sha256 = segmenter.facts.get("checkpoint_sha256")
    path = canary.find(sha256, [plan.site.checkpoints, conf_dir()])
    if path is not None:
        canary.check(segmenter, canary.load(path), path)


@dataclass(frozen=True, slots=True)
class _ScoredImage:
    """One image's rows, by prompt, and how many of its targets don't count, by reason."""

    image_id: str
    rows: Mapping[str, list[Row]]
    skipped: Mapping[str, int]


class _Pending:
    """Rows of finished images that are not on disk yet."""

    max_seconds = 60.0

    def __init__(self, store: RunStore, reader: Reader) -> None:
        self._store, self._reader = store, reader
        self._clear()
        self.rows_written = 0

    def _clear(self) -> None:
        self._rows: list[Row] = []
        self._images: list[str] = []
        self._skipped: Counter[str] = Counter()
        self._since = time.monotonic()

    def add(self, image_id: str, rows: Sequence[Row], skipped: Mapping[str, int]) -> None:
        self._rows.extend(rows)
        self._images.append(image_id)
        self._skipped.update(skipped)

    def flush(self, at: int = 1) -> None:
        """Writes a part once it has ``at`` images or has waited for ``max_seconds``."""
        due = len(self._images) >= at or time.monotonic() - self._since > self.max_seconds
        if due and self._images:
            fingerprint = self._reader.fingerprint(self._images)
            self._store.write_part(self._rows, self._images, self._skipped, fingerprint)
            self.rows_written += len(self._rows)
            self._clear()


def _keep_errors(store: RunStore, errors: Sequence[ImageError]) -> None:
    """Of the failures so far and now, keeps those whose image is still not done."""
    done = set(store.content().images)
    latest = {error.image_id: error for error in [*store.errors(), *errors]}
    store.write_errors(error for image_id, error in latest.items() if image_id not in done)


def _header(
    plan: Plan,
    each: PromptRun,
    status: str | None,
    started: str,
    seconds: Mapping[str, float],
    facts: Mapping[str, str],
) -> dict[str, Any]:
    """What ``run.json`` says; without a status, the one that the parts on disk give."""
    before, config = each.store.header(), plan.config
    content, failed = each.store.content(), len(each.store.errors())
    if status is None:
        finished = len(content.images) + failed >= len(plan.ids)
        status = "complete" if finished else "partial"
    earlier = before.get("seconds", {})
    return {
        "schema_version": SCHEMA_VERSION,
        "name": each.store.folder.name,
        "key": each.key,
        "task": config.task,
        "seed": config.seed,
        "model": asdict(plan.model),
        "dataset": asdict(config.dataset),
        "prompt": asdict(each.part),
        "protocol": asdict(config.protocol),
        "report_steps": {str(step): label for step, label in each.strategy.report_steps.items()},
        "status": status,
        "images": len(plan.ids),
        "images_done": len(content.images),
        "images_failed": failed,
        "masks": content.masks,
        "skipped": dict(content.skipped),
        "dataset_fingerprint": plan.fingerprint,
        "seconds": {
            name: round(earlier.get(name, 0.0) + seconds.get(name, 0.0), 3)
            for name in {**earlier, **seconds}
        },
        "device": plan.site.device,
        "facts": facts or before.get("facts", {}),
        "versions": provenance.versions(),
        "git": provenance.commit(),
        "machine": provenance.machine(),
        "created": before.get("created", started),
        "finished": _now() if status != "running" else None,
    }


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
