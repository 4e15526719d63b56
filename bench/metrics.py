"""How well a mask meets its target: small functions of two masks."""

from __future__ import annotations

import math

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
    width = band_width(target.shape, ratio)
    return _overlap(rim(prediction, width), rim(target, width))


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
    padded = np.pad(mask.bits, 1).astype(np.uint8)
    # As many 3×3 erosions as one by a square of side 2·width + 1; past the padding nothing erodes.
    square = np.ones((2 * min(width, max(padded.shape)) + 1,) * 2, dtype=np.uint8)
    inner: BoolArray = cv2.erode(padded, square)[1:-1, 1:-1].astype(bool)
    return Mask.from_crop(mask.bits & ~inner, mask.y0, mask.x0, mask.height, mask.width)


def _overlap(a: Mask, b: Mask) -> float:
    if a.shape != b.shape:
        raise ValueError(f"masks of {a.shape} and {b.shape} (H, W) cannot be compared")
    if a.box is None or b.box is None:
        return 0.0
    h, w = b.bits.shape
    shared = int(np.count_nonzero(a.crop(b.y0, b.x0, b.y0 + h, b.x0 + w) & b.bits))
    return shared / (a.area + b.area - shared)
