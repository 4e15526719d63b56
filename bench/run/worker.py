"""The one loop: read ahead, embed each image once, prompt, score, write."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import torch

from bench.config.component import Part, load_class
from bench.config.composing import conf_dir
from bench.data.read_ahead import in_order
from bench.run import canary
from bench.run.embeddings.cache import Encoder
from bench.run.findings import Findings, Progress, Runtime
from bench.run.header import header_of, keep_errors, now
from bench.run.health import Health
from bench.run.plan import Plan, Task, finished, held
from bench.run.profiling.memory import peak
from bench.run.profiling.profile import Profile
from bench.run.threads import Crew
from bench.run.writer import Pending
from bench.store.compaction import compact
from bench.store.lock import hold
from bench.store.runs import ImageError, RunStore
from bench.tasks.halving import Halving, Room
from bench.tasks.prompted_masks import WAVE_BYTES, Case, PromptedMasks
from bench.types import BenchError, Row, Sample, Segmenter
from bench.types.stopwatch import Stopwatch

log = logging.getLogger(__name__)


_ROUNDS = 3
"""How often images are done again whose parts turned out to be damaged or done twice."""

_LANES = 2
"""Groups of images under way on an accelerator: it answers one as another's clicks are placed."""

_PIECE = 4
"""Targets of an image that a thread scores on a CPU before others may take over the rest."""

GROUP = 8
"""Images of a group on an accelerator, at least: their prompts fill batches together."""

_GROUP_PIXELS = 1 << 25
"""Pixels of images that a group takes at most, unless it is of one."""


def run(plan: Plan, progress: Progress, profile: Profile | None = None) -> list[ImageError]:
    """Does what the plan's runs lack, and gives the images that failed.

    Finished images are on disk whatever ends the run. With nothing left to do no model is
    loaded and no run is held. Raises ``BenchError``, for a run that another command holds too;
    with ``runtime.strict`` also for the first unreadable image. ``profile`` observes the run and
    is written at its end, whatever that is, if any image was scored.
    """
    started = now()
    unfinished = [name for name, each in plan.runs.items() if not finished(each)]
    if not unfinished:
        return []
    for name in unfinished:
        plan.runs[name].store.make()
    with hold([plan.runs[name].store.folder for name in unfinished]) as token:
        plan = held(plan, token)
        recorder = None if profile is None else profile.recorder
        findings = Findings(plan.site.device, watch=Stopwatch(recorder), profile=profile)
        for name in unfinished:
            compact(plan.runs[name].store)
            _write_header(plan, name, "running", started, findings)
        try:
            with findings.watch("total"):
                _do(plan, token, progress, findings)
        except BaseException:
            with suppress(BenchError):  # on a full disk, say: what ended the run comes first
                _close(plan, unfinished, started, findings)
            raise
        _close(plan, unfinished, started, findings)
        for name in unfinished:
            compact(plan.runs[name].store)
    return findings.errors


def _close(plan: Plan, names: Sequence[str], started: str, findings: Findings) -> None:
    """Says of the runs what was done, as found on the disk."""
    findings.memory = findings.memory.larger(peak(plan.site.device))
    for name in names:
        _mend(plan.runs[name].store)
        keep_errors(plan.runs[name].store, findings.errors)
        _write_header(plan, name, None, started, findings)
    if findings.profile is not None and findings.images:
        findings.profile.write(plan, findings)


def _do(plan: Plan, token: str, progress: Progress, findings: Findings) -> None:
    """Runs the tasks, again those whose parts turned out to be damaged or done twice."""
    settings = plan.config.runtime
    runtime: Runtime = load_class(
        Part("runtime", "1", settings.target), settings.allow_modules, "runtime"
    )()
    for _ in range(_ROUNDS):
        failed = {error.image_id for error in findings.errors}
        tasks = [task for task in plan.tasks() if task.image_id not in failed]
        if not tasks:
            return
        runtime(plan, tasks, progress, findings)
        plan = held(plan, token)


def _mend(store: RunStore) -> None:
    for words in store.mend():
        log.warning("%s", words)


def _write_header(
    plan: Plan, name: str, status: str | None, started: str, findings: Findings
) -> None:
    each = plan.runs[name]
    each.store.write_header(header_of(plan, each, status, started, findings))


