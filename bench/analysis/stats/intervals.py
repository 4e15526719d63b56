"""Intervals of means over masks: the jackknife over images, with Student's t. No draws, no seed.

Masks of one image are alike (same scene, light and annotator), and so are the frames of a video or
the tiles of a slide. What belongs together is a cluster, an image where nothing else is said. In
words: leave each cluster out in turn, to see how much the mean hangs on it (the jackknife, CR3);
take Student's t with as many degrees of freedom as there are clusters that carry the variance (Bell
and McCaffrey, Survey Methodology 28, 2002, for masks that are all alike inside a cluster); bend
the scale, so that no bound leaves what the number can reach; and, for means of scores, lean the
interval to the side from which a large cluster would pull (Hall, JRSS B 54, 1992, section 2).

``benchmarks/interval_coverage.py`` counts how often the intervals hold the truth. From that come
the rules of when there is an interval, a mark and a verdict: by the number of clusters alone, since
samples that miss the large images look harmless by every other number.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isinf, sqrt
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, stdtr, stdtrit

Float64Array: TypeAlias = npt.NDArray[np.float64]
Clusters: TypeAlias = "Sequence[Any] | npt.NDArray[Any] | pd.Series[Any]"
Reach: TypeAlias = tuple[float, float]
"""The least and the most that a number can be; infinite where it has no end."""

SHARES: Reach = (0.0, 1.0)
ANYTHING: Reach = (-inf, inf)

FEWEST = 3
"""Clusters of which there is an interval: two have one degree of freedom and say nothing."""
VERDICT = 6
"""Clusters of which something is concluded: the signs of five can't be unlikely (2 / 2⁵ = 6 %)."""
IN_A_MEAN = 12
"""Clusters that each dataset of a mean has: one tiny dataset spoils the mean's interval."""
FEW = 30
"""Clusters below which an interval is marked, as it may hold the truth less often than it says."""
FEW_UNEQUAL, UNEQUAL = 100, 1 / 3
"""The same, where the effective number of clusters is below this share of their number."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its interval, in the values' own unit.

    ``n`` values lie in ``clusters``; as many clusters of one size as ``effective`` would carry as
    much, (Σm)²/Σm² of their sizes m, and the largest one holds the share ``largest`` of the values;
    both are none for a mean of datasets. ``low`` and ``high`` are none below three clusters, where
    all clusters agree exactly (``exact``), at the end of the ``reach``, and for a mean of datasets
    one of which has none or fewer than 12 clusters. ``few`` marks an interval that may hold the
    truth less often than it says; ``enough`` says whether there are clusters for a verdict.
    ``error`` is the jackknife's standard error, ``freedom`` its degrees, ``skew`` Hall's γ.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    clusters: int
    effective: float | None = None
    largest: float | None = None
    few: bool = True
    enough: bool = False
    exact: bool = False
    error: float = 0.0
    freedom: float = 1.0
    skew: float = 0.0
    reach: Reach = SHARES

    @property
    def p(self) -> float | None:
        """The two-sided p of a mean of 0, below 0.05 exactly where a 95 % interval leaves 0 out.

        Of a difference, whose ``skew`` is 0. None without an interval, and where 0 is the end.

        >>> found = clustered_interval([0.1, 0.2, 0.05], ["a", "b", "c"], reach=(-1, 1), lean=False)
        >>> round(found.low, 3), round(found.p, 3)
        (-0.075, 0.12)
        >>> clustered_interval([0.1, 0.2, 0.05], ["a", "b", "c"], reach=(0, 1)).p is None
        True
        """
        if self.low is None or not self.reach[0] < 0 < self.reach[1]:
            return None
        away = (_bent(self.mean, self.reach) - _bent(0.0, self.reach)) / self._bent_error
        return float(2 * stdtr(self.freedom, -abs(away)))

    @property
    def _bent_error(self) -> float:
        return self.error * _slope(self.mean, self.reach)


def clustered_interval(
    values: npt.ArrayLike,
    clusters: Clusters,
    *,
    reach: Reach = SHARES,
    lean: bool = True,
    level: float = 0.95,
) -> Interval:
    """The mean of ``values`` and its interval, where clusters are drawn at random.

    ``values`` (N,) holds one finite number per mask, ``clusters`` (N,) what each belongs to. Values
    beyond the ``reach`` show that it is another, and it is taken for endless. ``lean`` is for means
    of scores; a difference doesn't. Raises ``ValueError`` for no values, values that are not
    finite, lengths that differ, and a level outside (0, 1).

    >>> found = clustered_interval([0.9, 0.7, 0.5, 0.3, 0.6], ["a", "a", "b", "c", "c"])
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3), found.clusters
    (0.6, 0.116, 1.0, 3)
    >>> round(found.effective, 2), found.largest
    (2.78, 0.4)
    """
    array = np.asarray(values, dtype=np.float64)
    sums, counts = _totals(array, *_coded(array, clusters))
    beyond = max(reach[0] - float(array.min()), float(array.max()) - reach[1])
    reach = reach if beyond <= _ROUNDING else ANYTHING
    mean, pulls, shares = _pulls(sums, counts)
    return _jackknife(mean, [(pulls, shares)], counts, reach, lean, level)


def interval_of_sums(
    sums: npt.ArrayLike,
    counts: npt.ArrayLike,
    *,
    reach: Reach = SHARES,
    lean: bool = True,
    level: float = 0.95,
) -> Interval:
    """The same of what clusters add up to: their ``sums`` (I,) and how many values (I,) they have.

    That is all that the interval hangs on. Clusters without a value are left out.

    >>> found = interval_of_sums([1.6, 0.5, 0.9], [2, 1, 2])
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3), found.clusters
    (0.6, 0.116, 1.0, 3)
    """
    number = np.asarray(counts, dtype=np.float64)
    there = number > 0
    total, number = np.asarray(sums, dtype=np.float64)[there], number[there]
    means = total / number
    beyond = max(reach[0] - float(means.min()), float(means.max()) - reach[1])
    mean, pulls, shares = _pulls(total, number)
    fits = reach if beyond <= _ROUNDED_SUMS else ANYTHING
    return _jackknife(mean, [(pulls, shares)], number, fits, lean, level)


def gap_interval(
    before: npt.ArrayLike,
    before_clusters: Clusters,
    after: npt.ArrayLike,
    after_clusters: Clusters,
    *,
    reach: Reach = SHARES,
    level: float = 0.95,
) -> Interval:
    """The mean of ``after`` minus that of ``before``, other masks of the same clusters.

    Each cluster is left out of both means at once. The degrees of freedom are those of the mean
    that has fewer; ``n`` and the sizes are those of ``after``. Of the same masks on both sides it
    is the interval of the paired difference.
    """
    old, new = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    clusters = pd.concat([pd.Series(before_clusters), pd.Series(after_clusters)])
    codes, number = _coded(np.concatenate([old, new]), clusters)
    left, right = (
        _pulls(*_totals(values, those, number))
        for values, those in ((old, codes[: len(old)]), (new, codes[len(old) :]))
    )
    sides = [(-left[1], left[2]), right[1:]]
    counts = _totals(new, codes[len(old) :], number)[1]
    return _jackknife(right[0] - left[0], sides, counts, apart(reach), False, level)


def left_out_interval(
    value: float,
    without: npt.ArrayLike,
    counts: npt.ArrayLike,
    *,
    reach: Reach = SHARES,
    level: float = 0.95,
) -> Interval:
    """The interval of a number that is no mean, such as the best F of all images' counts.

    ``without`` (n,) is what it is with each cluster left out, ``counts`` (n,) how many images that
    one has. The jackknife as for a mean, of which this gives the same interval. Raises
    ``ValueError`` for no cluster, and lengths that differ.

    >>> found = left_out_interval(0.6, [1.5 / 3, 1.7 / 3, 1.9 / 3, 2.1 / 3], [1, 1, 1, 1])
    >>> same = clustered_interval([0.9, 0.7, 0.5, 0.3], list("abcd"), lean=False)
    >>> round(found.low, 9) == round(same.low, 9)
    True
    """
    others, sizes = np.asarray(without, np.float64), np.asarray(counts, np.float64)
    if others.ndim != 1 or not len(others) or others.shape != sizes.shape:
        raise ValueError(f"as many numbers as clusters, found {others.shape} and {sizes.shape}")
    shares = sizes / sizes.sum()
    pulls = (value - others) * (1 - shares)
    return _jackknife(value, [(pulls, shares)], sizes, reach, lean=False, level=level)


def mean_interval(intervals: Sequence[Interval], *, level: float = 0.95) -> Interval:
    """The mean of several datasets' means, each of the same weight, with its interval.

    The datasets are independent, so their variances add up, with Satterthwaite's degrees of freedom
    and the skew of the sum. ``n`` and ``clusters`` add up. Without bounds where a dataset has none
    or fewer than 12 clusters. Raises ``ValueError`` for no dataset.
    """
    if not intervals:
        raise ValueError("no dataset to average")
    number = len(intervals)
    mean = float(np.mean([each.mean for each in intervals]))
    errors = np.array([each.error for each in intervals])
    freedom = np.array([each.freedom for each in intervals])
    skews = np.array([each.skew for each in intervals])
    variance = float((errors**2).sum())
    known = all(each.low is not None and each.clusters >= IN_A_MEAN for each in intervals)
    reaches = [each.reach for each in intervals]
    reach = min(low for low, _ in reaches), max(high for _, high in reaches)
    return _bounded(
        Interval(
            mean,
            None,
            None,
            sum(each.n for each in intervals),
            sum(each.clusters for each in intervals),
            few=any(each.few for each in intervals),
            enough=all(each.enough for each in intervals),
            exact=all(each.exact for each in intervals),
            error=sqrt(variance) / number,
            freedom=variance**2 / float((errors**4 / freedom).sum()) if known else 1.0,
            skew=float((skews * errors**3).sum()) / variance**1.5 if known else 0.0,
            reach=reach,
        ),
        known,
        level,
    )


def apart(reach: Reach) -> Reach:
    """What the difference of two such numbers can reach."""
    return reach[0] - reach[1], reach[1] - reach[0]


def warn_of_draws(*given: object) -> None:
    """Warns a caller of earlier releases, whose intervals took ``samples`` and a ``seed``."""
    if any(each is not None for each in given):
        warnings.warn(
            "intervals have a closed form: samples and seed do nothing and will go",
            DeprecationWarning,
            stacklevel=3,
        )


_ROUNDING = 1e-12
"""An error below it is what adding up equal values leaves."""

_ROUNDED_SUMS = 1e-6
"""The same, of sums that were rounded."""

Side: TypeAlias = tuple[Float64Array, Float64Array]
"""What each cluster does to a mean, and its share of the values."""


def _pulls(sums: Float64Array, counts: Float64Array) -> tuple[float, Float64Array, Float64Array]:
    """The mean, and its `Side`."""
    total = float(counts.sum())
    mean = float(sums.sum()) / total
    return mean, (sums - mean * counts) / total, counts / total


def _jackknife(
    mean: float,
    sides: Sequence[Side],
    counts: Float64Array,
    reach: Reach,
    lean: bool,
    level: float,
) -> Interval:
    """The interval of a mean, or of a difference of two, from what clusters do to each side."""
    number = len(counts)
    share = counts / counts.sum()
    effective = 1 / float((share**2).sum())
    known = number >= FEWEST and all(shares.max() < 1 for _, shares in sides)
    error, skew, freedom, exact = 0.0, 0.0, 1.0, False
    if known:
        away = sum(pulls / (1 - shares) for pulls, shares in sides)
        error = sqrt((number - 1) / number * float(np.square(away).sum()))
        pulls = sum(pulls for pulls, _ in sides)
        spread = float(np.square(pulls).sum())
        if lean and spread:
            skew = float(np.power(pulls, 3).sum()) / spread**1.5
        freedom = min(_freedom(shares) for _, shares in sides)
        exact = error <= _ROUNDING * max(1.0, abs(mean))
    few = number < FEW or (number < FEW_UNEQUAL and effective < UNEQUAL * number)
    found = Interval(
        mean, None, None, int(counts.sum()), number, effective, float(share.max()), few,
        number >= VERDICT, exact, error, freedom, skew, reach,
    )  # fmt: skip
    return _bounded(found, known and not exact, level)


def _freedom(h: Float64Array) -> float:
    """Bell and McCaffrey's degrees of freedom of the jackknife's variance, at least 1.

    For masks that are all alike inside a cluster; ``h`` (n,) are the clusters' shares.
    """
    g = h / (1 - h)
    w, a = float((h**2).sum()), float((g**2).sum())
    x, o = float((g**2 * h).sum()), float((g**2 * h**2).sum())
    trace = a * (1 + w) - 2 * x
    squares = float((g**4 * (1 + 2 * w - 4 * h)).sum())
    squares += 2 * a * o + w**2 * a**2 + 2 * x**2 - 4 * w * a * x
    return max(1.0, trace**2 / squares)


def _bounded(found: Interval, known: bool, level: float) -> Interval:
    """The interval with its bounds, where they are known."""
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, found {level}")
    low, high = found.reach
    if not known or not low < found.mean < high:
        return found
    quantile = float(stdtrit(found.freedom, (1 + level) / 2))
    centre, error = _bent(found.mean, found.reach), found._bent_error
    bounds = [
        float(_straight(centre - error * _hall(side * quantile, found.skew), found.reach))
        for side in (1, -1)
    ]
    return replace(found, low=bounds[0], high=bounds[1])


def _hall(y: float, skew: float) -> float:
    """Hall's transformation of a quantile for a mean whose terms are skewed; y without skew."""
    if abs(skew) < 1e-6:
        return y
    return 3 / skew * (float(np.cbrt(1 + skew * (y - skew / 6))) - 1)


