"""Confidence intervals for means over masks, by a bootstrap over images.

Masks of one image are alike (same scene, light and annotator), so an interval that treats them as
independent is too narrow. Here whole images are drawn with replacement, each with all its masks:
the cluster bootstrap, in its studentised form (bootstrap-t; Efron and Tibshirani 1993, chapter
12.5). benchmarks/interval_coverage.py shows how often the intervals hold the truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

Float64Array: TypeAlias = npt.NDArray[np.float64]
Clusters: TypeAlias = "Sequence[Any] | npt.NDArray[Any] | pd.Series[Any]"

_CELLS = 2**20
"""Weights of images held at once: 8 MiB, whatever the number of images and samples."""
_LEAST_ERROR = 0.4
"""Of the mean's standard error: with a dozen images, resampled ones below it, which come from
drawing few different images, would stretch an interval beyond all sense."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its interval; ``n`` values in ``clusters`` groups, in the values' own unit.

    ``low`` and ``high`` are none where there is a single cluster: one image tells nothing of how
    images differ.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    clusters: int


def clustered_draws(
    values: npt.ArrayLike, clusters: Clusters, *, samples: int = 10_000, seed: int = 0
) -> Float64Array:
    """Draws (samples,) of the mean of ``values``, whose percentiles are its interval's bounds.

    ``values`` is (N,), finite; ``clusters`` the (N,) image of each; see
    ``clustered_draws_together``. One cluster gives an empty array.
    """
    array = np.asarray(values, dtype=np.float64)
    draws = clustered_draws_together(array[..., None], clusters, samples=samples, seed=seed)
    return draws[:, 0] if len(draws) else np.empty(0)


