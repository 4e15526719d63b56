"""Confidence intervals for means over masks, by a bootstrap over images.

Masks of one image are alike (same scene, light and annotator), so an interval that treats them as
independent is too narrow. Here whole images are drawn with replacement, each with all its masks:
the cluster bootstrap, and its percentiles are the interval. With few images (below about 30) a
percentile interval is a little too narrow, as any bootstrap's is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

Float64Array: TypeAlias = npt.NDArray[np.float64]
Clusters: TypeAlias = "Sequence[Any] | npt.NDArray[Any] | pd.Series[Any]"

_CELLS = 2**20
"""Drawn image numbers held at once: 8 MiB, whatever the number of images and samples."""


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
    """The (samples,) means of ``values`` over images drawn with replacement.

    ``values`` is (N,), finite; ``clusters`` the (N,) image of each. Each sample draws as many
    images as there are and divides the sum of their values by their number of values. The same
    arguments, in any order of rows, give the same draws. One cluster gives an empty array.
    Raises ``ValueError`` for no values, values that are not finite, or lengths that differ.
    """
    sums, counts = _per_cluster(values, clusters)
    if len(sums) < 2:
        return np.empty(0)
    rng = np.random.default_rng(seed)
    draws = np.empty(samples)
    block = max(1, _CELLS // len(sums))
    for start in range(0, samples, block):
        size = min(block, samples - start)
        chosen = rng.integers(len(sums), size=(size, len(sums)))
        total = sums.take(chosen).sum(axis=1)
        draws[start : start + size] = total / counts.take(chosen).sum(axis=1)
    return draws


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
    (0.6, 0.3, 0.8, 3)
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


def _per_cluster(values: npt.ArrayLike, clusters: Clusters) -> tuple[Float64Array, Float64Array]:
    """The sum and the number of values of each cluster, ordered by the cluster's name."""
    array = np.asarray(values, dtype=np.float64)
    codes, names = pd.factorize(pd.Series(clusters), sort=True)
    if array.ndim != 1 or array.size == 0 or array.size != len(codes):
        raise ValueError(f"{array.shape} values need as many clusters, found {len(codes)}")
    if not np.isfinite(array).all() or (codes < 0).any():
        raise ValueError("values must be finite and clusters named: leave out what has no score")
    sums = np.bincount(codes, weights=array, minlength=len(names)).astype(np.float64)
    return sums, np.bincount(codes, minlength=len(names)).astype(np.float64)
