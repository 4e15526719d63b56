"""Mask files of brightness: which levels they hold, and whether these are the edge of one mask.

A mask file of two levels, one of them 0, can be read in one way only. Between nothing and all
there may be levels: soft edges of a resized or blurred mask, a probability, JPEG's noise. What of
them belongs to the mask is a threshold, which nobody but the files' owner knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
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
_STRIP = 1 << 21
"""Pixels that are looked at together."""

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
    counts = counts_of(levels)
    return Levels(counts, len(counts) >= _LEAST + 2 and _nest(levels, len(counts)))


def counts_of(values: npt.NDArray[np.int32]) -> dict[int, int]:
    """How many pixels of an (H, W) array each value has, by rising value.

    >>> counts_of(np.array([[3, 0, 3]], dtype=np.int32))
    {0: 1, 3: 2}
    """
    small = values.min() >= 0 and values.max() < 1 << 16  # a tenth of the time of sorting
    counts: Counter[int] = Counter()
    for rows in _strips(values.shape):
        strip = values[rows].ravel()
        if small:
            numbers = np.bincount(strip)
            found = np.flatnonzero(numbers)
            numbers = numbers[found]
        else:
            found, numbers = np.unique(strip, return_counts=True)
        counts.update(dict(zip(found.tolist(), numbers.tolist(), strict=True)))
    return dict(sorted(counts.items()))


def _strips(shape: tuple[int, ...]) -> Iterator[slice]:
    """The rows of a picture, so many together that what is made of them stays small."""
    step = max(1, _STRIP // max(1, shape[1]))
    for top in range(0, shape[0], step):
        yield slice(top, min(shape[0], top + step))


def _nest(levels: npt.NDArray[np.int32], number: int) -> bool:
    """Whether most pixels in between that lie at an edge have a lower and a higher one beside them.

    Labels have one or the other, but where three meet. Wide slopes in small steps nest too.
    ``number`` is how many levels there are.
    """
    ring = np.ones((3, 3), dtype=np.uint8)
    lowest, highest = float(levels.min()), float(levels.max())
    reach = highest - lowest
    middle = edge = slope = gentle = 0
    for rows in _strips(levels.shape):
        around = max(0, rows.start - 1)  # a pixel's neighbours lie in the rows beside a strip too
        plain = levels[around : rows.stop + 1].astype(np.float32)
        own = slice(rows.start - around, rows.stop - around)
        low, high = (
            np.asarray(cv2.erode(plain, ring))[own],
            np.asarray(cv2.dilate(plain, ring))[own],
        )
        plain = plain[own]
        middle += np.count_nonzero((plain > lowest + reach / 4) & (plain < highest - reach / 4))
        edges = (plain > lowest) & (plain < highest) & (low < high)
        edge += np.count_nonzero(edges)
        slope += np.count_nonzero(edges & (low < plain) & (plain < high))
        gentle += np.count_nonzero(edges & (high - low <= _STEP * reach))
    if not edge or middle / levels.size > _MOST_BETWEEN:
        return False
    return slope / edge > _SLOPE or (number >= _MANY and gentle / edge > _GENTLE)
