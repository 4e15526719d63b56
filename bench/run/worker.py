"""The one loop: read ahead, have the task score, write."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch

from bench.config.folders import conf_dir
from bench.models.loading import needs_memory, out_of_memory, pinned_model
from bench.run import canary
from bench.run.batches import Halving, NoMemoryError, Room
from bench.run.embeddings.cache import Encoder
from bench.run.findings import Progress
from bench.run.health import Health
from bench.run.plan import Job, Plan
from bench.run.promises import check_rows
from bench.run.writer import Pending
from bench.store.runs import ImageError
from bench.tasks.contract import Case, Lent, Scored
from bench.types import BenchError, Row, Sample, Segmenter, Site, UnfitImageError
from bench.types.stopwatch import Stopwatch
from bench.types.threads import Crew, background, in_order, lasting_map

log = logging.getLogger(__name__)

WAVE_BYTES = 1 << 30
"""What masks, rims and logits of prompts under way may take at most, were every mask full."""

_LANES = 2
"""Groups of images under way on an accelerator: it answers one as another's clicks are placed."""

_PIECE = 4
"""Targets of an image that a thread scores on a CPU before others may take over the rest."""

GROUP = 8
"""Images of a group on an accelerator, at least: their prompts fill batches together."""

_GROUP_PIXELS = 1 << 25
"""Pixels of images that a group takes at most, unless it is of one."""


