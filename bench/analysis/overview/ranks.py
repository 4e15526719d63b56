"""Mean ranks and win rates of models over datasets, and which models are not shown to differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bench.analysis.stats.intervals import clustered_interval

Float64Array: TypeAlias = npt.NDArray[np.float64]

FEWEST = 3
"""Datasets of which there is an interval."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A model's mean rank (1 is best) and win rate in [0, 1], with 95 % intervals over datasets.

    The win rate is the share of all pairs of another model and a dataset in which this one is
    better; a tie counts half. ``low`` and ``high`` are none below three datasets, and where a model
    has the same rank on each.
    """

    rank: float
    rank_low: float | None
    rank_high: float | None
    wins: float
    wins_low: float | None
    wins_high: float | None


def standings(scores: npt.ArrayLike) -> list[Standing]:
    """The standing of each model of ``scores`` (M, D), higher is better; M is at least 2.

    Of models that tie on a dataset each has the mean of their ranks. The intervals are those of
    ``clustered_interval`` over the datasets, for means of 1 to M and of 0 to 1: what another choice
    of datasets would do, not the images in them. ``benchmarks/rank_coverage.py`` counts how often
    they hold the truth, and how often a bootstrap's quantiles do.

    >>> [(each.rank, each.wins) for each in standings([[0.9, 0.5], [0.8, 0.5]])]
    [(1.25, 0.75), (1.75, 0.25)]
    """
    values = np.asarray(scores, dtype=np.float64)
    models = len(values)
    better = (values[None] > values[:, None]).sum(axis=1)
    equal = (values[None] == values[:, None]).sum(axis=1)  # itself among them
    ranks = better + (equal + 1) / 2
    wins = (models - ranks) / (models - 1)
    found = []
    for own_ranks, own_wins in zip(ranks, wins, strict=True):
        means = float(own_ranks.mean()), float(own_wins.mean())
        rank_low, rank_high = _bounds(own_ranks, (1.0, float(models)))
        wins_low, wins_high = _bounds(own_wins, (0.0, 1.0))
        found.append(Standing(means[0], rank_low, rank_high, means[1], wins_low, wins_high))
    return found


def _bounds(
    values: Float64Array, reach: tuple[float, float]
) -> tuple[float, float] | tuple[None, None]:
    """The interval of the mean of values (D,) within ``reach``; none for few datasets."""
    if len(values) < FEWEST:
        return None, None
    found = clustered_interval(values, np.arange(len(values)), reach=reach, lean=False)
    return (None, None) if found.low is None or found.high is None else (found.low, found.high)


def largest_block(complete: npt.ArrayLike) -> tuple[list[int], list[int]]:
    """The models and datasets to rank on, of ``complete`` (M, D): no cell between them is missing.

    Models are taken in by how many datasets they have, the most first; of the blocks that this
    gives the one of most cells is chosen, of equal ones that of more models. Empty where no two
    models share a dataset.

    >>> largest_block([[1, 1, 1, 1], [1, 1, 1, 0], [0, 0, 0, 1]])
    ([0, 1], [0, 1, 2])
    """
    there = np.asarray(complete, dtype=bool)
    order = np.argsort(-there.sum(axis=1), kind="stable")
    best: tuple[int, list[int], list[int]] = (0, [], [])
    for number in range(2, len(order) + 1):
        shared = there[order[:number]].all(axis=0)
        models = [int(m) for m in np.flatnonzero(there[:, shared].all(axis=1))]
        cells = len(models) * int(shared.sum())
        if cells >= best[0] and cells:
            best = cells, models, [int(d) for d in np.flatnonzero(shared)]
    return best[1], best[2]


def alike(ordered: Sequence[int], differ: Callable[[int, int], bool]) -> list[tuple[int, ...]]:
    """Groups of neighbours in an order of models, no two of which are shown to differ.

    None lies in another, and each has at least two. A model may be in several, as in a diagram of
    critical differences (Demšar, JMLR 7, 2006, section 3.2.4).

    >>> alike([3, 1, 2], lambda a, b: {a, b} == {3, 2})
    [(3, 1), (1, 2)]
    """
    found: list[tuple[int, ...]] = []
    reached = 0
    for first in range(len(ordered)):
        last = first + 1
        while last < len(ordered) and not any(
            differ(ordered[each], ordered[last]) for each in range(first, last)
        ):
            last += 1
        if last - first > 1 and last > reached:
            found.append(tuple(ordered[first:last]))
            reached = last
    return found
