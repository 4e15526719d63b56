"""What is counted of a picture's edge map: pixels that are right, at each threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.scoring.edges.boundaries import thinned
from bench.scoring.edges.matching import matched
from bench.types import BoolArray, FloatArray

Counts = npt.NDArray[np.int64]
Match = Callable[[BoolArray, BoolArray, float], tuple[BoolArray, BoolArray]]
"""What says which pixels of two thin maps are matched within a reach."""


@dataclass(frozen=True, slots=True)
class EdgeCounts:
    """Pixels of one picture, or of several added up, at each of T thresholds, each (T,).

    ``matched`` of the ``predicted`` ones are someone's: of all people's boundaries together, as a
    pixel is right that one person has drawn. ``recalled`` of the ``truth``, the boundary pixels of
    every person, were found; each person is matched alone.
    """

    matched: Counts
    predicted: Counts
    recalled: Counts
    truth: Counts

    def stacked(self) -> Counts:
        """All four, (4, T), in the order of the fields."""
        return np.stack([self.matched, self.predicted, self.recalled, self.truth])


def thresholds(number: int = 99) -> npt.NDArray[np.float64]:
    """So many thresholds between 0 and 1, evenly, without the ends.

    >>> thresholds(3).tolist()
    [0.25, 0.5, 0.75]
    """
    return np.linspace(1 / (number + 1), 1 - 1 / (number + 1), number)


def edge_counts(
    strength: FloatArray,
    people: Sequence[BoolArray],
    levels: npt.NDArray[np.float64],
    reach: float,
    match: Match = matched,
) -> EdgeCounts:
    """The counts of an edge map against each person's thin boundaries (H, W).

    ``strength`` is (H, W) in [0, 1]. At each of the ``levels`` (T,) what is at least as strong is
    an edge, thinned, and matched with each person within ``reach`` pixels, by ``match``. As the
    BSDS benchmark counts.
    """
    found = np.zeros((4, len(levels)), dtype=np.int64)
    before, counted = None, None
    for number, level in enumerate(levels):
        above = strength >= level
        if before is None or counted is None or not np.array_equal(above, before):
            before, counted = above, _at(thinned(above), people, reach, match)
        found[:, number] = counted
    return EdgeCounts(*found)


def _at(
    lines: BoolArray, people: Sequence[BoolArray], reach: float, match: Match
) -> tuple[int, int, int, int]:
    right, recalled, truth = np.zeros(lines.shape, dtype=bool), 0, 0
    for boundaries in people:
        found, met = match(lines, boundaries, reach)
        right |= found
        recalled += int(met.sum())
        truth += int(boundaries.sum())
    return int(right.sum()), int(lines.sum()), recalled, truth
