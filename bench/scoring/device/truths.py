"""Targets, their rims and ignored pixels on a device, where windows of them are looked up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bench.scoring.aim import Aim
from bench.scoring.bilinear import IndexArray
from bench.scoring.device.transfers import sent, unpacked
from bench.scoring.rims import rim
from bench.types import BoolArray, Mask

RimWidth = Callable[[tuple[int, int]], int]
"""How wide a rim is in an (H, W) image."""

_OUTSIDE = -(1 << 40)
"""Added to any place it is below 0, where nothing is set."""


@dataclass(frozen=True, slots=True)
class Planes:
    """A target's box on a device: a byte a pixel from ``first`` on in ``values``, row by row.

    The lowest bit is the target's, the next ones are those of its rims, of which ``rim_areas``
    are the pixels. ``values`` begins with a byte of 0, and is shared by targets.
    """

    values: torch.Tensor
    first: int
    rim_areas: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Regions:
    """Boxes (P, 5) of parts of P images: the first place, row, column, and the box's (h, w).

    They are places in ``values`` (L,) uint8, of which the first is 0.
    """

    values: torch.Tensor
    boxes: IndexArray

    def places(
        self, prompts: IndexArray, starts: IndexArray, shape: tuple[int, int]
    ) -> tuple[IndexArray, IndexArray]:
        """Of windows from ``starts`` (P, 2) what rows (P, H) and columns (P, W) add to a place.

        A sum below 0 lies outside the box.
        """
        first, *corner, high, wide = self.boxes[prompts].T[:, :, None]
        rows, columns = (
            starts[:, axis, None] - corner[axis] + np.arange(shape[axis]) for axis in (0, 1)
        )
        below = np.where((rows >= 0) & (rows < high), first + rows * wide, _OUTSIDE)
        return below, np.where((columns >= 0) & (columns < wide), columns, _OUTSIDE)

    def within(self, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """The bytes (P, H, W) at those places, 0 outside."""
        return self.values[(rows[:, :, None] + columns[:, None]).clamp_(min=0)]


def truths_of(aims: Sequence[Aim], rims: Sequence[RimWidth], device: torch.device) -> Regions:
    """The boxes of the targets, sent to the device the first time that they are asked for."""
    new = [aim for aim in dict.fromkeys(aims) if _lacks(aim, rims, device)]
    if new:
        _send(new, rims, device)
    found: dict[int, tuple[torch.Tensor, int]] = {}
    boxes, length = np.zeros((len(aims), 5), np.int64), 0
    for i, aim in enumerate(aims):
        assert aim.planes is not None
        values = aim.planes.values
        if id(values) not in found:
            found[id(values)] = values, length
            length += len(values)
        mask = aim.mask
        boxes[i] = found[id(values)][1] + aim.planes.first, mask.y0, mask.x0, *mask.bits.shape
    joined = [values for values, _ in found.values()]
    return Regions(joined[0] if len(joined) == 1 else torch.cat(joined), boxes)


def ignored_of(aims: Sequence[Aim], device: torch.device) -> Regions | None:
    """The ignored pixels of the targets' images, sent to the device; none where none has any."""
    parts: dict[int, tuple[BoolArray, int]] = {}
    boxes, length = np.zeros((len(aims), 5), np.int64), 8
    for i, aim in enumerate(aims):
        if aim.ignore is None:
            continue
        if id(aim.ignore) not in parts:
            parts[id(aim.ignore)] = aim.ignore, length
            length += -(-aim.ignore.size // 8) * 8
        boxes[i] = parts[id(aim.ignore)][1], 0, 0, *aim.ignore.shape
    if not parts:
        return None
    bits = [np.zeros(1, np.uint8), *(np.packbits(each) for each, _ in parts.values())]
    (values,) = sent([np.concatenate(bits)], device)
    return Regions(unpacked(values), boxes)


def _lacks(aim: Aim, rims: Sequence[RimWidth], device: torch.device) -> bool:
    planes = aim.planes
    return planes is None or planes.values.device != device or len(planes.rim_areas) != len(rims)


def _send(aims: Sequence[Aim], rims: Sequence[RimWidth], device: torch.device) -> None:
    """Gives the targets their planes on the device."""
    planes: list[list[Mask]] = [
        [aim.mask, *(rim(aim.mask, width(aim.mask.shape)) for width in rims)] for aim in aims
    ]
    nothing = np.zeros(1, np.uint8)
    (bits,) = sent(
        [
            np.stack(
                [
                    np.concatenate([nothing, *(np.packbits(each[n].bits) for each in planes)])
                    for n in range(1 + len(rims))
                ]
            )
        ],
        device,
    )
    apart = unpacked(bits)
    values = apart[0]
    for n in range(len(rims)):
        values = values | (apart[1 + n] << (1 + n))
    first = 8
    for aim, (mask, *edges) in zip(aims, planes, strict=True):
        aim.planes = Planes(values, first, tuple(edge.area for edge in edges))
        first += -(-mask.bits.size // 8) * 8
