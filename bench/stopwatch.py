"""Seconds per phase, so that a starved device is seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Adds up wall seconds by name over all threads: side by side they exceed the clock's."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Times the block and adds it to ``name``, also where it raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add({name: time.perf_counter() - start})

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
