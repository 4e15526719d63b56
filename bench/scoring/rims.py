"""The pixels of a mask that lie near its outside: a rim of some width, and the surface."""

from __future__ import annotations

import cv2
import numpy as np

from bench.types import BoolArray, Mask


def rim(mask: Mask, width: int) -> Mask:
    """The mask less what ``width`` erosions by a 3×3 square leave of it."""
    # A pixel that so many erosions leave has a square around it that is full.
    side = 2 * width + 1
    if min(mask.bits.shape) < side:
        return mask
    square = cv2.boxFilter(
        mask.bits.view(np.uint8),
        cv2.CV_32S,
        (side, side),
        normalize=False,
        borderType=cv2.BORDER_CONSTANT | cv2.BORDER_ISOLATED,
    )
    outer: BoolArray = mask.bits & (square < side**2)
    return Mask(mask.height, mask.width, mask.y0, mask.x0, outer)


def surface(mask: Mask) -> Mask:
    """The mask's pixels with at least one of their four neighbours outside the mask.

    What lies beyond the image counts as outside, so a mask that fills the image has its frame as
    surface. An empty mask has none.

    >>> surface(Mask.from_dense(np.ones((3, 4), dtype=bool))).area
    10
    """
    padded = np.pad(mask.bits, 1)
    above, below = padded[:-2, 1:-1], padded[2:, 1:-1]
    left, right = padded[1:-1, :-2], padded[1:-1, 2:]
    outer = mask.bits & ~(above & below & left & right)
    return Mask(mask.height, mask.width, mask.y0, mask.x0, outer)


def pixels_within(pixels: Mask, reach: int, others: Mask) -> int:
    """How many of ``pixels`` lie at most ``reach`` pixels from one of ``others``.

    Distances are Euclidean, between the middles of pixels; ``reach`` is at least 0. None does
    where ``others`` is empty. Only the box around ``others`` is looked at, widened by ``reach``.

    >>> line = Mask.from_dense(np.array([[1, 1, 1, 1, 1]], dtype=bool))
    >>> end = Mask.from_dense(np.array([[1, 0, 0, 0, 0]], dtype=bool))
    >>> pixels_within(line, 2, end)
    3
    """
    if pixels.area == 0 or others.area == 0:
        return 0
    h, w = others.bits.shape
    top, left = max(0, others.y0 - reach), max(0, others.x0 - reach)
    bottom = min(others.height, others.y0 + h + reach)
    right = min(others.width, others.x0 + w + reach)
    window = top, left, bottom, right
    distances = cv2.distanceTransform(
        (~others.crop(*window)).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    # A distance is the root of a whole number, in float32: squared and rounded, it is that again.
    squares = np.rint(distances[pixels.crop(*window)].astype(np.float64) ** 2)
    return int(np.count_nonzero(squares <= reach**2))
