"""Mask files of brightness: which levels they hold, and whether these are the edge of one mask.

A mask file of two levels, one of them 0, can be read in one way only. Between nothing and all
there may be levels: soft edges of a resized or blurred mask, a probability, JPEG's noise. What of
them belongs to the mask is a threshold, which nobody but the files' owner knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

_WHOLE = (0, 1, 255, 65535)
"""Levels that may stand alone in a file, as nothing or all of a picture."""

VOIDS, APART = (255, 65535), 55
"""What a label of -1 becomes in 8 and 16 bits, and how far it stands above others if it is one."""

_LEAST = 3
"""As many levels in between say something of how they lie; one or two may be void or a class."""
_SLOPE, _MANY, _GENTLE, _STEP = 0.5, 32, 0.8, 0.05
_MOST_BETWEEN = 0.4
"""A soft mask has at most so many of its pixels in the middle half of its range; a photo more."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of a mask file: how many pixels each has, and whether they nest.

    ``nested`` says that levels between the lowest and the highest lie as the edge of a mask does:
    each a thin ring around the next, or rising in small steps.
    """

    counts: Mapping[int, int]
    nested: bool

    @property
    def exact(self) -> bool:
        """Whether no threshold is needed: 0 and one other, or one that is nothing or all."""
        if len(self.counts) == 1:
            return min(self.counts) in _WHOLE
        return len(self.counts) == 2 and 0 in self.counts

    @property
    def half(self) -> int:
        """The threshold at half of the range: 127 for bright levels of 8 bits.

        >>> Levels({0: 1, 9: 1, 252: 1}, True).half, Levels({0: 1, 9: 1, 65535: 1}, True).half
        (127, 32767)
        """
        low, high = min(self.counts), max(self.counts)
        return 127 if low < 64 and 191 < high < 256 else (low + high) // 2

    @property
    def words(self) -> str:
        """What there is.

        >>> Levels({12: 5, 90: 1, 242: 7}, False).words
        '3 levels from 12 to 242'
        """
        number = len(self.counts)
        if number == 1:
            return f"the one level {min(self.counts)}"
        return f"{number} levels from {min(self.counts)} to {max(self.counts)}"


def levels_of(levels: npt.NDArray[np.int32]) -> Levels:
    """The levels of an (H, W) mask file, as ``read_levels`` gives it."""
    if levels.min() >= 0 and levels.max() < 1 << 16:  # a tenth of the time of sorting
        numbers = np.bincount(levels.ravel())
        values = np.flatnonzero(numbers)
        counts = dict(zip(values.tolist(), numbers[values].tolist(), strict=True))
    else:
        values, numbers = np.unique(levels, return_counts=True)
        counts = dict(zip(values.tolist(), numbers.tolist(), strict=True))
    return Levels(counts, len(counts) >= _LEAST + 2 and _nest(levels))


def _nest(levels: npt.NDArray[np.int32]) -> bool:
    """Whether most pixels in between that lie at an edge have a lower and a higher one beside them.

    Labels have one or the other, but where three meet. Wide slopes in small steps nest too.
    """
    plain = levels.astype(np.float32)
    ring = np.ones((3, 3), dtype=np.uint8)
    low, high = np.asarray(cv2.erode(plain, ring)), np.asarray(cv2.dilate(plain, ring))
    lowest, highest = float(plain.min()), float(plain.max())
    reach = highest - lowest
    middle = (plain > lowest + reach / 4) & (plain < highest - reach / 4)
    edges = (plain > lowest) & (plain < highest) & (low < high)
    number = int(edges.sum())
    if not number or middle.mean() > _MOST_BETWEEN:
        return False
    slope = int((edges & (low < plain) & (plain < high)).sum()) / number
    gentle = int((edges & (high - low <= _STEP * reach)).sum()) / number
    many = np.unique(levels).size >= _MANY
    return slope > _SLOPE or (many and gentle > _GENTLE)