class Worker:
    """Scores images under the prompts that lack them and writes their rows as parts."""

    def __init__(self, plan: Plan, progress: Progress, watch: Stopwatch) -> None:
        runtime, site = plan.setting.runtime, plan.setting.site
        self._finished: dict[str, Scored] = {}
        self._plan, self._progress, self._watch = plan, progress, watch
        # On a CPU images are scored side by side, each on one thread: torch's own threads would
        # gain less, and their number would change the order of summation and so the last bits.
        self._on_cpu = torch.device(site.device).type == "cpu"
        self._lanes = runtime.workers if self._on_cpu else _LANES
        self._group = runtime.image_batch if self._on_cpu else max(GROUP, runtime.image_batch)
        self._crew = Crew(self._lanes, self._use_one_thread)
        self._use_one_thread()
        self.segmenter: Segmenter | None = None
        room = Room()
        self._halves = Halving(runtime.image_batch, "runtime.image_batch", room)
        self._embedded: dict[str, Any] = {}
        if plan.task.asks_model:
            model = plan.setting.config.model
            self.segmenter = pinned_model(model, site, runtime.allow_modules)
            self._encoder = Encoder(self.segmenter, plan.question.model, runtime, watch)
            if runtime.canary:
                with needs_memory(f"{model.name} on {site.device}, asked for its known masks"):
                    _ask_canary(self.segmenter, site)
        self._health = Health(runtime.allow_degenerate)
        self._where = ", ".join(str(run.store.folder) for run in plan.work.runs.values())
        self._leads = plan.task.measures[0].name
        self._steps = {name: run.way.steps for name, run in plan.work.runs.items()}
        lent = Lent(
            segmenter=self.segmenter,
            embed=self._embed,
            batches=Halving(runtime.prompt_batch, "runtime.prompt_batch", room),
            metrics=plan.metrics,
            keep_masks=runtime.keep_masks,
            keep_candidates=runtime.keep_candidates,
            wave_bytes=WAVE_BYTES // self._lanes,
            wave_targets=_PIECE if self._on_cpu else None,
            each=map if self._on_cpu else lasting_map(runtime.workers, "host"),
            share=self._crew.share if self._on_cpu else map,
        )
        self._scorer = plan.task.scorer(plan.setting.config, plan.reader, lent)

    @property
    def facts(self) -> Mapping[str, str]:
        """What the header says of the model; empty where none is asked."""
        return {} if self.segmenter is None else self.segmenter.facts

    def __call__(self, jobs: Sequence[Job], stop: Callable[[], bool] = lambda: False) -> int:
        """Scores the images and gives the number of rows written.

        Whatever ends it, images that are finished or in hand are kept. Raises
        ``KeyboardInterrupt`` after the image in hand once ``stop`` says so.
        """
        with background("write") as writer:
            pending = {
                name: Pending(
                    each.store, self._plan.reader, self._plan.origins, writer, self._watch
                )
                for name, each in self._plan.work.runs.items()
            }
            self._do(jobs, stop, pending)
        return sum(part.rows_written for part in pending.values())

    def _do(
        self, jobs: Sequence[Job], stop: Callable[[], bool], pending: Mapping[str, Pending]
    ) -> None:
        scored = in_order(self._score, self._groups(jobs), self._lanes, "score")
        try:
            for chosen, future in scored:
                self._watch.turn_to(*(job.image_id for job, _ in chosen))
                with self._watch("wait"):
                    future.result()
                for job, _ in chosen:
                    image = self._finished.pop(job.image_id)
                    self._keep(image, pending)
                    if image.faults:
                        self._fail(_error_of(image))
                if stop():
                    raise KeyboardInterrupt
        finally:
            try:  # first what is done: what is in hand may take long, or be given up
                self._write_finished(pending)
            finally:
                scored.close()  # waits for what is in hand
                self._watch.turn_to()
                self._write_finished(pending)

    def _write_finished(self, pending: Mapping[str, Pending]) -> None:
        """Puts on the disk what is scored; one run that fails stops no other."""
        with ExitStack() as each_in_turn:
            for part in pending.values():
                each_in_turn.callback(part.finish)
            for image_id in list(self._finished):
                self._keep(self._finished.pop(image_id), pending)

    def _score(self, group: Sequence[tuple[Job, Sample]]) -> None:
        """Scores the samples together, each under the prompts that lack it.

        One that the model can't take fails alone, and the others of its group are scored.
        """
        try:
            with self._crew.seat():
                self._score_together(group)
        except Exception as error:
            reason = _fault_of_image(error)
            if reason is None:
                raise
            if len(group) > 1:
                for one in group:
                    self._score([one])
                return
            if isinstance(error, NoMemoryError) or out_of_memory(error) is not None:
                self._health.found_no_memory(reason)
            job = group[0][0]
            faults = dict.fromkeys(job.prompts, reason)
            self._finished[job.image_id] = Scored(job.image_id, {}, faults=faults)
            self._embedded.pop(job.image_id, None)

    def _score_together(self, group: Sequence[tuple[Job, Sample]]) -> None:
        self._use_one_thread()
        self._watch.turn_to(*(job.image_id for job, _ in group))
        cases = [Case(sample, job.prompts) for job, sample in group]
        found = self._scorer(cases, self._watch)
        if [one.image_id for one in found] != [case.sample.image_id for case in cases]:
            raise BenchError(
                f"{self._plan.question.task.name}: it must score each image that it is given, "
                "in their order"
            )
        for case, scored in zip(cases, found, strict=True):
            steps = {name: self._steps[name] for name in case.lacking}
            check_rows(self._plan.task, steps, self._plan.question, scored)
            embedding = self._embedded.pop(scored.image_id, None)
            self._health.look(case.sample, embedding, scored, self._where)
            self._finished[scored.image_id] = scored

    def _embed(self, samples: Sequence[Sample]) -> Sequence[Any]:
        """The samples' embeddings, as many at a time as the device's memory holds."""
        images = [sample.image for sample in samples]
        found = [one for some in self._halves(self._encoder.embed, images) for one in some]
        ids = [sample.image_id for sample in samples]
        self._embedded.update(zip(ids, found, strict=True))
        return found

    def _use_one_thread(self) -> None:
        """Keeps torch to the calling thread, for which alone the setting holds."""
        if self._on_cpu:
            torch.set_num_threads(1)

    def _keep(self, image: Scored, pending: Mapping[str, Pending]) -> None:
        """Has the image's rows written; one of which an answer was none is not told of as done."""
        for name, rows in image.rows.items():
            pending[name].add(image, rows)
            pending[name].flush(at=self._plan.setting.runtime.part_images)
        if image.faults:
            return
        runs = self._plan.work.runs
        self._progress.image_done(
            {
                name: [
                    value
                    for row in rows
                    if row.step == runs[name].way.steps and (value := self._value(row)) is not None
                ]
                for name, rows in image.rows.items()
            }
        )

    def _value(self, row: Row) -> float | None:
        """What leads the task's tables, of one row."""
        value = row.metrics.get(self._leads, getattr(row, self._leads, None))
        return None if value is None else float(value)

    def _groups(self, jobs: Sequence[Job]) -> Iterator[list[tuple[Job, Sample]]]:
        """The readable samples, a few at a time."""
        group: list[tuple[Job, Sample]] = []
        pixels = 0
        workers = self._plan.setting.runtime.workers
        for job, future in in_order(self._read, jobs, workers, "read"):
            self._watch.turn_to(job.image_id)
            try:
                with self._watch("wait"):
                    sample = future.result()
            except (BenchError, ValueError, OSError, MemoryError) as error:
                self._fail(ImageError(job.image_id, _fault_of_image(error) or str(error)))
                continue
            size = sample.shape[0] * sample.shape[1]
            if group and pixels + size > _GROUP_PIXELS:
                yield group
                group, pixels = [], 0
            group.append((job, sample))
            pixels += size
            if len(group) == self._group:
                yield group
                group, pixels = [], 0
        if group:
            yield group

    def _read(self, job: Job) -> Sample:
        self._watch.turn_to(job.image_id)
        with self._watch("read"):
            sample = self._plan.reader.read(job.image_id)
            self._plan.origins.note(job.image_id)
        if sample.image_id != job.image_id:
            raise BenchError(f"asked for {job.image_id!r}, the reader gives {sample.image_id!r}")
        return sample

    def _fail(self, error: ImageError) -> None:
        if self._plan.setting.runtime.strict:
            raise BenchError(f"image {error.image_id}: {error.reason} (runtime.strict=true)")
        log.warning("image %s left out: %s", error.image_id, error.reason)
        self._progress.image_failed(error)


def _fault_of_image(error: Exception) -> str | None:
    """Why an image fails alone, however right the model is; none where the run is to end."""
    if isinstance(error, UnfitImageError):
        return str(error)
    reason = out_of_memory(error)
    return None if reason is None else f"out of memory: {reason}; take a smaller image"


def _error_of(scored: Scored) -> ImageError:
    """Why an image fails that was read, for each run of which it does, once where all agree."""
    whys = list(scored.faults.values())
    if len(whys) > 1 and len(set(whys)) == 1:
        return ImageError(scored.image_id, whys[0])
    said = "; ".join(f"{name}: {why}" for name, why in scored.faults.items())
    return ImageError(scored.image_id, said)


def _ask_canary(segmenter: Segmenter, site: Site) -> None:
    """Checks the masks that the checkpoint is known to give, where they are recorded."""
    sha256 = segmenter.facts.get("checkpoint_sha256")
    path = canary.find(sha256, [site.checkpoints, conf_dir()])
    if path is not None:
        canary.check(segmenter, canary.load(path), path)
