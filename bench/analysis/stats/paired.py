"""The tests that papers print of paired differences: Student's t, and the bootstrap over pairs.

The bench's own intervals are those of ``bench.analysis.stats``, which know that masks of one image
go together; these take each pair for independent, as the papers do whose numbers they stand beside.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

_DRAWN_AT_ONCE = 1 << 22


def paired_t(differences: npt.ArrayLike) -> float | None:
    """The two-sided p of a mean difference of 0, by Student's t over N pairs.

    None below two pairs, and where all differences are equal.

    >>> round(paired_t([1.0, 2.0, 0.0, 1.0, 3.0]), 4)
    0.0516
    """
    found = np.asarray(differences, dtype=np.float64)
    if len(found) < 2 or (error := float(found.std(ddof=1)) / sqrt(len(found))) == 0:
        return None
    return float(2 * stdtr(len(found) - 1, -abs(float(found.mean())) / error))


def paired_bootstrap(
    differences: npt.ArrayLike, *, samples: int = 10_000, level: float = 0.99, seed: int = 0
) -> tuple[float, float] | None:
    """The interval of a mean difference, by percentiles of the means of ``samples`` resamples.

    Each resample draws N pairs with replacement. The same differences and ``seed`` give the same
    interval. None below two pairs.

    >>> low, high = paired_bootstrap([1.0, 2.0, 0.0, 1.0, 3.0])
    >>> round(low, 1), round(high, 1)
    (0.4, 2.6)
    """
    found = np.asarray(differences, dtype=np.float64)
    if len(found) < 2:
        return None
    rng = np.random.default_rng(seed)
    at_once = max(1, _DRAWN_AT_ONCE // len(found))
    means = np.concatenate(
        [
            found[rng.integers(0, len(found), (min(at_once, samples - start), len(found)))].mean(1)
            for start in range(0, samples, at_once)
        ]
    )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
