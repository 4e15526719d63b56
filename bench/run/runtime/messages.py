"""What a worker elsewhere and its driver say to each other; never rows, never images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.run.profiling.memory import Memory
from bench.run.profiling.recording import Recording
from bench.store.runs import ImageError
from bench.types import BenchError


@dataclass(frozen=True, slots=True)
class Loaded:
    """The worker is ready; ``facts`` are its model's."""

    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scored:
    """An image is scored, though perhaps not on disk yet; see ``Progress.image_done``."""

    values: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Failed:
    """An image could not be read or scored."""

    error: ImageError


@dataclass(frozen=True, slots=True)
class Returned:
    """The batch, or as much of it as was begun before a stop, is on disk; seconds by phase.

    ``memory`` is the worker's so far, ``recording`` what it noted for a profile.
    """

    seconds: Mapping[str, float]
    memory: Memory
    recording: Recording | None


@dataclass(frozen=True, slots=True)
class Refused:
    """What ends a run: a user's mistake, or with a ``trace`` one of the bench."""

    reason: str
    trace: str | None

    def error(self) -> Exception:
        """To be raised by the driver."""
        if self.trace is None:
            return BenchError(self.reason)
        return RuntimeError(f"a worker failed: {self.reason}\n{self.trace}")


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop after the image in hand."""
