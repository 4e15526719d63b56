"""A number over masks and over images, differences of two, wins, p-values, and images needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtrit

from bench.analysis.stats.intervals import (
    FEW_UNEQUAL,
    SHARES,
    VERDICT,
    Clusters,
    Float64Array,
    Interval,
    Reach,
    apart,
    clustered_interval,
    interval_of_sums,
    mean_interval,
    warn_of_draws,
)

SHOWN = 0.05
"""The p below which a difference is one."""

EVEN = 2 / 3
"""Clusters are unequal where their effective number is below this share of their number: their
sizes' standard deviation is above 0.7 of their mean."""


@dataclass(frozen=True, slots=True)
class Averages:
    """One number as a mean over masks, and as a mean over images, in which each image counts once.

    They answer two questions: how good is a mask drawn at random, and how good are the masks of an
    image drawn at random. ``unequal`` says whether clusters are few (below 100) and differ much in
    size: then a single large one decides the mean over masks, and the mean over images, which is
    known far better, leads in what is said.
    """

    masks: Interval
    images: Interval
    unequal: bool

    def of(self, over_images: bool) -> Interval:
        """The mean over images or that over masks."""
        return self.images if over_images else self.masks

    @property
    def p(self) -> float | None:
        """The two-sided p of a difference of 0, for a verdict: the larger one of both averages'.

        So it is below 0.05 exactly where both 95 % intervals leave 0 out on the same side; 1 where
        the two point to different sides. None below 6 clusters, and where one has no interval.
        """
        over_masks, over_images = self.masks.p, self.images.p
        if not self.masks.enough or over_masks is None or over_images is None:
            return None
        if self.masks.mean * self.images.mean < 0:
            return 1.0
        return max(over_masks, over_images)


def averages(
    values: npt.ArrayLike,
    images: Clusters,
    clusters: Clusters | None = None,
    *,
    reach: Reach = SHARES,
    lean: bool = True,
) -> Averages:
    """Both averages of ``values`` (N,), one per mask; ``images`` (N,) is the image of each.

    ``clusters`` (N,) is what the images belong to, by default themselves. ``reach`` and ``lean``
    are those of ``clustered_interval``, which says what raises ``ValueError``.
    """
    array = np.asarray(values, dtype=np.float64)
    owners = images if clusters is None else clusters
    masks = clustered_interval(array, owners, reach=reach, lean=lean)
    codes, names = pd.factorize(pd.Series(images))
    each = np.bincount(codes, weights=array) / np.bincount(codes)
    first = ~pd.Series(codes).duplicated().to_numpy()
    of_each = np.asarray(names) if clusters is None else pd.Series(clusters)[first]
    alone = masks.clusters == len(each)  # then images weigh the same, and nothing leans
    over_images = clustered_interval(each, of_each, reach=reach, lean=lean and not alone)
    effective = masks.effective or 0.0
    unequal = masks.clusters < FEW_UNEQUAL and effective < EVEN * masks.clusters
    return Averages(masks, over_images, unequal)


def averages_of_sums(
    masks: tuple[npt.ArrayLike, npt.ArrayLike],
    images: tuple[npt.ArrayLike, npt.ArrayLike],
    *,
    reach: Reach = SHARES,
    lean: bool = True,
) -> Averages:
    """Both averages of what clusters add up to: the same as of the values behind the sums.

    ``masks`` are each cluster's sum over its masks and their number, ``images`` the sum of its
    images' own means and their number, all (I,) in one order. A paired difference is that of sums
    of the same masks, with ``reach`` that of differences and ``lean`` false.
    """
    over_masks = interval_of_sums(*masks, reach=reach, lean=lean)
    number = np.asarray(images[1])
    alone = over_masks.clusters == int(number.sum())
    over_images = interval_of_sums(*images, reach=reach, lean=lean and not alone)
    effective = over_masks.effective or 0.0
    unequal = over_masks.clusters < FEW_UNEQUAL and effective < EVEN * over_masks.clusters
    return Averages(over_masks, over_images, unequal)


