"""How many pixels two masks share, and what share of others that is."""

from __future__ import annotations

import numpy as np

from bench.types import Mask


def shared_pixels(a: Mask, b: Mask) -> int:
    """The number of pixels set in both; raises ``ValueError`` for masks of two sizes."""
    check_sizes(a, b)
    h, w = b.bits.shape
    return int(np.count_nonzero(a.crop(b.y0, b.x0, b.y0 + h, b.x0 + w) & b.bits))


def check_sizes(a: Mask, b: Mask) -> None:
    """Raises ``ValueError`` for masks of two images' sizes, which cannot be compared."""
    if a.shape != b.shape:
        raise ValueError(f"masks of {a.shape} and {b.shape} (H, W) cannot be compared")


def overlap(a: Mask, b: Mask) -> float:
    """The shared pixels over those set in either, in [0, 1]; 0 for two empty masks."""
    shared = shared_pixels(a, b)
    return ratio(shared, a.area + b.area - shared)


def ratio(part: int, whole: int) -> float:
    """A part of a whole; 0 where there is no whole.

    >>> ratio(1, 4), ratio(0, 0)
    (0.25, 0.0)
    """
    return part / whole if whole else 0.0
