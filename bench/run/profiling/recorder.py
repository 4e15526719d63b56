"""Notes every phase of a process as its stopwatch passes it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.run.profiling.memory import peak
from bench.run.profiling.operators import Operators
from bench.run.profiling.recording import MOST_EVENTS, PROFILE, Event, Recording, Spent


class Recorder:
    """A stopwatch's ``Observer`` for one process, whose model is on ``device``.

    ``began`` is when the process was asked for, by ``time.perf_counter``; now, where it's not said.
    Holds at most ``MOST_EVENTS`` events between two calls of ``take``; sums have no end.
    """

    def __init__(self, device: str, began: float | None = None) -> None:
        self._device, self._worker = device, uuid.uuid4().hex
        self._operators = Operators(device)
        self._zero_ns = time.time_ns() - round(time.perf_counter() * 1e9)
        self._last_ns = time.time_ns()
        self._began_ns = self._last_ns if began is None else self._zero_ns + round(began * 1e9)
        self._lock = threading.Lock()
        self._here = threading.local()
        self._lanes: dict[tuple[str, str], Spent] = {}
        self._events: list[Event] = []
        self._dropped = 0

    def turn_to(self, image_ids: Sequence[str]) -> None:
        """What the calling thread times from now on is of these images."""
        self._here.image_ids = tuple(image_ids)

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        """Lets torch's operators be watched, outside of the phase's own clock.

        What that takes is a phase called ``profile``, before and behind.
        """
        if not self._operators.chosen(name, self._image_ids()):
            yield
            return
        start = time.perf_counter()
        with self._operators.watching(name):
            self.passed(PROFILE, start, time.perf_counter())
            try:
                yield
            finally:
                end = time.perf_counter()
        self.passed(PROFILE, end, time.perf_counter())

    def passed(self, name: str, start: float, end: float) -> None:
        """Notes a phase of the calling thread; both are of ``time.perf_counter``."""
        thread = threading.current_thread().name
        event = Event(
            name,
            thread,
            self._zero_ns + int(start * 1e9),
            self._zero_ns + int(end * 1e9),
            self._image_ids(),
        )
        with self._lock:
            before = self._lanes.get((thread, name), Spent())
            if name != PROFILE:
                self._last_ns = max(self._last_ns, event.end_ns)
            self._lanes[thread, name] = before + Spent(end - start, 1)
            if len(self._events) < MOST_EVENTS:
                self._events.append(event)
            else:
                self._dropped += 1

    def take(self) -> Recording:
        """What has been noted since the last time.

        To sum operators up takes seconds; they are a phase of the calling thread, too.
        """
        start = time.perf_counter()
        operators, watched = self._operators.take()
        if operators:
            self.passed(PROFILE, start, time.perf_counter())
        with self._lock:
            lanes, self._lanes = self._lanes, {}
            events, self._events = self._events, []
            dropped, self._dropped = self._dropped, 0
        return Recording(
            self._worker,
            self._device,
            self._began_ns,
            self._last_ns,
            lanes,
            tuple(events),
            dropped,
            operators,
            watched,
            peak(self._device),
        )

    def _image_ids(self) -> tuple[str, ...]:
        found: tuple[str, ...] = getattr(self._here, "image_ids", ())
        return found
