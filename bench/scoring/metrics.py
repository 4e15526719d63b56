"""How well a mask meets its target: small functions of two masks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import cv2
import numpy as np

from bench.types import BoolArray, Mask


def iou(prediction: Mask, target: Mask) -> float:
    """Intersection over union, in [0, 1]; two empty masks agree in nothing and give 0.

    >>> a = Mask.from_dense(np.array([[1, 1, 0]], dtype=bool))
    >>> b = Mask.from_dense(np.array([[0, 1, 1]], dtype=bool))
    >>> round(iou(a, b), 4)
    0.3333
    """
    return _overlap(prediction, target)


def boundary_iou(prediction: Mask, target: Mask, ratio: float = 0.02) -> float:
    """IoU of the two masks' inner rims, in [0, 1] (Cheng et al., Boundary IoU, CVPR 2021).

    A rim holds a mask's pixels within ``band_width`` of its outside, the image border being
    outside too. 0 where either mask is empty.
    """
    return _overlap(boundary(prediction, ratio), boundary(target, ratio))


def boundary(mask: Mask, ratio: float = 0.02) -> Mask:
    """The mask's inner rim, as wide as ``band_width`` says: what ``boundary_iou`` compares."""
    return rim(mask, band_width(mask.shape, ratio))


def dice(prediction: Mask, target: Mask) -> float:
    """Twice the intersection over the sum of both areas, in [0, 1]; 0 for two empty masks.

    >>> a = Mask.from_dense(np.array([[1, 1, 0]], dtype=bool))
    >>> b = Mask.from_dense(np.array([[0, 1, 1]], dtype=bool))
    >>> dice(a, b)
    0.5
    """
    return _ratio(2 * shared_pixels(prediction, target), prediction.area + target.area)


def precision(prediction: Mask, target: Mask) -> float:
    """The share of the predicted pixels that are the target's, in [0, 1]; 0 where none is."""
    return _ratio(shared_pixels(prediction, target), prediction.area)


def recall(prediction: Mask, target: Mask) -> float:
    """The share of the target's pixels that are predicted, in [0, 1]; 0 for an empty target."""
    return _ratio(shared_pixels(prediction, target), target.area)


def band_width(shape: tuple[int, int], ratio: float = 0.02) -> int:
    """The rim's width in pixels for an (H, W) image: 2 % of the diagonal, at least 1.

    >>> band_width((480, 640))
    16
    """
    return max(1, round(ratio * math.sqrt(shape[0] ** 2 + shape[1] ** 2)))


def rim(mask: Mask, width: int) -> Mask:
    """The mask less what ``width`` erosions by a 3×3 square leave of it."""
    if mask.area == 0:
        return mask
    # What n erosions leave lies more than n from the outside, by the chessboard's distance; the
    # transform takes as long whatever the width.
    padded = np.pad(mask.bits, 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_C, cv2.DIST_MASK_3)[1:-1, 1:-1]
    inner: BoolArray = depth > width
    return Mask.from_crop(mask.bits & ~inner, mask.y0, mask.x0, mask.height, mask.width)


METRICS: Mapping[str, Callable[[Mask, Mask], float]] = {
    metric.__name__: metric for metric in (iou, boundary_iou, dice, precision, recall)
}
"""Every metric of a prediction and its target, by name."""


def _overlap(a: Mask, b: Mask) -> float:
    shared = shared_pixels(a, b)
    return _ratio(shared, a.area + b.area - shared)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def shared_pixels(a: Mask, b: Mask) -> int:
    """The number of pixels set in both; raises ``ValueError`` for masks of two sizes."""
    if a.shape != b.shape:
        raise ValueError(f"masks of {a.shape} and {b.shape} (H, W) cannot be compared")
    h, w = b.bits.shape
    return int(np.count_nonzero(a.crop(b.y0, b.x0, b.y0 + h, b.x0 + w) & b.bits))
