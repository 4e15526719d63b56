"""What an answer needs of the host's processor where a device computes: ``held``.

The rounds of prompts and masks are taken on a CPU in the way of an accelerator, in several passes.
In one every result of torch's operators is kept; in the later ones, which are timed, operators are
answered from those (``operator_calls.Replayed``). So what is timed is all of Python's and NumPy's
work and the asking of operators, neither their arithmetic nor any waiting, and no arithmetic has
emptied the processor's caches in between. Asking goes through torch's dispatcher and back, some
5 µs, about what it takes to launch a kernel.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import cv2
import torch
from operator_calls import Recorded, Replayed

from bench.scoring import measuring
from bench.tasks.contract import Case, Scored
from bench.tasks.prompted_masks import Rounds
from bench.types.stopwatch import Stopwatch

PHASES = ("prompt", "batch", "rows", "other")
"""Placing clicks, scoring, making rows, and what keeps it together."""


@dataclass(frozen=True, slots=True)
class Held:
    """Milliseconds of one core an answer, by phase; the model's own are left out.

    ``released`` are those of OpenCV's distance transforms, in which other threads have their turn;
    they are in no phase. ``operators`` are those that an answer asks for.
    """

    answers: int
    milliseconds: float
    phases: Mapping[str, float]
    released: float
    operators: float


class Spent:
    """Seconds of the calling thread, by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def turn_to(self, image_ids: Sequence[str]) -> None:
        """Says nothing."""

    def passed(self, name: str, start: float, end: float) -> None:
        """Says nothing of the wall's clock."""

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        """Times the block."""
        start = time.thread_time()
        try:
            yield
        finally:
            self.seconds[name] += time.thread_time() - start

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def called(*given: Any, **named: Any) -> Any:
            with self.around(name):
                return function(*given, **named)

        return called


class Batches:
    """``measuring.on_device``, of which the results are kept, batch by batch, or played again."""

    def __init__(self) -> None:
        self.results: list[list[Any]] = []
        self._together = measuring.on_device

    def recorded(self, prediction: Any, aims: Sequence[Any], *others: Any) -> Any:
        """In truth."""
        recorded = Recorded()
        with recorded:
            found = self._together(prediction, aims, *others)
        self.results.append(recorded.results)
        return found

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Plays all batches again, in their order."""
        each = iter(self.results)

        def together(*given: Any) -> Any:
            with Replayed(next(each)):
                return self._together(*given)

        with mock.patch.object(measuring, "on_device", together):
            yield


def in_batches(size: int) -> Callable[..., Iterable[Any]]:
    """So many prompts at a time (``bench.tasks.contract.Batches``)."""

    def batches(work: Callable[[Sequence[Any]], Any], items: Sequence[Any]) -> Iterable[Any]:
        return (work(items[start : start + size]) for start in range(0, len(items), size))

    return batches


def held(
    scorer: Any, cases: Sequence[Case], answers: Callable[[int], int], rounds: int = 3
) -> Held:
    """Of some images, the least of some rounds; ``answers`` says how many, of so many rows."""
    batches = Batches()
    best: Held | None = None
    with mock.patch.object(measuring, "straight", _nowhere):
        scorer(cases, Stopwatch(Spent()))  # makes matrices, which are there afterwards
        with mock.patch.object(measuring, "on_device", batches.recorded):
            scorer(cases, Stopwatch(Spent()))
        for _ in range(rounds):
            spent, parts = Spent(), Spent()
            with batches.replayed(), spent.around("all"):
                found: Sequence[Scored] = scorer(cases, Stopwatch(spent))
            transform = parts.timed("released", cv2.distanceTransform)
            with (  # in a pass of its own: to ask for the time takes some
                batches.replayed(),
                mock.patch.object(Rounds, "_row", parts.timed("rows", Rounds._row)),
                mock.patch.object(cv2, "distanceTransform", transform),
            ):
                scorer(cases, Stopwatch(Spent()))
            asked = answers(sum(len(rows) for image in found for rows in image.rows.values()))
            one = _held(spent.seconds | parts.seconds, asked, sum(map(len, batches.results)))
            if best is None or one.milliseconds < best.milliseconds:
                best = one
    assert best is not None
    return best


def _held(seconds: Mapping[str, float], answers: int, operators: int) -> Held:
    each = {name: 1000 * passed / answers for name, passed in seconds.items()}
    whole = each["all"] - each["predict"] - each["released"]
    phases = {
        "prompt": each["prompt"] - each["released"],
        "batch": each["score"] - each["rows"],
        "rows": each["rows"],
    }
    phases["other"] = whole - sum(phases.values())
    return Held(answers, whole, phases, each["released"], operators / answers)


def _nowhere(device: torch.device) -> bool:
    """No device measures masks one after the other."""
    return False
