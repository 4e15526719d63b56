"""Mean ranks and win rates of models over datasets, and which models are not shown to differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Float64Array: TypeAlias = npt.NDArray[np.float64]

DRAWS = 2_000
"""How often the datasets are drawn again."""

FEWEST = 3
"""Datasets of which there is an interval: two can be drawn in three ways only."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A model's mean rank (1 is best) and win rate in [0, 1], with 95 % bootstrap intervals.

    The win rate is the share of all pairs of another model and a dataset in which this one is
    better; a tie counts half. ``low`` and ``high`` are none below three datasets.
    """

    rank: float
    rank_low: float | None
    rank_high: float | None
    wins: float
    wins_low: float | None
    wins_high: float | None


def standings(scores: npt.ArrayLike, *, seed: int = 0, draws: int = DRAWS) -> list[Standing]:
    """The standing of each model of ``scores`` (M, D), higher is better; M is at least 2.

    Of models that tie on a dataset each has the mean of their ranks. The interval is that of the
    2.5 % and 97.5 % quantiles over ``draws`` samples of D datasets with replacement, by ``seed``:
    what the choice of datasets does, not the images in them.

    >>> [(each.rank, each.wins) for each in standings([[0.9, 0.5], [0.8, 0.5]])]
    [(1.25, 0.75), (1.75, 0.25)]
    """
    values = np.asarray(scores, dtype=np.float64)
    models, datasets = values.shape
    better = (values[None] > values[:, None]).sum(axis=1)
    equal = (values[None] == values[:, None]).sum(axis=1)  # itself among them
    ranks = better + (equal + 1) / 2
    wins = (models - ranks) / (models - 1)
    picks = np.random.default_rng(seed).integers(0, datasets, (draws, datasets))
    found = []
    for own_ranks, own_wins in zip(ranks, wins, strict=True):
        rank_low, rank_high = _quantiles(own_ranks, picks)
        wins_low, wins_high = _quantiles(own_wins, picks)
        means = float(own_ranks.mean()), float(own_wins.mean())
        found.append(Standing(means[0], rank_low, rank_high, means[1], wins_low, wins_high))
    return found


def _quantiles(
    values: Float64Array, picks: npt.NDArray[np.int64]
) -> tuple[float, float] | tuple[None, None]:
    """The interval of the mean of values (D,) over the draws (N, D); none for few datasets."""
    if len(values) < FEWEST:
        return None, None
    low, high = np.quantile(values[picks].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


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
