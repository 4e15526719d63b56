"""Label maps against targets: which targets a segment answers, one to one, at each threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from bench.types import BoolArray, Mask

Labels = npt.NDArray[np.int32]
"""(H, W): 0 for nothing, and a number above it for each segment."""


def painted(masks: Sequence[Mask], off: BoolArray) -> Labels:
    """One label map of masks that may overlap: a pixel is the first one's that covers it.

    Labels are the masks' places from 1; 0 stands where none lies, and where ``off`` (H, W) is set.

    >>> first, second = (Mask.from_dense(np.array([row], bool)) for row in ([1, 1, 0], [0, 1, 1]))
    >>> painted([first, second], np.zeros((1, 3), bool)).tolist()
    [[1, 1, 2]]
    """
    labels = np.zeros(off.shape, dtype=np.int32)
    for place, mask in enumerate(masks, start=1):
        height, width = mask.bits.shape
        window = labels[mask.y0 : mask.y0 + height, mask.x0 : mask.x0 + width]
        window[mask.bits & (window == 0)] = place
    labels[off] = 0
    return labels


def segment_ious(labels: Labels, targets: Sequence[Mask]) -> npt.NDArray[np.float64]:
    """The IoU (S, G) of the S segments that have a pixel, by their labels, and G targets."""
    sizes = np.bincount(labels.ravel(), minlength=1)
    sizes[0] = 0
    there = np.flatnonzero(sizes)
    ious = np.zeros((len(there), len(targets)))
    for number, target in enumerate(targets):
        height, width = target.bits.shape
        inside = labels[target.y0 : target.y0 + height, target.x0 : target.x0 + width]
        shared = np.bincount(inside[target.bits], minlength=len(sizes))[there]
        ious[:, number] = shared / (sizes[there] + target.area - shared)
    return ious


def answered(
    ious: npt.NDArray[np.float64], thresholds: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Which of G targets (T, G) have a segment of their own at each of T thresholds.

    Segments and targets are matched one to one: as many pairs of an IoU (S, G) of at least the
    threshold as there can be (Caicedo and others, Nature Methods 16, 2019, as in elf and stardist).

    >>> answered(np.array([[0.6, 0.7], [0.0, 0.55]]), np.array([0.5, 0.65])).tolist()
    [[True, True], [False, True]]
    """
    found = np.zeros((len(thresholds), ious.shape[1]), dtype=bool)
    for at, threshold in zip(found, thresholds, strict=True):
        fits = ious >= threshold
        segments, targets = np.flatnonzero(fits.any(axis=1)), np.flatnonzero(fits.any(axis=0))
        pairs = fits[np.ix_(segments, targets)]
        rows, columns = linear_sum_assignment(pairs, maximize=True)
        at[targets[columns[pairs[rows, columns]]]] = True
    return found
