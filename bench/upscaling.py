"""From the model's grid to the image's pixels, as the kernel does it, and what each pixel mixes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from bench.types import FloatArray, Frame

IndexArray = npt.NDArray[np.int64]


def upscale(logits: torch.Tensor, frame: Frame) -> torch.Tensor:
    """(N, K, h, w) logits on the model's grid → (N, K, H, W) on the image's pixels.

    Two bilinear steps as in ``Sam.postprocess_masks``, each left out where it changes no size.
    """
    full = _resize(logits, frame.canvas)
    full = full[..., : frame.content[0], : frame.content[1]]
    return _resize(full, frame.image)


def _resize(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if tuple(logits.shape[-2:]) == size:
        return logits
    return F.interpolate(logits, size, mode="bilinear", align_corners=False)


@dataclass(frozen=True, slots=True)
class Mixes:
    """Along one side of an image: the four grid cells that each pixel mixes at most.

    ``cells`` (N, 4) int64 are indices into the grid, ``weights`` (N, 4) float32 what they weigh, 0
    for a cell that isn't mixed. ``first`` and ``last`` (N,) are the ends of those that are, both
    never falling.
    """

    cells: IndexArray
    weights: FloatArray
    first: IndexArray
    last: IndexArray

    def reach(self, low: int, high: int) -> tuple[int, int]:
        """The pixels, from the first up to the end left out, that mix a cell of low to high."""
        start = int(np.searchsorted(self.last, low, "left"))
        return start, max(start, int(np.searchsorted(self.first, high, "right")))


@lru_cache(maxsize=128)
def mixes(grid: int, canvas: int, content: int, image: int, device: str) -> Mixes:
    """What ``upscale`` mixes along one side of these lengths, both of its steps taken together.

    Places and weights are read off the device's own kernel, which rounds them its own way.
    """
    up, down = _step(grid, canvas, device), _step(content, image, device)
    near, far = down.cells.T
    cells = np.concatenate([up.cells[near], up.cells[far]], axis=1)
    weights = np.concatenate(
        [up.weights[side] * down.weights[:, [i]] for i, side in enumerate((near, far))], axis=1
    )
    first = np.where(weights > 0, cells, grid).min(axis=1)
    last = np.where(weights > 0, cells, -1).max(axis=1)
    return Mixes(cells, weights, first, last)


@dataclass(frozen=True, slots=True)
class _Step:
    """The two inputs (N, 2) that each output of one bilinear step mixes, and their weights."""

    cells: IndexArray
    weights: FloatArray


def _step(size: int, enlarged: int, device: str) -> _Step:
    """How ``F.interpolate`` brings ``size`` inputs to ``enlarged`` outputs along one side.

    Of inputs that are 1 at each fourth place and else 0 it gives the weight of that place; the
    four of them tell which two neighbours are mixed, also where rounding moves an output from one
    pair to the next.
    """
    places = (np.arange(enlarged) + 0.5) * (size / enlarged) - 0.5
    near = np.floor(np.maximum(places, 0)).astype(np.int64)[:, None] + np.arange(-1, 3)
    stripes = (torch.arange(size)[None] % 4 == torch.arange(4)[:, None]).float()[:, None, :, None]
    told = F.interpolate(stripes.to(device), (enlarged, 1), mode="bilinear", align_corners=False)[
        :, 0, :, 0
    ]
    weights = np.take_along_axis(told.cpu().numpy().T, near % 4, axis=1)
    lower = (weights > 0).argmax(axis=1)[:, None]
    two = np.concatenate([lower, np.minimum(lower + 1, 3)], axis=1)
    mixed = np.take_along_axis(weights, two, axis=1)
    mixed[lower[:, 0] == 3, 1] = 0
    return _Step(np.clip(np.take_along_axis(near, two, axis=1), 0, size - 1), mixed)
