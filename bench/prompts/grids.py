"""On which pixels clicks are placed: the image's own, or those that a script resized masks to.

A grid tells how masks look on it and where its pixels lie in the image, so that any rule of
``bench.prompts.placement`` works on it. ``GRIDS`` is what a protocol YAML may name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.types import BoolArray, Mask

Look: TypeAlias = Callable[[BoolArray], BoolArray]


@dataclass(frozen=True, slots=True)
class Grid:
    """Pixels that lie over an image of one size; ``step`` is (x, y), image pixels a grid pixel.

    ``target`` and ``predicted`` say how an (H, W) bool mask looks on it, (h, w) bool; none where
    it looks as it is. A grid pixel (x, y) lies at the image's (x · step x, y · step y), a place
    between pixels as the scripts have it, which scale a pixel's index.
    """

    step: tuple[float, float] = (1.0, 1.0)
    target: Look | None = None
    predicted: Look | None = None

    def of_target(self, mask: Mask) -> Mask:
        """A target on the grid."""
        return mask if self.target is None else Mask.from_dense(self.target(mask.dense()))

    def of_prediction(self, mask: Mask) -> Mask:
        """A predicted mask on the grid."""
        return mask if self.predicted is None else Mask.from_dense(self.predicted(mask.dense()))

    def of_ignore(self, ignore: BoolArray | None) -> BoolArray | None:
        """A region that takes no click, on the grid."""
        return ignore if ignore is None or self.target is None else self.target(ignore)


def image(height: int, width: int) -> Grid:
    """The image's own pixels."""
    return Grid()


def long_1024(height: int, width: int) -> Grid:
    """SAM's input: the long side 1024 pixels, the nearest pixel of the mask.

    EdgeSAM finds its first click there (``training/data``, ``apply_masks_torch``).
    """
    h, w = _long_side(height, width, 1024)
    look = _nearest(np.arange(h) * height // h, np.arange(w) * width // w)
    return Grid((width / w, height / h), look, look)


def long_256(height: int, width: int) -> Grid:
    """SAM's masks before they are enlarged: 4 × 4 pixels of its input are one.

    EdgeSAM looks for errors there (``evaluation/eval_mIoU.py``). It halves the truth bilinearly and
    takes all above 0, so any of a cell's four middle pixels is enough; a prediction's own logit
    lies at a cell's centre. A cell's place is its upper left corner.
    """
    h, w = _long_side(height, width, 1024)
    rows, columns = np.arange(min(1, h - 1), h, 4), np.arange(min(1, w - 1), w, 4)
    below, right = np.minimum(rows + 1, h - 1), np.minimum(columns + 1, w - 1)
    corners = [
        _nearest(ys * height // h, xs * width // w)
        for ys in (rows, below)
        for xs in (columns, right)
    ]
    centre = _nearest(
        np.minimum((rows + 1) * height // h, height - 1),
        np.minimum((columns + 1) * width // w, width - 1),
    )
    return Grid(
        (4 * width / w, 4 * height / h),
        lambda mask: np.logical_or.reduce([look(mask) for look in corners]),
        centre,
    )


def square_1024(height: int, width: int) -> Grid:
    """The image squashed to 1024 × 1024: at least half of a pixel's neighbourhood.

    SAM 2 is trained and asked there (``training/dataset/transforms.py``, bilinear with antialias).
    """

    def look(mask: BoolArray) -> BoolArray:
        pixels = Image.fromarray(mask.view(np.uint8) * np.uint8(255))
        seen: BoolArray = np.asarray(pixels.resize((1024, 1024), Image.Resampling.BILINEAR)) > 127
        return seen

    return Grid((width / 1024, height / 1024), look, look)


GRIDS: Mapping[str, Callable[[int, int], Grid]] = {
    grid.__name__: grid for grid in (image, long_1024, long_256, square_1024)
}


def _long_side(height: int, width: int, side: int) -> tuple[int, int]:
    """The size whose long side has ``side`` pixels, rounded as ``ResizeLongestSide`` rounds."""
    scale = side / max(height, width)
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def _nearest(rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> Look:
    return lambda mask: mask[rows[:, None], columns[None, :]]
