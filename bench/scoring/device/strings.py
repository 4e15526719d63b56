"""COCO run-length strings of masks, written on their device without waiting for it.

How long they become is known by nobody before: there is room for so many runs, and masks of which
the runs or characters lie beyond are told by the host (``bench.types.rle``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from bench.scoring.device.transfers import first_places

_CHARACTERS = 6
"""Of a difference of two runs of 2²⁸ pixels at most, 5 bits each and the sign."""


@dataclass(frozen=True, slots=True)
class Written:
    """Characters (B,) uint8 of N masks, and where in the runs and in them each (N,) ends."""

    text: torch.Tensor
    runs: torch.Tensor
    ends: torch.Tensor


def written(bits: torch.Tensor, places: torch.Tensor, to_next: bool, most: int) -> Written:
    """The strings of (N, H, W) windows of masks, of ``most`` runs.

    ``places`` (N, 4) int64 are the window's first row and column, and its image's (H, W).
    ``to_next`` says that a window may be as high as its image: then runs may go on in the next
    column.
    """
    count, high, wide = bits.shape
    y0, x0, height, width = places.unbind(1)
    padded = F.pad(bits.mT, (1, 1))
    turns = padded[:, :, 1:] != padded[:, :, :-1]  # (N, W, H + 1)
    if to_next:
        _join_columns(turns, padded, y0, height)
    per_mask = wide * (high + 1) + 1
    flat = F.pad(turns.flatten(1), (0, 1), value=True)  # and the last run ends with the image
    runs = flat.sum(dim=1).cumsum(dim=0)
    most = min(most, count * per_mask)
    found = first_places(flat.view(-1), most)
    mask = found // per_mask
    place = found - mask * per_mask
    column = place // (high + 1)
    row = place - column * (high + 1)
    own = torch.stack([x0, y0, height, height * width, F.pad(runs[:-1], (1, 0))])[:, mask]
    left, top, tall, pixels, first = own.unbind()
    turn = (left + column) * tall + top + row
    turn = torch.where(place == per_mask - 1, pixels, turn)
    entry = torch.arange(most, device=bits.device)
    index = entry - first
    length = turn - F.pad(turn[:-1], (1, 0)) * (index > 0)
    value = length - F.pad(length, (2, 0))[:-2] * (index > 2)
    # Where the last pixel of the image is set, its run ends there, and none is left.
    there = (entry < runs[-1]) & ((length > 0) | (index == 0))
    text, ends = _characters(value, there)
    return Written(text, runs, ends[(runs - 1).clamp(max=most - 1)])


def _characters(values: torch.Tensor, there: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Those (B,) of the numbers (R,) that are there, and where each one's end; B is 2 R."""
    each = torch.arange(_CHARACTERS, device=values.device)
    parts = values[:, None] >> 5 * each
    low = parts & 31
    more = (parts >> 5) != -(low >> 4)
    lengths = (1 + more.sum(dim=1)) * there
    ends = lengths.cumsum(dim=0)
    room = 2 * len(values)
    places = (ends - lengths)[:, None] + each
    places = torch.where(each < lengths[:, None], places, room).clamp(max=room)
    text = torch.zeros(room + 1, dtype=torch.uint8, device=values.device)
    text.scatter_(0, places.view(-1), (low + 48 + 32 * more).to(torch.uint8).view(-1))
    return text[:-1], ends


def strings_of(
    text: npt.NDArray[np.uint8], runs: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], most: int
) -> list[str | None]:
    """The strings of ``written`` with ``most`` runs, brought over; none for one beyond its room."""
    told = text.tobytes().decode("ascii")
    whole = (runs <= most) & (ends <= len(text))
    cuts = zip([0, *ends.tolist()], ends.tolist(), whole.tolist(), strict=False)
    return [told[start:end] if fits else None for start, end, fits in cuts]


def _join_columns(
    turns: torch.Tensor, padded: torch.Tensor, y0: torch.Tensor, height: torch.Tensor
) -> None:
    """No run ends at the foot of a column where the next column's head is set, in full height."""
    high = turns.shape[2] - 1
    foot = (height - y0).clamp(max=high)[:, None, None].expand(-1, turns.shape[1], 1)
    ends = padded.gather(2, foot)
    full = ((y0 == 0) & (height <= high))[:, None, None]
    apart = ~(ends[:, :-1] & padded[:, 1:, 1:2] & full)
    turns[:, 1:, :1] &= apart
    ends[:, :-1] &= apart
    turns.scatter_(2, foot, ends)