class Worker:
    """Scores images under the prompts that lack them and writes their rows as parts."""

    def __init__(self, plan: Plan, progress: Progress, watch: Stopwatch) -> None:
        config = plan.config
        self._finished: dict[str, _ScoredImage] = {}
        self._plan, self._progress, self._watch = plan, progress, watch
        # On a CPU images are scored side by side, each on one thread: torch's own threads would
        # gain less, and their number would change the order of summation and so the last bits.
        self._on_cpu = torch.device(plan.site.device).type == "cpu"
        runtime = config.runtime
        self._lanes = runtime.workers if self._on_cpu else _LANES
        self._group = runtime.image_batch if self._on_cpu else max(GROUP, runtime.image_batch)
        self._crew = Crew(self._lanes, self._use_one_thread)
        self._use_one_thread()
        model = load_class(config.model, runtime.allow_modules, "model")
        self.segmenter: Segmenter = model(**config.model.args, site=plan.site)
        self._encoder = Encoder(self.segmenter, plan, watch)
        self._health = Health(runtime.allow_degenerate)
        self._where = ", ".join(str(run.store.folder) for run in plan.runs.values())
        if runtime.canary:
            _ask_canary(self.segmenter, plan)
        room = Room()
        self._embed = Halving(runtime.image_batch, "runtime.image_batch", room)
        self._task = PromptedMasks(
            dataset=config.dataset.name,
            model=config.model.name,
            protocol_name=config.protocol.name,
            protocol=plan.protocol,
            segmenter=self.segmenter,
            batches=Halving(runtime.prompt_batch, "runtime.prompt_batch", room),
            seed=config.seed,
            keep_masks=runtime.keep_masks,
            wave_bytes=WAVE_BYTES // self._lanes,
            wave_targets=_PIECE if self._on_cpu else None,
            each=map if self._on_cpu else ThreadPoolExecutor(runtime.workers, "host").map,
            share=self._crew.share if self._on_cpu else map,
        )

    def __call__(self, tasks: Sequence[Task], stop: Callable[[], bool] = lambda: False) -> int:
        """Scores the images and gives the number of rows written.

        Whatever ends it, images that are finished or in hand are kept. Raises
        ``KeyboardInterrupt`` after the image in hand once ``stop`` says so.
        """
        with ThreadPoolExecutor(1, "write") as writer:
            pending = {
                name: Pending(each.store, self._plan.reader, writer, self._watch)
                for name, each in self._plan.runs.items()
            }
            self._do(tasks, stop, pending)
        return sum(part.rows_written for part in pending.values())

    def _do(
        self, tasks: Sequence[Task], stop: Callable[[], bool], pending: Mapping[str, Pending]
    ) -> None:
        scored = in_order(self._score, self._groups(tasks), self._lanes, "score")
        try:
            for chosen, future in scored:
                self._watch.turn_to(*(task.image_id for task, _ in chosen))
                with self._watch("wait"):
                    future.result()
                for task, _ in chosen:
                    self._keep(self._finished.pop(task.image_id), pending)
                if stop():
                    raise KeyboardInterrupt
        finally:
            scored.close()  # waits for what is in hand
            self._watch.turn_to()
            with ExitStack() as each_in_turn:  # one that fails stops no other
                for part in pending.values():
                    each_in_turn.callback(part.finish)
                for image_id in list(self._finished):
                    self._keep(self._finished.pop(image_id), pending)

    def _score(self, group: Sequence[tuple[Task, Sample]]) -> None:
        """Scores the samples together, each under the prompts that lack it."""
        with self._crew.seat():
            self._embed_and_score(group)

    def _embed_and_score(self, group: Sequence[tuple[Task, Sample]]) -> None:
        self._use_one_thread()
        self._watch.turn_to(*(task.image_id for task, _ in group))
        images = [sample.image for _, sample in group]
        embeddings = [one for some in self._embed(self._encoder.embed, images) for one in some]
        cases, skipped = [], []
        for (task, sample), embedding in zip(group, embeddings, strict=True):
            lacking = {name: self._plan.runs[name].strategy for name in task.prompts}
            targets, left_out = self._plan.protocol.sort_out(sample.targets)
            cases.append(Case(sample, targets, embedding, lacking))
            skipped.append(left_out)
        scored = self._task.score_images(cases, self._watch)
        for case, rows, left_out in zip(cases, scored, skipped, strict=True):
            self._health.look(case.sample, case.embedding, rows, self._where)
            image_id = case.sample.image_id
            self._finished[image_id] = _ScoredImage(image_id, rows, left_out)

    def _use_one_thread(self) -> None:
        """Keeps torch to the calling thread, for which alone the setting holds."""
        if self._on_cpu:
            torch.set_num_threads(1)

    def _keep(self, image: _ScoredImage, pending: Mapping[str, Pending]) -> None:
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

    def _groups(self, tasks: Sequence[Task]) -> Iterator[list[tuple[Task, Sample]]]:
        """The readable samples, a few at a time."""
        group: list[tuple[Task, Sample]] = []
        pixels = 0
        workers = self._plan.config.runtime.workers
        for task, future in in_order(self._read, tasks, workers, "read"):
            self._watch.turn_to(task.image_id)
            try:
                with self._watch("wait"):
                    sample = future.result()
            except (BenchError, ValueError, OSError) as error:
                self._fail(ImageError(task.image_id, str(error)))
                continue
            size = sample.shape[0] * sample.shape[1]
            if group and pixels + size > _GROUP_PIXELS:
                yield group
                group, pixels = [], 0
            group.append((task, sample))
            pixels += size
            if len(group) == self._group:
                yield group
                group, pixels = [], 0
        if group:
            yield group

    def _read(self, task: Task) -> Sample:
        self._watch.turn_to(task.image_id)
        with self._watch("read"):
            return self._plan.reader.read(task.image_id)

    def _fail(self, error: ImageError) -> None:
        if self._plan.config.runtime.strict:
            raise BenchError(f"image {error.image_id}: {error.reason} (runtime.strict=true)")
        log.warning("image %s left out: %s", error.image_id, error.reason)
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
