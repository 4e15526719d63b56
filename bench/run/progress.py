"""How far a run has come: a bar on a terminal, a plain line every 30 s elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from bench.store.runs import ImageError
from bench.types import IOU, Measure

if TYPE_CHECKING:
    from bench.run.plan import Plan

log = logging.getLogger(__name__)


class RunProgress:
    """Counts images and keeps a running mean per prompt; a context manager.

    ``every`` is the seconds between two plain lines where standard error is no terminal, ``leads``
    what the running means are of, ``before`` what earlier commands have found of it, by prompt:
    the means are over all that the run has.
    """

    def __init__(
        self,
        title: str,
        total: int,
        console: Console,
        every: float = 30.0,
        leads: Measure = IOU,
        before: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        self._title, self._total, self._every = title, total, every
        self._console, self._leads = console, leads
        self._sums = {name: (sum(some), len(some)) for name, some in (before or {}).items()}
        self._done = self._failed = 0
        self._start = self._spoken = time.monotonic()
        self._bar = Progress(
            *_columns(console.width), console=console, disable=not console.is_terminal
        )
        self._task = self._bar.add_task(title, total=total, rate="", means="")

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        if self._done + self._failed and not self._console.is_terminal:
            self._say()

    def image_done(self, values: Mapping[str, Sequence[float]]) -> None:
        """An image is scored; ``values`` holds what leads, of the last steps, by prompt."""
        for prompt, some in values.items():
            total, count = self._sums.get(prompt, (0.0, 0))
            self._sums[prompt] = (total + sum(some), count + len(some))
        self._done += 1
        self._move()

    def image_failed(self, error: ImageError) -> None:
        """An image could not be read or scored."""
        self._failed += 1
        self._move()

    def _move(self) -> None:
        rate, means = f"{self._rate():.2f} img/s", self._means()
        self._bar.update(self._task, advance=1, rate=rate, means=means)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._spoken >= self._every:
            self._spoken = now
            self._say()

    def _say(self) -> None:
        seen, rate = self._done + self._failed, self._rate()
        said = [f"{self._title}: {seen}/{self._total} images"]
        if self._failed:
            said.append(f"{self._failed} failed")
        said.append(f"{rate:.2f} img/s")
        if rate and seen < self._total:
            said.append(f"{(self._total - seen) / rate:.0f} s left")
        said += filter(None, [self._means()])
        self._console.print(", ".join(said), highlight=False, soft_wrap=True)

    def _rate(self) -> float:
        return (self._done + self._failed) / max(time.monotonic() - self._start, 1e-9)

    def _means(self) -> str:
        shown = self._leads.shown
        means = [f"{p} {shown(total / n)}" for p, (total, n) in self._sums.items() if n]
        return f"{self._leads.title} of the run so far: " + " · ".join(means) if means else ""


_WIDE = 100
"""Characters of a terminal in which the bar has room beside the numbers."""


def _columns(width: int) -> list[ProgressColumn]:
    """What a line of the bar shows; words fold in a narrow terminal, so that no number is cut."""
    bar = [BarColumn(bar_width=24)]
    speed = [TextColumn("{task.fields[rate]}"), TimeRemainingColumn(compact=True)]
    return [
        TextColumn("{task.description}", table_column=Column(overflow="fold")),
        *(bar if width >= _WIDE else []),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        *(speed if width >= _WIDE else []),
        TextColumn("{task.fields[means]}", table_column=Column(overflow="fold")),
    ]


def run_plan(plan: Plan, screen: Console | None = None) -> list[ImageError]:
    """Does what the plan lacks under a progress bar, and gives the images that failed.

    What is to be said goes to ``screen``, by default standard error.
    """
    from bench.run.driver import run
    from bench.run.embeddings.cache import cache_size
    from bench.run.profiling.profile import Profile

    screen = screen or Console(stderr=True)

    def say(words: str) -> None:
        screen.print(words, highlight=False, markup=False, soft_wrap=True)

    size = cache_size(plan) if plan.work.todo else None
    if size is not None:
        say(size.words())
    leads = plan.task.measures[0]
    title = f"{plan.question.model.name} on {plan.question.dataset.name}"
    profile = (
        Profile(plan.setting.site.device)
        if plan.setting.runtime.profile and plan.work.todo
        else None
    )
    try:
        before = _found_before(plan) if plan.work.todo else {}
        todo = len(plan.work.todo)
        with RunProgress(title, todo, screen, leads=leads, before=before) as progress:
            return run(plan, progress, profile)
    finally:
        if profile is not None and profile.folder is not None:
            say(f"profile: {profile.folder / 'profile.md'}")


def _found_before(plan: Plan) -> dict[str, list[float]]:
    """What leads of the runs' rows on disk, of the last steps, by prompt."""
    from bench.store.row_table import read_parts

    leads, found = plan.task.measures[0].name, {}
    for name, run in plan.work.runs.items():
        sound = [part.path for part in run.store.survey().sound]  # the images of others are redone
        rows = read_parts(sound, [leads], str(run.store.folder)).to_pandas()
        last = rows.drop_duplicates(["image_id", "mask_id"], keep="last")
        found[name] = last[leads].dropna().tolist()
    return found
