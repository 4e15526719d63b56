"""What is known of the phases in one process, small enough for a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from bench.run.profiling.memory import Memory

Key = TypeVar("Key")

MOST_EVENTS = 100_000
"""Phases that a trace holds at most, about 15 MB of JSON: the first ones, as a viewer takes no
more than some of them anyhow. Sums go on beyond."""

PROFILE = "profile"
"""The phase in which the profile itself keeps a thread from its work."""


@dataclass(frozen=True, slots=True)
class Event:
    """One phase in one thread; nanoseconds since 1970, which processes and machines share."""

    name: str
    thread: str
    start_ns: int
    end_ns: int
    image_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of some phases or operators together and how often they were; on CUDA its own."""

    seconds: float = 0.0
    calls: int = 0
    device_seconds: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.seconds + other.seconds,
            self.calls + other.calls,
            self.device_seconds + other.device_seconds,
        )


@dataclass(frozen=True, slots=True)
class Recording:
    """What one process, ``worker``, has passed through.

    It began to note at ``began_ns``, and its last phase so far ended at ``last_ns`` (since 1970).
    ``lanes`` sums by (thread, phase), ``operators`` by torch's names over the images of
    ``watched`` alone; ``dropped`` events found no room.
    """

    worker: str
    device: str
    began_ns: int = 0
    last_ns: int = 0
    lanes: Mapping[tuple[str, str], Spent] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    dropped: int = 0
    operators: Mapping[str, Spent] = field(default_factory=dict)
    watched: tuple[str, ...] = ()
    memory: Memory = field(default_factory=Memory)

    def and_then(self, later: Recording, room: int) -> Recording:
        """Both of one worker together, with ``room`` for further events."""
        kept = later.events[: max(0, room)]
        return Recording(
            self.worker,
            self.device,
            self.began_ns or later.began_ns,
            max(self.last_ns, later.last_ns),
            added(self.lanes, later.lanes),
            self.events + kept,
            self.dropped + later.dropped + len(later.events) - len(kept),
            added(self.operators, later.operators),
            self.watched + later.watched,
            self.memory.larger(later.memory),
        )


def added(a: Mapping[Key, Spent], b: Mapping[Key, Spent]) -> dict[Key, Spent]:
    """The sums of both by key."""
    return {key: a.get(key, Spent()) + b.get(key, Spent()) for key in {**a, **b}}
