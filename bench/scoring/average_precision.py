"""COCO's average precision of ranked detections, of what each of them takes at each threshold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.types import BoolArray

RECALLS = np.linspace(0.0, 1.0, 101)
"""Where precision is read off the curve."""


def average_precision(hits: BoolArray, wrong: BoolArray, targets: int) -> npt.NDArray[np.float64]:
    """The average precision (T,) at each of T thresholds, in [0, 1], of one category.

    ``hits`` and ``wrong`` are (T, N): whether each of N detections, the best score first, takes a
    target that counts, or nothing; one that is neither counts for nothing. ``targets``, at least
    1, is how many there are to take. At each recall of ``RECALLS`` the largest precision at it or
    beyond counts, 0 where it isn't reached (Lin and others, COCO, as pycocotools and lvis-api).

    >>> hits = np.array([[True, False, True]])
    >>> average_precision(hits, ~hits, 2).round(4).tolist()
    [0.835]
    """
    thresholds, number = hits.shape
    if not number:
        return np.zeros(thresholds)
    right = np.cumsum(hits, axis=1, dtype=np.int64)
    taken = right + np.cumsum(wrong, axis=1, dtype=np.int64)
    precision = np.divide(right, taken + np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    # The first detection at which so many targets are taken, of all thresholds at once: in whole
    # numbers, each threshold's above the one before, so that no rounding decides.
    needed = np.searchsorted(np.arange(targets + 1) / targets, RECALLS)
    above = np.arange(thresholds)[:, None] * (targets + 1)
    places = np.searchsorted((right + above).ravel(), (needed + above).ravel())
    places = places.reshape(thresholds, len(RECALLS))
    reached = needed <= right[:, -1:]
    values = precision.ravel()[np.minimum(places, precision.size - 1)]
    found: npt.NDArray[np.float64] = np.where(reached, values, 0.0).mean(axis=1)
    return found