def paired_averages(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    images: Clusters,
    clusters: Clusters | None = None,
    *,
    reach: Reach = SHARES,
) -> Averages:
    """Both averages of ``a - b`` over the same masks, in their order; ``reach`` is that of either.

    Every paired difference of the bench comes from here, with its intervals and its p.
    """
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if left.shape != right.shape:
        raise ValueError(f"paired values need one shape, found {left.shape} and {right.shape}")
    return averages(left - right, images, clusters, reach=apart(reach), lean=False)


def paired_interval(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    clusters: Clusters,
    *,
    samples: object = None,
    seed: object = None,
) -> Interval:
    """The mean of ``a - b`` over the same masks, shares in [0, 1]: what notebooks call.

    ``a`` and ``b`` are (N,), entry i of both belongs to mask i, which lies in image
    ``clusters[i]``. Two models' errors on a mask go together, so this is narrower than what two
    separate intervals suggest. ``samples`` and ``seed`` are of earlier releases and do nothing.

    >>> found = paired_interval([0.9, 0.7, 0.8], [0.8, 0.5, 0.75], ["a", "b", "c"])
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3)
    (0.117, -0.075, 0.3)
    """
    warn_of_draws(samples, seed)
    return paired_averages(a, b, clusters).masks


def mean_averages(several: Sequence[Averages]) -> Averages:
    """Both averages of several datasets, each of the same weight."""
    return Averages(
        mean_interval([each.masks for each in several]),
        mean_interval([each.images for each in several]),
        any(each.unequal for each in several),
    )


def win_rate(a: npt.ArrayLike, b: npt.ArrayLike) -> Float64Array:
    """Per mask 1 where ``a`` is better, 0 where ``b`` is, 0.5 where they are equal: (N,).

    Its mean is the win rate; ``averages`` gives the interval.

    >>> win_rate([0.9, 0.5, 0.7], [0.8, 0.6, 0.7]).tolist()
    [1.0, 0.0, 0.5]
    """
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return np.where(left == right, 0.5, left > right).astype(np.float64)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values corrected for how many there are (Holm 1979); none stays none.

    The smallest is multiplied by their number, the next by one less, and so on, never falling.

    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[index] = largest
    return corrected


def clusters_needed(
    difference: Averages, effect: float, *, level: float = 0.95, power: float = 0.8
) -> int | None:
    """How many clusters show a difference of ``effect`` with this power, by the verdict's own test.

    ``difference`` is that of a first try, ``effect`` in its unit, over masks and over images. With
    n clusters like those of the try its error is √(their number / n) as large, and its degrees of
    freedom grow with n. What is needed is the larger number of the two tests; never below 6. Where
    clusters are unequal it is too few: so many show the difference in 60 to 70 of 100 cases
    (``benchmarks/interval_coverage.py``). None where the try has no interval. Raises ``ValueError``
    for an effect that isn't above 0.

    >>> rng = np.random.default_rng(0)
    >>> images = np.arange(1_000) // 2
    >>> clusters_needed(averages(rng.normal(0, 0.1, 1_000), images, lean=False), 0.01)
    379
    """
    if not effect > 0:
        raise ValueError(f"an effect to be seen is above 0, found {effect}")
    needed = [_needed(each, effect, level, power) for each in (difference.masks, difference.images)]
    known = [number for number in needed if number is not None]
    return max(VERDICT, *known) if len(known) == 2 else None


def _needed(pilot: Interval, effect: float, level: float, power: float) -> int | None:
    """The clusters that one test needs: its error against the quantiles of its own t."""
    if pilot.low is None:
        return None

    def shows(number: int) -> bool:
        freedom = max(1.0, pilot.freedom * (number - 1) / (pilot.clusters - 1))
        quantiles = float(stdtrit(freedom, (1 + level) / 2) + stdtrit(freedom, power))
        return effect >= quantiles * pilot.error * sqrt(pilot.clusters / number)

    most = VERDICT
    while not shows(most):
        most *= 2
    fewest = most // 2
    while most - fewest > 1:
        middle = (fewest + most) // 2
        fewest, most = (fewest, middle) if shows(middle) else (middle, most)
    return most
