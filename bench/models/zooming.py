"""The window around an object that RITM's models are shown, from click to click.

Sofiiuk et al., RITM, 2021, section 3; the rule is that of ``isegm/inference/transforms/zoom_in.py``
and ``isegm/utils/misc.py`` of SamsungLabs/ritm_interactive_segmentation at b9b4460, which
SimpleClick (uncbiag/SimpleClick) has as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.types import BenchError, BoolArray, FloatArray

Places = npt.NDArray[np.float64]
"""(N, 2) places of pixels, (row, column)."""

EXPANSION = 1.4
"""Sides of a window by those of the object's box."""

SMALLEST = 200
"""Pixels of a window's sides at least, as far as the image reaches."""

ALIKE = 0.5
"""A window stays where the next one agrees with it as much."""

SURE = 0.5
"""Probability from which on a pixel is the object's, for the window alone."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of an image: its first and last row, its first and last column, all included."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def whole(cls, size: tuple[int, int]) -> Window:
        """All of an image of (H, W)."""
        return cls(0, size[0] - 1, 0, size[1] - 1)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.bottom - self.top + 1, self.right - self.left + 1

    def holds(self, places: Places) -> bool:
        """Whether (N, 2) places lie in it, but for its last row and column, as the rule has it."""
        low, high = [self.top, self.left], [self.bottom, self.right]
        return bool(((places >= low) & (places < high)).all())

    def cut(self, maps: Tensor) -> Tensor:
        """That part of (B, C, H, W)."""
        return maps[..., self.top : self.bottom + 1, self.left : self.right + 1]

    def agreement(self, other: Window) -> float:
        """How far both sides agree: the product of their shares of what they span together.

        >>> Window(0, 9, 0, 9).agreement(Window(5, 14, 0, 9))
        0.3333333333333333
        """
        rows = _shared(self.top, self.bottom, other.top, other.bottom)
        return rows * _shared(self.left, self.right, other.left, other.right)


@dataclass(frozen=True, slots=True)
class Zoom:
    """When a model is shown a window alone, and how large it comes to it.

    From click number ``first`` on. The window's longest side becomes ``size`` pixels, or with
    ``square`` both do. Before the first click with a window, and while no pixel is thought to be
    the object's, the image is shown as it is; with ``first`` 1 it is the whole image as a window.
    """

    size: int
    square: bool
    first: int

    def __post_init__(self) -> None:
        if self.size < 1 or self.first < 1:
            raise BenchError(
                "model.args: a zoom has a size of 1 or more and a first click of 1 or more, found "
                f"zoom_size={self.size} and zoom_from={self.first}"
            )

    def window(
        self,
        size: tuple[int, int],
        previous: FloatArray | None,
        clicks: Places,
        labels: npt.NDArray[np.int64],
        kept: Window | None,
    ) -> tuple[Window | None, Window | None]:
        """The window of an (H, W) image to show, none for it as it is, and the one to keep.

        ``previous`` (H, W) are the probabilities of the last answer, ``clicks`` (N, 2) all places
        until now with their ``labels``, ``kept`` the window that the last answer came with. Where
        that answer is empty the image is shown as it is, and what is answered goes into the kept
        window, as the authors' code has it.
        """
        if len(clicks) < self.first:
            return None, kept
        positive = clicks[labels == 1]
        object_there = previous is not None and bool((previous > SURE).any())
        if previous is not None and object_there:
            around = object_window(previous > SURE, positive)
        elif self.first > 1:
            return None, kept
        else:
            around = Window.whole(size)
        if kept is None or not kept.holds(positive) or around.agreement(kept) < ALIKE:
            kept = around
        return kept, kept

    def scaled(self, window: Window) -> tuple[int, int]:
        """The (h, w) at which a window is shown."""
        if self.square:
            return self.size, self.size
        height, width = window.size
        scale = self.size / max(height, width)
        return round(height * scale), round(width * scale)


def object_window(mask: BoolArray, positive: Places) -> Window:
    """The window around a mask (H, W) and the positive clicks (N, 2)."""
    there = mask.copy()
    rows, columns = positive.astype(int).T
    there[rows, columns] = True
    (rows,), (columns,) = (np.nonzero(there.any(axis=axis)) for axis in (1, 0))
    (height, width) = mask.shape
    top, bottom = _wider(int(rows[0]), int(rows[-1]), height)
    left, right = _wider(int(columns[0]), int(columns[-1]), width)
    return Window(top, bottom, left, right)


def resized(maps: Tensor, size: tuple[int, int], corners: bool) -> Tensor:
    """(B, C, H, W) to ``size``, bilinear; ``corners`` is torch's ``align_corners``."""
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=corners)


def disks(clicks: Places, size: tuple[int, int], radius: float) -> Tensor:
    """(h, w) with ones on pixels no farther than ``radius`` from any of the (N, 2) places.

    A place that lies above and left of the map counts nowhere, as in ``DistMaps`` of the same code.
    """
    height, width = size
    rows, columns = torch.arange(height), torch.arange(width)
    found = torch.zeros(height, width)
    for row, column in torch.from_numpy(np.asarray(clicks, np.float32)):
        if max(row, column) >= 0:
            away = (rows - row)[:, None] ** 2 + (columns - column)[None] ** 2
            found[away <= radius**2] = 1
    return found


def _wider(first: int, last: int, length: int) -> tuple[int, int]:
    """A side of a box as a side of the window, within the image."""
    middle = 0.5 * (first + last)
    side = max(EXPANSION * (last - first + 1), SMALLEST)
    low, high = round(middle - 0.5 * side), round(middle + 0.5 * side)
    return max(0, low), min(length - 1, high)


def _shared(first: int, last: int, other_first: int, other_last: int) -> float:
    common = max(0, min(last, other_last) - max(first, other_first) + 1)
    return common / (max(last, other_last) - min(first, other_first) + 1)
