"""Seconds per phase, so that a starved device is seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol


class Observer(Protocol):
    """Hears of every single phase, where the sums are not enough."""

    def turn_to(self, image_ids: Sequence[str]) -> None:
        """What the calling thread times from now on is of these images."""

    def around(self, name: str) -> AbstractContextManager[None]:
        """Entered before the phase's clock starts and left after it stands."""

    def passed(self, name: str, start: float, end: float) -> None:
        """A phase of the calling thread; both are of ``time.perf_counter``."""


class Stopwatch:
    """Adds up wall seconds by name over all threads: side by side they exceed the clock's.

    ``observer`` hears of every phase.
    """

    def __init__(self, observer: Observer | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._observer = observer
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Times the block and adds it to ``name``, also where it raises."""
        observer = self._observer
        with nullcontext() if observer is None else observer.around(name):
            start = time.perf_counter()
            try:
                yield
            finally:
                self.passed(name, start, time.perf_counter())

    def passed(self, name: str, start: float, end: float) -> None:
        """Adds a phase of the calling thread that has been timed, by ``time.perf_counter``."""
        self.add({name: end - start})
        if self._observer is not None:
            self._observer.passed(name, start, end)

    def turn_to(self, *image_ids: str) -> None:
        """Says which images the calling thread is at from now on: for who observes, no sum."""
        if self._observer is not None:
            self._observer.turn_to(image_ids)

    def add(self, seconds: Mapping[str, float]) -> None:
        """Adds seconds that were measured elsewhere, by name."""
        with self._lock:
            for name, passed in seconds.items():
                self.seconds[name] = self.seconds.get(name, 0.0) + passed

    def take(self) -> dict[str, float]:
        """Gives what has been added up and starts again from nothing."""
        with self._lock:
            taken, self.seconds = self.seconds, {}
        return taken
