"""A binary mask in little memory, to and from COCO run-length encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsInt, TypeAlias

import numpy as np
import numpy.typing as npt

from bench.types.rle import columns_of, read_counts, runs_of, write_counts

BoolArray: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Mask:
    """A binary mask, kept as its bounding box, the bits inside it and the full size.

    An image with 500 small objects so costs kilobytes. ``bits`` is (h, w) bool, its first pixel
    lies at row ``y0``, column ``x0`` of the (height, width) image, and its rim is tight: no empty
    row or column at an edge. An empty mask has ``bits`` of shape (0, 0) at (0, 0).

    >>> mask = Mask.from_dense(np.array([[0, 0, 0], [0, 1, 1]], dtype=bool))
    >>> mask.box, mask.area, mask.shape
    ((1, 1, 2, 1), 2, (2, 3))
    """

    height: int
    width: int
    y0: int
    x0: int
    bits: BoolArray

    def __post_init__(self) -> None:
        h, w = self.bits.shape
        if self.bits.dtype != np.bool_:
            raise ValueError(f"mask bits must be bool, found {self.bits.dtype}")
        if self.y0 < 0 or self.x0 < 0 or self.y0 + h > self.height or self.x0 + w > self.width:
            raise ValueError(
                f"mask bits of {h}×{w} at row {self.y0}, column {self.x0} "
                f"leave the image of {self.height}×{self.width}"
            )

    @classmethod
    def from_dense(cls, dense: BoolArray) -> Mask:
        """The mask of a full (H, W) bool array; the bits are copied."""
        height, width = dense.shape
        return cls.from_crop(np.asarray(dense, dtype=bool), 0, 0, height, width)

    @classmethod
    def empty(cls, height: int, width: int) -> Mask:
        """The mask of (height, width) without a pixel."""
        return cls(height, width, 0, 0, np.zeros((0, 0), dtype=bool))

    @classmethod
    def from_crop(cls, crop: BoolArray, y0: int, x0: int, height: int, width: int) -> Mask:
        """The mask whose bits lie in a crop at (y0, x0); an empty rim is cut off."""
        rows = np.flatnonzero(crop.any(axis=1))
        if rows.size == 0:
            return cls(height, width, 0, 0, np.zeros((0, 0), dtype=bool))
        columns = np.flatnonzero(crop[rows[0] : rows[-1] + 1].any(axis=0))
        top, left = int(rows[0]), int(columns[0])
        bits = crop[top : rows[-1] + 1, left : columns[-1] + 1].copy()
        return cls(height, width, y0 + top, x0 + left, bits)

    @classmethod
    def from_rle(cls, rle: Mapping[str, Any]) -> Mask:
        """The mask of a COCO run-length encoding with ``size`` [H, W] and ``counts``.

        ``counts`` is a compressed string or bytes, or a list of run lengths in column-major order.
        Raises ``ValueError`` for a damaged string and where the runs don't fill the size.
        """
        size = rle["size"]
        if not isinstance(size, Sequence | np.ndarray) or len(size) != 2:
            raise ValueError(f"an RLE's size is [H, W], found {str(size)[:40]}")
        if any(isinstance(n, bool | str) or not isinstance(n, SupportsInt) for n in size):
            raise ValueError(f"an RLE's size is two whole numbers, found {str(size)[:40]}")
        height, width = (int(n) for n in size)
        if height <= 0 or width <= 0:
            raise ValueError(f"an RLE's size must be positive, found {height}×{width}")
        columns, x0 = columns_of(read_counts(rle["counts"]), height, width)
        return cls.from_crop(columns, 0, x0, height, width)

    def dense(self) -> BoolArray:
        """The full (H, W) bool array."""
        return self.crop(0, 0, self.height, self.width)

    def crop(self, y0: int, x0: int, y1: int, x1: int) -> BoolArray:
        """Rows y0 up to y1 and columns x0 up to x1 (ends left out) as (y1 - y0, x1 - x0) bool."""
        window = np.zeros((y1 - y0, x1 - x0), dtype=bool)
        h, w = self.bits.shape
        top, left = max(y0, self.y0), max(x0, self.x0)
        bottom, right = min(y1, self.y0 + h), min(x1, self.x0 + w)
        if top < bottom and left < right:
            window[top - y0 : bottom - y0, left - x0 : right - x0] = self.bits[
                top - self.y0 : bottom - self.y0, left - self.x0 : right - self.x0
            ]
        return window

    def without(self, ignore: BoolArray) -> Mask:
        """The mask with the pixels of (H, W) ``ignore`` switched off."""
        h, w = self.bits.shape
        kept = self.bits & ~ignore[self.y0 : self.y0 + h, self.x0 : self.x0 + w]
        return Mask.from_crop(kept, self.y0, self.x0, self.height, self.width)

    def to_rle(self) -> str:
        """The compressed COCO counts string; the size is ``shape``."""
        runs = runs_of(self.bits, self.y0, self.x0, self.height, self.width)
        return write_counts(runs)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image that the mask belongs to, in pixels."""
        return self.height, self.width

    @property
    def area(self) -> int:
        """The number of pixels set."""
        return int(np.count_nonzero(self.bits))

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """The tight box (x0, y0, x1, y1), both corners included; none for an empty mask."""
        h, w = self.bits.shape
        if h == 0:
            return None
        return self.x0, self.y0, self.x0 + w - 1, self.y0 + h - 1
