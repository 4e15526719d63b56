"""Drives a plan: holds its runs, has workers do the jobs, and says on the disk what was done."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from bench.config.component import Component, load_class
from bench.config.settings import Runtime as Settings
from bench.data.doubts import first_doubts
from bench.run import runtime
from bench.run.findings import Findings, Progress, Runtime
from bench.run.header import header_of, keep_errors, now
from bench.run.plan import Plan, finished, held
from bench.run.profiling.memory import Memory, forget_peak, peak
from bench.run.profiling.profile import Profile
from bench.store.compaction import compact
from bench.store.lock import hold
from bench.store.runs import ImageError, RunStore
from bench.types import BenchError
from bench.types.stopwatch import Stopwatch

log = logging.getLogger(__name__)

_ROUNDS = 3
"""How often images are done again whose parts turned out to be damaged or done twice."""


def run(plan: Plan, progress: Progress, profile: Profile | None = None) -> list[ImageError]:
    """Does what the plan's runs lack, and gives the images that failed.

    Finished images are on disk whatever ends the run; one that ends before its first image, as
    where the model can't be loaded, leaves no run. With nothing left to do no model is loaded and
    no run is held. Raises ``BenchError``, for a run that another command holds too;
    with ``runtime.strict`` also for the first unreadable image. ``profile`` observes the run and
    is written at its end, whatever that is, if any image was scored.
    """
    started = now()
    unfinished = [name for name, each in plan.work.runs.items() if not finished(each)]
    if not unfinished:
        return []
    forget_peak(plan.setting.site.device)  # another model's, of the same sweep
    for name in unfinished:
        plan.work.runs[name].store.make()
    with hold([plan.work.runs[name].store.folder for name in unfinished]) as token:
        plan = held(plan, token)
        recorder = None if profile is None else profile.recorder
        device = plan.setting.site.device if plan.task.asks_model else "none"
        findings = Findings(device, watch=Stopwatch(recorder), profile=profile)
        for name in unfinished:
            compact(plan.work.runs[name].store)
            _write_header(plan, name, "running", started, findings)
        for words in doubts(plan):
            log.warning("%s", words)
        try:
            with findings.watch("total"):
                _do(plan, token, progress, findings)
        except BaseException:
            with suppress(BenchError):  # on a full disk, say: what ended the run comes first
                _close(plan, unfinished, started, findings)
                for name in unfinished:
                    plan.work.runs[name].store.forget_empty()
            raise
        _close(plan, unfinished, started, findings)
        for name in unfinished:
            compact(plan.work.runs[name].store)
    return findings.errors


def _close(plan: Plan, names: Sequence[str], started: str, findings: Findings) -> None:
    """Says of the runs what was done, as found on the disk."""
    if findings.memory == Memory():  # no worker elsewhere told: it was this process
        findings.memory = peak(plan.setting.site.device)
    for name in names:
        _mend(plan.work.runs[name].store)
        keep_errors(plan.work.runs[name].store, findings.errors)
        _write_header(plan, name, None, started, findings)
    if findings.profile is not None and findings.images:
        findings.profile.write(plan, findings)


def runtime_class(settings: Settings) -> type[Any]:
    """The class that drives a run's workers; raises ``BenchError`` as ``load_class`` does."""
    way = Component("runtime", "1", settings.target)
    return load_class(way, runtime, settings.allow_modules)


def stays_here(settings: Settings) -> bool:
    """Whether a run is done in this very process, where what it holds in memory is at hand."""
    return settings.devices is None and getattr(runtime_class(settings), "in_this_process", False)


def _do(plan: Plan, token: str, progress: Progress, findings: Findings) -> None:
    """Does the jobs, again those whose parts turned out to be damaged or done twice."""
    drive: Runtime = runtime_class(plan.setting.runtime)()
    for _ in range(_ROUNDS):
        failed = {error.image_id for error in findings.errors}
        jobs = [job for job in plan.work.jobs() if job.image_id not in failed]
        if not jobs:
            return
        drive(plan, jobs, progress, findings)
        plan = held(plan, token)


def doubts(plan: Plan) -> list[str]:
    """What may not be meant about the files of the first images, a sentence for each kind."""
    found = first_doubts(plan.reader, (job.image_id for job in plan.work.jobs()))
    return [f"{plan.question.dataset.name}: {words}" for words in found]


def _mend(store: RunStore) -> None:
    for words in store.mend():
        log.warning("%s", words)


def _write_header(
    plan: Plan, name: str, status: str | None, started: str, findings: Findings
) -> None:
    store = plan.work.runs[name].store
    store.write_header(header_of(plan, name, status, started, findings))
