"""Precision, recall and F of counted edge pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def shares(counts: npt.NDArray[np.float64 | np.int64]) -> tuple[Array, Array]:
    """Precision and recall of ``matched, predicted, recalled, truth`` (4, …); 0 of nothing.

    >>> precision, recall = shares(np.array([[3, 0], [4, 0], [2, 0], [8, 5]]))
    >>> precision.tolist(), recall.tolist()
    ([0.75, 0.0], [0.25, 0.0])
    """
    matched, predicted, recalled, truth = counts
    return matched / np.maximum(predicted, 1), recalled / np.maximum(truth, 1)


def harmonic(precision: Array, recall: Array) -> Array:
    """F of each pair, 2PR/(P + R); 0 where both are.

    >>> harmonic(np.array([0.75, 0.0]), np.array([0.25, 0.0])).tolist()
    [0.375, 0.0]
    """
    both = precision + recall
    return 2 * precision * recall / np.where(both > 0, both, 1)