def _bent(value: float, reach: Reach) -> float:
    """On the scale without ends: the logit; the logarithm from the only end; or the value."""
    low, high = reach
    if isinf(low) and isinf(high):
        return value
    above = 0.0 if isinf(low) else float(np.log(value - low))
    below = 0.0 if isinf(high) else float(np.log(high - value))
    return above - below


def _slope(value: float, reach: Reach) -> float:
    """How fast the bent scale runs at a value."""
    low, high = reach
    if isinf(low) and isinf(high):
        return 1.0
    return 1 / (value - low) + 1 / (high - value)  # an infinite end adds nothing


def _straight(bent: float, reach: Reach) -> float:
    """Back from the scale without ends."""
    low, high = reach
    if isinf(low) and isinf(high):
        return bent
    if isinf(high):
        return low + float(np.exp(bent))
    if isinf(low):
        return high - float(np.exp(-bent))
    return low + (high - low) * float(expit(bent))


def _coded(values: Float64Array, clusters: Clusters) -> tuple[npt.NDArray[np.int64], int]:
    """The number (N,) of each value's cluster, in the order of their names, and how many."""
    codes, names = pd.factorize(pd.Series(clusters), sort=True)
    if values.ndim != 1 or values.size == 0 or len(values) != len(codes):
        raise ValueError(f"{values.shape[:1]} values need as many clusters, found {len(codes)}")
    if not np.isfinite(values).all() or (codes < 0).any():
        raise ValueError("values must be finite and clusters named: leave out what has no score")
    return codes, len(names)


def _totals(
    values: Float64Array, codes: npt.NDArray[np.int64], number: int
) -> tuple[Float64Array, Float64Array]:
    """The sum (I,) and the number of values (I,) of each cluster."""
    sums = np.bincount(codes, weights=values, minlength=number).astype(np.float64)
    return sums, np.bincount(codes, minlength=number).astype(np.float64)
