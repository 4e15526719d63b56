"""The value of a pixel: from the model's grid to a canvas, of which a part is cut, to the image.

Both steps are bilinear, with places and weights by torch's formula: output i of n lies at
``max(ratio * (i + 1/2) - 1/2, 0)`` of the m inputs, ``ratio`` being m / n, each operation rounded
to float32; of the two inputs around it the second weighs what lies behind the point, the first the
rest. All else is float64, across before down in each step. So a value hangs on no device, batch or
kernel. A step that changes no size is taken as any other; NaN and infinity spread as they do in
sums and products, and 0 · ∞ is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from bench.types import FloatArray, Frame

IndexArray = npt.NDArray[np.int64]
DoubleArray = npt.NDArray[np.float64]
T = TypeVar("T", DoubleArray, torch.Tensor)

Span = tuple[int, int]
"""Rows or columns from the first up to the end, which is left out."""


@dataclass(frozen=True, slots=True)
class Side:
    """What the n pixels along one side of an image mix of the g cells along that side of a grid.

    A pixel mixes two places of the canvas by ``outer`` (n, 2), each of which mixes two ``cells``
    (n, 2, 2) by ``inner`` (n, 2, 2). ``matrix`` (n, g) float32 holds both steps in one, rounded
    once; it is none where each pixel is a cell. ``first`` and ``last`` (n,), never falling, are the
    ends of a pixel's cells. ``begins`` and ``ends`` (g,) say from where and up to where pixels mix
    a cell.
    """

    cells: IndexArray
    inner: DoubleArray
    outer: DoubleArray
    matrix: torch.Tensor | None
    first: IndexArray
    last: IndexArray
    begins: IndexArray
    ends: IndexArray

    def reach(self, cells: IndexArray) -> Span:
        """The pixels that mix any of the cells between the first and the last given."""
        start = int(self.begins[cells[0]])
        return start, max(start, int(self.ends[cells[-1]]))

    def cut(self, pixels: Span) -> tuple[slice, torch.Tensor | None]:
        """The cells that those pixels mix, and what the matrix holds of both."""
        if self.matrix is None:
            return slice(*pixels), None
        cells = slice(int(self.first[pixels[0]]), int(self.last[pixels[1] - 1]) + 1)
        return cells, self.matrix[slice(*pixels), cells]


def sides(grid: Sequence[int], frame: Frame) -> tuple[Side, Side]:
    """What rows and columns of the frame's image mix of an (h, w) grid."""
    lengths = zip(grid, frame.canvas, frame.content, frame.image, strict=True)
    down, across = (side(*each) for each in lengths)
    return down, across


@lru_cache(maxsize=64)
def side(grid: int, canvas: int, content: int, image: int) -> Side:
    """What the pixels along a side of so many mix of the cells along it: both steps' lengths."""
    (near, inner), (places, outer) = _step(grid, canvas), _step(content, image)
    cells = near[places]
    weights = inner[places] * outer[..., None]
    matrix = None
    if grid != canvas or content != image:
        exact = np.zeros((image, grid))
        pixels = np.arange(image)
        for place in range(4):
            exact[pixels, cells[:, place // 2, place % 2]] += weights[:, place // 2, place % 2]
        matrix = torch.from_numpy(exact.astype(np.float32))
    first, last = cells.min(axis=(1, 2)), cells.max(axis=(1, 2))
    all_cells = np.arange(grid)
    begins = np.searchsorted(last, all_cells, "left")
    ends = np.searchsorted(first, all_cells, "right")
    return Side(cells, inner[places], outer, matrix, first, last, begins, ends)


def _step(inputs: int, outputs: int) -> tuple[IndexArray, DoubleArray]:
    """Of each output the two inputs (outputs, 2) and their weights (outputs, 2).

    >>> near, weights = _step(2, 4)
    >>> near.tolist(), weights.tolist()[1]
    ([[0, 1], [0, 1], [0, 1], [1, 1]], [0.75, 0.25])
    """
    half = np.float32(0.5)
    ratio = np.float32(inputs) / np.float32(outputs)
    places = np.maximum(ratio * (np.arange(outputs, dtype=np.float32) + half) - half, 0)
    first = np.minimum(places.astype(np.int64), inputs - 1)
    share: FloatArray = places - first.astype(np.float32)
    near = np.stack([first, np.minimum(first + 1, inputs - 1)], axis=1)
    return near, np.stack([1 - share, share], axis=1).astype(np.float64)


def mixed_cells(
    down: Side, across: Side, rows: IndexArray, columns: IndexArray
) -> tuple[IndexArray, IndexArray]:
    """Rows and columns of the grid, (P, 2, 2, 2, 2) when broadcast, that pixels (P,) mix.

    Axes are the canvas's row, the grid's row around it, the canvas's column, the grid's column.
    """
    return down.cells[rows][:, :, :, None, None], across.cells[columns][:, None, None]


def exact_values(
    cells: FloatArray, down: Side, across: Side, rows: IndexArray, columns: IndexArray
) -> DoubleArray:
    """The values (P,) of pixels in float64, of what ``mixed_cells`` names in the grid."""
    weights = down.inner[rows], across.inner[columns], down.outer[rows], across.outer[columns]
    with np.errstate(invalid="ignore"):  # 0 · ∞
        return mix(cells.astype(np.float64), *weights)


def mix(cells: T, inner_down: T, inner_across: T, outer_down: T, outer_across: T) -> T:
    """The values (P,) of ``mixed_cells`` (P, 2, 2, 2, 2), all float64, of NumPy or of torch.

    ``inner`` weights are (P, 2, 2), ``outer`` ones (P, 2), see ``Side``. Sums and products are
    operations apart, each rounded, so every device that has float64 gives the same.
    """
    values = _mixed(cells, inner_across[:, None, None])
    values = _mixed(values.swapaxes(2, 3), inner_down[:, :, None])
    values = _mixed(values, outer_across[:, None])
    return _mixed(values, outer_down)


def _mixed(values: T, weights: T) -> T:
    """The last axis, of two, mixed."""
    shares: T = values * weights
    return shares[..., 0] + shares[..., 1]
