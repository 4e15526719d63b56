"""What the pixels of several frames' images mix of a grid, on a device: one frame after the other.

So windows of images of any sizes are computed together (``bench.scoring.device.batch``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from bench.scoring.bilinear import IndexArray, side
from bench.types import Frame

Lengths = tuple[int, int, int]
"""Along one side of a frame: the canvas, the content, the image."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The L rows, or columns, of F frames' images.

    Those of a frame are ``lengths`` (F,) from ``firsts`` (F,) on. Those from ``begins`` up to
    ``ends``, each (F, g) and counted from the frame's first, mix a cell. ``matrix`` (L, g) is
    float32 on the device, or none where each line of a single frame is a cell. ``cells``
    (L, 2, 2), ``inner`` (L, 2, 2) and ``outer`` (L, 2) are those of a ``Side``, on the device, or
    on the CPU where the device has no float64.
    """

    firsts: IndexArray
    lengths: IndexArray
    begins: IndexArray
    ends: IndexArray
    matrix: torch.Tensor | None
    cells: torch.Tensor
    inner: torch.Tensor
    outer: torch.Tensor


def lines(
    grid: Sequence[int], frames: Sequence[Frame], device: torch.device
) -> tuple[Lines, Lines]:
    """The rows and the columns of the frames' images, of an (h, w) grid."""
    down, across = (
        tuple((each.canvas[axis], each.content[axis], each.image[axis]) for each in frames)
        for axis in (0, 1)
    )
    return _lines(grid[0], down, device), _lines(grid[1], across, device)


def exact_on(device: torch.device) -> torch.device:
    """Where float64 is computed for a device: Apple's have none."""
    return torch.device("cpu") if device.type == "mps" else device


@lru_cache(maxsize=16)
def _lines(grid: int, frames: tuple[Lengths, ...], device: torch.device) -> Lines:
    sides = [side(grid, *each) for each in frames]
    lengths = np.array([image for *_, image in frames])
    tables = [_tables(grid, each, device) for each in frames]
    matrix = tables[0][0]
    if len(frames) > 1:
        unit = torch.eye(grid, device=device)  # for sides whose pixels are cells
        matrix = torch.cat(
            [
                unit[:image] if each is None else each
                for (each, *_), image in zip(tables, lengths, strict=True)
            ]
        )
    cells, inner, outer = (torch.cat([each[i] for _, *each in tables]) for i in range(3))
    return Lines(
        firsts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        begins=np.stack([each.begins for each in sides]),
        ends=np.stack([each.ends for each in sides]),
        matrix=matrix,
        cells=cells,
        inner=inner,
        outer=outer,
    )


@lru_cache(maxsize=64)
def _tables(
    grid: int, lengths: Lengths, device: torch.device
) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of one frame's side the matrix, cells, inner and outer weights."""
    one, exact = side(grid, *lengths), exact_on(device)
    cells, inner, outer = (
        torch.from_numpy(each).to(exact) for each in (one.cells, one.inner, one.outer)
    )
    return None if one.matrix is None else one.matrix.to(device), cells, inner, outer