def clustered_draws_together(
    columns: npt.ArrayLike, clusters: Clusters, *, samples: int = 10_000, seed: int = 0
) -> Float64Array:
    """Draws (samples, K) of the means of K columns of values, all from the same draws of images.

    ``columns`` is (N, K). Each sample gives every image a multinomial weight, the number of times
    it is drawn in as many draws as there are images, and has the mean m* of the so weighted masks
    and its standard error s* (of a ratio of sums over I images; at least 0.4 s). A draw is
    m − s √(I / (I − 1)) (m* − m) / s*: the error of the resampled mean, in its own standard
    errors, put back on the mean's. So the percentiles of the draws are the bounds of the
    bootstrap-t interval, which holds the truth more often than the percentile interval does where
    images are few or differ much in their number of masks (benchmarks/interval_coverage.py). No
    draw leaves the range of the values. The same arguments, in any order of rows, give the same
    draws. One cluster gives an empty (0, K).
    Raises ``ValueError`` for no values, values that are not finite, or lengths that differ.
    """
    sums, counts = _per_cluster(columns, clusters)
    number, kinds = sums.shape
    if number < 2:
        return np.empty((0, kinds))
    n = counts[:, None]
    totals = np.concatenate([sums, sums**2, sums * n, n, n**2], axis=1)
    rng = np.random.default_rng(seed)
    drawn = np.empty((samples, totals.shape[1]))
    block = max(1, _CELLS // number)
    weights = np.empty((block, number))
    for start in range(0, samples, block):
        size = min(block, samples - start)
        for row in weights[:size]:
            row[:] = np.bincount(rng.integers(number, size=number), minlength=number)
        drawn[start : start + size] = weights[:size] @ totals
    mean, error = _mean_and_error(totals.sum(axis=0)[None], kinds)
    means, errors = _mean_and_error(drawn, kinds)
    widened = error * np.sqrt(number / (number - 1))
    floored = np.maximum(errors, _LEAST_ERROR * error)
    with np.errstate(divide="ignore", invalid="ignore"):  # all images alike: no error at all
        studentised = np.nan_to_num((means - mean) / floored)
    values = np.asarray(columns, dtype=np.float64)
    draws: Float64Array = mean - widened * studentised
    return np.clip(draws, values.min(axis=0), values.max(axis=0), out=draws)


def _mean_and_error(totals: Float64Array, kinds: int) -> tuple[Float64Array, Float64Array]:
    """The means (B, K) and their standard errors from sums over images, see above."""
    sums, squares, products, n, n_squared = np.split(
        totals, [kinds, 2 * kinds, 3 * kinds, 3 * kinds + 1], axis=1
    )
    means = sums / n
    spread = np.maximum(squares - 2 * means * products + means**2 * n_squared, 0)
    return means, np.sqrt(spread) / n


def clustered_interval(
    values: npt.ArrayLike,
    clusters: Clusters,
    *,
    level: float = 0.95,
    samples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """The mean over masks and its percentile interval from a bootstrap over images.

    ``values`` (N,) holds one number per mask, ``clusters`` (N,) the image that each lies in.
    Raises ``ValueError`` as ``clustered_draws`` does, and for a level outside (0, 1).

    >>> found = clustered_interval([0.9, 0.7, 0.5, 0.3], ["a", "a", "b", "c"])
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3), found.clusters
    (0.6, 0.3, 0.9, 3)
    """
    draws = clustered_draws(values, clusters, samples=samples, seed=seed)
    return draws_interval(values, clusters, draws, level=level)


def draws_interval(
    values: npt.ArrayLike, clusters: Clusters, draws: Float64Array, *, level: float = 0.95
) -> Interval:
    """The same interval from draws that ``clustered_draws`` has made of these values before."""
    low, high = percentile_bounds(draws, level)
    array = np.asarray(values, dtype=np.float64)
    return Interval(float(array.mean()), low, high, array.size, pd.Series(clusters).nunique())


def paired_interval(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    clusters: Clusters,
    *,
    level: float = 0.95,
    samples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """The mean of ``a - b`` over the same masks, with its interval from a bootstrap over images.

    ``a`` and ``b`` are (N,), entry i of both belongs to mask i, which lies in image
    ``clusters[i]``. Two models' errors on a mask go together, so this is narrower than what two
    separate intervals suggest. Raises ``ValueError`` as ``clustered_interval`` does.

    >>> found = paired_interval([0.9, 0.7, 0.8], [0.8, 0.5, 0.8], ["a", "b", "c"])
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3)
    (0.1, 0.0, 0.2)
    """
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if left.shape != right.shape:
        raise ValueError(f"paired values need one shape, found {left.shape} and {right.shape}")
    return clustered_interval(left - right, clusters, level=level, samples=samples, seed=seed)


def mean_interval(
    intervals: Sequence[Interval], draws: Iterable[Float64Array], *, level: float = 0.95
) -> Interval:
    """The unweighted mean of several datasets' means, with the interval of that mean.

    ``draws`` are the datasets' own ``clustered_draws``: they are independent, so the means of the
    i-th draws are draws of the mean. ``n`` and ``clusters`` add up. Without bounds where one
    dataset has a single image. Raises ``ValueError`` for no dataset.
    """
    if not intervals:
        raise ValueError("no dataset to average")
    arrays = list(draws)
    known = all(len(array) for array in arrays)
    low, high = percentile_bounds(np.mean(arrays, axis=0), level) if known else (None, None)
    return Interval(
        float(np.mean([interval.mean for interval in intervals])),
        low,
        high,
        sum(interval.n for interval in intervals),
        sum(interval.clusters for interval in intervals),
    )


def percentile_bounds(
    draws: Float64Array, level: float = 0.95
) -> tuple[float, float] | tuple[None, None]:
    """The bounds between which the middle ``level`` of the draws lies; none for no draws."""
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, found {level}")
    if len(draws) == 0:
        return None, None
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def win_rate(a: npt.ArrayLike, b: npt.ArrayLike) -> Float64Array:
    """Per mask 1 where ``a`` is better, 0 where ``b`` is, 0.5 where they are equal: (N,).

    Its mean is the win rate; ``clustered_interval`` gives the interval.

    >>> win_rate([0.9, 0.5, 0.7], [0.8, 0.6, 0.7]).tolist()
    [1.0, 0.0, 0.5]
    """
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return np.where(left == right, 0.5, left > right).astype(np.float64)


def p_value(draws: Float64Array) -> float | None:
    """The two-sided p-value of a difference of 0, from the difference's own bootstrap draws.

    Twice the smaller share of draws at or beyond 0, one draw added, so that to within that draw
    it is below 0.05 where the 95 % interval leaves 0 out, and never below 2 / (samples + 1). None
    for no draws.

    >>> p_value(np.array([0.1, 0.2, 0.3, -0.1]))
    0.8
    """
    if len(draws) == 0:
        return None
    beyond = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (len(draws) + 1))


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


def images_needed(
    differences: npt.ArrayLike,
    clusters: Clusters,
    effect: float,
    *,
    level: float = 0.95,
    power: float = 0.8,
) -> int | None:
    """How many images show a mean difference of ``effect`` with this power at this level.

    ``differences`` (N,) are paired, one per mask, ``effect`` in their unit. The variance is that
    of a mean over masks when images are drawn (the ratio estimator's), the test two-sided and
    normal. None for one image, which has no variance, and never below 2. Raises ``ValueError`` as
    ``clustered_draws`` does, or for an effect that isn't above 0.

    >>> rng = np.random.default_rng(0)
    >>> images_needed(rng.normal(0, 0.1, 1_000), np.arange(1_000) // 2, 0.01)
    377
    """
    if not effect > 0:
        raise ValueError(f"an effect to be seen is above 0, found {effect}")
    sums, counts = _per_cluster(np.asarray(differences, dtype=np.float64)[..., None], clusters)
    if len(sums) < 2:
        return None
    residuals = sums[:, 0] - counts * (sums.sum() / counts.sum())
    of_one_image = float((residuals**2).sum()) / (len(sums) - 1) / float(counts.mean()) ** 2
    normal = NormalDist()
    quantiles = normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(power)
    return max(2, ceil(quantiles**2 * of_one_image / effect**2))


def _per_cluster(columns: npt.ArrayLike, clusters: Clusters) -> tuple[Float64Array, Float64Array]:
    """The sums (I, K) and the number of values (I,) of each cluster, ordered by its name."""
    array = np.asarray(columns, dtype=np.float64)
    codes, names = pd.factorize(pd.Series(clusters), sort=True)
    if array.ndim != 2 or array.size == 0 or len(array) != len(codes):
        raise ValueError(f"{array.shape[:1]} values need as many clusters, found {len(codes)}")
    if not np.isfinite(array).all() or (codes < 0).any():
        raise ValueError("values must be finite and clusters named: leave out what has no score")
    sums = [np.bincount(codes, weights=column, minlength=len(names)) for column in array.T]
    counts = np.bincount(codes, minlength=len(names)).astype(np.float64)
    return np.stack(sums, axis=1).astype(np.float64), counts
