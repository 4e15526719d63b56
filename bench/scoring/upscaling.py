"""From the model's grid to the image's pixels, as the kernel does it, and what each pixel mixes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from bench.types import FloatArray, Frame

IndexArray = npt.NDArray[np.int64]

_LARGE = 129
"""A side from which on torch takes an output for a large one: above 128 for both together."""


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


def upscaled_at(
    logits: torch.Tensor, frame: Frame, row: int, column: int, together: int = 1
) -> float | None:
    """What ``upscale`` gives of (h, w) logits at one pixel, by the kernel itself, to the last bit.

    It is asked for one output that mixes two by two inputs with the weights of that pixel, as many
    channels wide (``together``, K) as the whole picture would be. None at an outer border, and
    where no ratio of sizes gives those weights.
    """

    def on_canvas(row: int, column: int) -> float | None:
        return _mixed_at(cell, logits.shape, frame.canvas, (row, column), together)

    def cell(row: int, column: int) -> float:
        return float(logits[row, column])

    return _mixed_at(on_canvas, frame.content, frame.image, (row, column), together)


def _mixed_at(
    value: Callable[[int, int], float | None],
    size: tuple[int, ...],
    enlarged: tuple[int, int],
    pixel: tuple[int, int],
    together: int,
) -> float | None:
    """A pixel of ``value``, which gives those of an (h, w) ``size``, once enlarged."""
    if tuple(size) == enlarged:
        return value(*pixel)
    firsts, ratios = [], []
    for axis, place in enumerate(pixel):
        mixed = step(axis, (size[0], size[1]), enlarged, together)
        first, second = mixed.cells[place]
        # Output 0 lies at ratio / 2 - 1/2, the ratio being float32, and so much the second weighs.
        ratio = 1 + 2 * float(mixed.weights[place, 1])
        if second != first + 1 or ratio != float(np.float32(ratio)):
            return None
        firsts.append(int(first))
        ratios.append(ratio)
    inputs = [value(firsts[0] + down, firsts[1] + across) for down in (0, 1) for across in (0, 1)]
    if None in inputs:
        return None
    two_by_two = torch.tensor(inputs, dtype=torch.float32).view(1, 1, 2, 2)
    outputs = [1, _LARGE - 1 if sum(enlarged) >= _LARGE else 1]
    told = torch.ops.aten.upsample_bilinear2d(
        two_by_two.repeat(1, together, 1, 1), outputs, False, *(1 / ratio for ratio in ratios)
    )
    return float(told[0, 0, 0, 0])


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
def mixes(
    axis: int, grid: tuple[int, int], frame: Frame, together: int = 1, device: str = "cpu"
) -> Mixes:
    """What ``upscale`` mixes down (``axis`` 0) or across (1), both of its steps taken together.

    ``together`` is K, the candidates in one call, and ``grid`` (h, w).
    """
    up = step(axis, grid, frame.canvas, together, device)
    down = step(axis, frame.content, frame.image, together, device)
    near, far = down.cells.T
    cells = np.concatenate([up.cells[near], up.cells[far]], axis=1)
    weights = np.concatenate(
        [up.weights[side] * down.weights[:, [i]] for i, side in enumerate((near, far))], axis=1
    )
    first = np.where(weights > 0, cells, grid[axis]).min(axis=1)
    last = np.where(weights > 0, cells, -1).max(axis=1)
    return Mixes(cells, weights, first, last)


@dataclass(frozen=True, slots=True)
class Step:
    """The two inputs that each output of one bilinear step mixes along one side.

    ``cells`` (N, 2) int64 are indices, ``weights`` (N, 2) float32 what they weigh.
    """

    cells: IndexArray
    weights: FloatArray


def step(
    axis: int,
    size: tuple[int, int],
    enlarged: tuple[int, int],
    together: int = 1,
    device: str = "cpu",
) -> Step:
    """How ``F.interpolate`` brings (h, w) ``size`` to (H, W) ``enlarged`` down or across.

    Places and weights are read off the kernel that does so for ``together`` channels: torch has
    several for the CPU, chooses by the channels and by the size of the output, and each rounds its
    own way.
    """
    beside = min(_LARGE, enlarged[1 - axis])
    return _step(axis, size[axis], enlarged[axis], beside, together, device)


@lru_cache(maxsize=256)
def _step(axis: int, size: int, enlarged: int, beside: int, together: int, device: str) -> Step:
    """Of outputs ``beside`` wide the other way.

    Of inputs that are 1 at each fourth place and else 0 the kernel gives the weight of that place;
    the four of them tell which two neighbours are mixed, also where rounding moves an output from
    one pair to the next.
    """
    places = (np.arange(enlarged) + 0.5) * (size / enlarged) - 0.5
    near = np.floor(np.maximum(places, 0)).astype(np.int64)[:, None] + np.arange(-1, 3)
    stripes = (torch.arange(size)[None] % 4 == torch.arange(4)[:, None]).float()
    stripes = stripes[:, None, :, None].transpose(2, 2 + axis).expand(-1, together, -1, -1)
    outputs = (beside, enlarged) if axis else (enlarged, beside)
    told = F.interpolate(stripes.to(device), outputs, mode="bilinear", align_corners=False)
    told = told[:, 0].select(2 - axis, 0)
    weights = np.take_along_axis(told.cpu().numpy().T, near % 4, axis=1)
    lower = (weights > 0).argmax(axis=1)[:, None]
    two = np.concatenate([lower, np.minimum(lower + 1, 3)], axis=1)
    mixed = np.take_along_axis(weights, two, axis=1)
    mixed[lower[:, 0] == 3, 1] = 0
    return Step(np.clip(np.take_along_axis(near, two, axis=1), 0, size - 1), mixed)
