"""How far a run has come: a bar on a terminal, a plain line every 30 s elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.store.runs import ImageError

if TYPE_CHECKING:
    from bench.run.plan import Plan

log = logging.getLogger(__name__)


class RunProgress:
    """Counts images and keeps a running mIoU per prompt; a context manager.

    ``every`` is the seconds between two plain lines where standard error is no terminal.
    """

    def __init__(self, title: str, total: int, console: Console, every: float = 30.0) -> None:
        self._title, self._total, self._every = title, total, every
        self._console = console
        self._sums: dict[str, tuple[float, int]] = {}
        self._done = self._failed = 0
        self._start = self._spoken = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[miou]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=total, rate="", miou="")

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

    def image_done(self, ious: Mapping[str, Sequence[float]]) -> None:
        """An image is scored; ``ious`` holds the last steps' IoUs, by prompt."""
        for prompt, values in ious.items():
            total, count = self._sums.get(prompt, (0.0, 0))
            self._sums[prompt] = (total + sum(values), count + len(values))
        self._done += 1
        self._move()

    def image_failed(self, error: ImageError) -> None:
        """An image could not be read."""
        self._failed += 1
        self._move()

    def _move(self) -> None:
        self._bar.update(self._task, advance=1, rate=f"{self._rate():.2f} img/s", miou=self._miou())
        now = time.monotonic()
        if not self._console.is_terminal and now - self._spoken >= self._every:
            self._spoken = now
            self._say()

    def _say(self) -> None:
        seen, rate = self._done + self._failed, self._rate()
        left = (self._total - seen) / rate if rate else float("nan")
        failed = f", {self._failed} failed" if self._failed else ""
        self._console.print(
            f"{self._title}: {seen}/{self._total} images{failed}, {rate:.2f} img/s, "
            f"{left:.0f} s left, {self._miou()}",
            highlight=False,
            soft_wrap=True,
        )

    def _rate(self) -> float:
        return (self._done + self._failed) / max(time.monotonic() - self._start, 1e-9)

    def _miou(self) -> str:
        means = [f"{p} {100 * total / n:.1f}" for p, (total, n) in self._sums.items() if n]
        return "mIoU " + " · ".join(means) if means else ""


def run_plan(plan: Plan, screen: Console | None = None) -> list[ImageError]:
    """Does what the plan lacks under a progress bar, and gives the images that failed.

    What is to be said goes to ``screen``, by default standard error.
    """
    from bench.run.embeddings.cache import cache_size
    from bench.run.profiling.profile import Profile
    from bench.run.worker import run

    screen = screen or Console(stderr=True)

    def say(words: str) -> None:
        screen.print(words, highlight=False, markup=False, soft_wrap=True)

    size = cache_size(plan) if plan.todo else None
    if size is not None:
        say(size.words())
    title = f"{plan.config.model.name} on {plan.config.dataset.name}"
    profile = Profile(plan.site.device) if plan.config.runtime.profile and plan.todo else None
    try:
        with RunProgress(title, len(plan.todo), screen) as progress:
            return run(plan, progress, profile)
    finally:
        if profile is not None and profile.folder is not None:
            say(f"profile: {profile.folder / 'profile.md'}")
