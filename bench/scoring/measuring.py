"""The masks of many prompts measured on the device, upscaled only where they can be set.

Bilinear interpolation mixes neighbours, so no pixel lies above the threshold without a cell above
it near by: each mask has a window, and only windows are computed, many at a time. A window's values
are sums in another order than the kernel's; where rounding could decide a pixel, and where a window
is most of the picture, the kernel itself computes that mask. So masks and counts are those of
``upscale(logits, frame) > threshold``, bit for bit. The host hears of a batch twice, however many
masks it has: which cells lie above the threshold, then counts and masks; a third time for those
that rounding could decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from bench.scoring.finite import fault
from bench.scoring.transfers import on_host, packed, unpacked
from bench.scoring.upscaling import Mixes, mixes, upscale
from bench.scoring.windows import Window, chunks, padded, window_of
from bench.types import BoolArray, Candidates, FloatArray, Mask

_ROUNDING = 40 * 2.0**-24
"""No two float32 sums of the sixteen products differ by more, relative to the sum of their sizes:
14 roundings of half a unit on the kernel's side, two steps of 7, and 10 on this one."""

_PIXELS = {"cpu": 1 << 20}
_PIXELS_ELSEWHERE = 1 << 24
"""How many pixels are computed at once, of each about 24 bytes being held for that time."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One prompt's K candidates: pixels set and pixels shared with the target, each (K,) int64.

    ``mask`` is the ``selected`` one, ``mask_logits`` (h, w) float32 its logits on the grid, and
    ``predicted_ious`` (K,) float32 what the model says of them. ``fault`` says what of the answer
    is no number, and nothing else counts then (``bench.scoring.finite``).
    """

    areas: npt.NDArray[np.int64]
    shared: npt.NDArray[np.int64]
    predicted_ious: FloatArray
    selected: int
    mask: Mask
    mask_logits: FloatArray
    fault: str = ""


def measure(
    prediction: Candidates,
    targets: Sequence[Mask],
    ignores: Sequence[BoolArray | None],
    threshold: float,
    selects: Callable[[FloatArray], int],
    each: Callable[..., Iterable[Any]] = map,
) -> list[Measured]:
    """Measures prompt i's candidates against target i, ignored pixels off in the candidates.

    ``selects`` gives the candidate whose mask is wanted, of (K,) predicted IoUs. ``each`` unpacks
    what came over for every prompt; another ``map`` may do so in threads.
    """
    if not len(targets):
        return []
    n, k, height, width = prediction.logits.shape
    logits = prediction.logits.float().reshape(n * k, height, width)
    sides = [_sides(prediction, prompt) for prompt in range(n)]
    live = _can_exceed(logits, threshold)
    rows, columns, finite, predicted = on_host(
        [live.any(dim=2), live.any(dim=1), _finite(logits), prediction.predicted_iou.float()]
    )
    selected = [selects(each) for each in predicted]
    windows = [
        window_of(i, prediction.frames[i // k], sides[i // k], (rows[i], columns[i]), finite[i])
        for i in range(n * k)
    ]
    chosen = [prompt * k + candidate for prompt, candidate in enumerate(selected)]
    batch = _Batch(logits, k, threshold, sides, targets, ignores, frozenset(chosen))
    found, chosen_logits = batch.compute([w for w in windows if w is not None], chosen)
    if unsure := [one.window.on_whole_picture() for one in found.values() if one.unsure]:
        found |= batch.compute(unsure)[0]
    counts = np.zeros((n * k, 2), dtype=np.int64)
    for index, one in found.items():
        counts[index] = one.counts
    areas, shared = counts.reshape(n, k, 2).transpose(2, 0, 1)
    sound = finite.reshape(n, k).all(axis=1) & np.isfinite(predicted).all(axis=1)
    faults = {
        prompt: fault(prediction.logits[prompt], prediction.predicted_iou[prompt])
        for prompt in np.flatnonzero(~sound).tolist()
    }

    def of_prompt(prompt: int) -> Measured:
        there = found.get(chosen[prompt])
        return Measured(
            areas[prompt],
            shared[prompt],
            predicted[prompt],
            selected[prompt],
            Mask.empty(*prediction.frames[prompt].image) if there is None else there.mask(),
            chosen_logits[prompt],
            faults.get(prompt, ""),
        )

    return list(each(of_prompt, range(n)))


@dataclass(frozen=True, slots=True)
class _Found:
    """What the device says of a window: ``counts`` (2,) are pixels set and shared.

    ``bits`` are the mask's, packed, where it is wanted; ``unsure`` says that rounding could decide.
    """

    window: Window
    counts: npt.NDArray[np.int64]
    bits: npt.NDArray[np.uint8] | None
    unsure: bool

    def mask(self) -> Mask:
        """The mask; only where it is wanted."""
        assert self.bits is not None
        height, width = self.window.shape
        bits = np.unpackbits(self.bits[:height], axis=1, count=width).astype(bool)
        place = self.window.rows[0], self.window.columns[0]
        return Mask.from_crop(bits, *place, *self.window.frame.image)


@dataclass(frozen=True, slots=True)
class _Batch:
    """(N × K, h, w) logits on the device, and what each prompt's K candidates are held against.

    ``wanted`` are the indices of the candidates whose masks are to come back.
    """

    logits: torch.Tensor
    k: int
    threshold: float
    sides: Sequence[tuple[Mixes, Mixes]]
    targets: Sequence[Mask]
    ignores: Sequence[BoolArray | None]
    wanted: frozenset[int]

    def compute(
        self, windows: Sequence[Window], chosen: Sequence[int] = ()
    ) -> tuple[dict[int, _Found], FloatArray]:
        """What there is in the windows, by index, and the logits of the chosen candidates."""
        most = _PIXELS.get(self.logits.device.type, _PIXELS_ELSEWHERE)
        parts = list(chunks(windows, most, self.logits.shape[2]))
        made = [tensor for chunk in parts for tensor in self._one_chunk(chunk)]
        *told, logits = on_host([*made, self.logits[self._sent(np.array(chosen, np.int64))]])
        found = {}
        for i, chunk in enumerate(parts):
            counts, unsure, packed = told[3 * i : 3 * i + 3]
            bits = iter(packed)
            for window, count, doubt in zip(chunk, counts, unsure, strict=True):
                of_mask = next(bits) if window.index in self.wanted else None
                found[window.index] = _Found(window, count, of_mask, bool(doubt))
        return found, logits

    def _one_chunk(self, chunk: Sequence[Window]) -> list[torch.Tensor]:
        """Counts (M, 2), doubts (M,), and the packed bits (m, H, W / 8) of those wanted."""
        height, width = padded(chunk)
        if chunk[0].whole:
            values = self._upscaled(chunk)
            bits = F.pad(values > self.threshold, (0, width - values.shape[2]))
            doubts = torch.zeros(len(chunk), dtype=torch.bool, device=bits.device)
        else:
            bits, doubts = self._mixed(chunk, height, width)
        if any(self.ignores[window.index // self.k] is not None for window in chunk):
            bits &= self._sent(np.stack([self._kept(w, height, width) for w in chunk]))
        truth = self._truth(chunk, height, width)
        counts = torch.stack([bits.sum(dim=(1, 2)), (bits & truth).sum(dim=(1, 2))], dim=1)
        wanted = [i for i, window in enumerate(chunk) if window.index in self.wanted]
        return [counts, doubts, packed(bits[self._sent(np.array(wanted, np.int64))])]

    def _upscaled(self, chunk: Sequence[Window]) -> torch.Tensor:
        """The values (M, H, W) of whole pictures of one frame, as among their K candidates.

        On the CPU another number of channels may mean another kernel, and other last bits.
        """
        cells = self._cells(chunk)[:, None]
        if cells.device.type == "cpu":
            cells = cells.expand(-1, self.k, -1, -1)
        return upscale(cells, chunk[0].frame)[:, 0]

    def _mixed(
        self, chunk: Sequence[Window], height: int, width: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The bits (M, height, width) of windows, and in which of them rounding could decide."""
        sides = [self.sides[window.index // self.k] for window in chunk]
        down = self._cut([s[0] for s in sides], [w.rows for w in chunk], height)
        across = self._cut([s[1] for s in sides], [w.columns for w in chunk], width)
        inside = (down[1].sum(dim=2) > 0)[:, :, None] & (across[1].sum(dim=2) > 0)[:, None, :]
        cells = self._cells(chunk)
        values, sizes = (_interpolated(each, down, across) for each in (cells, cells.abs()))
        close = (values - self.threshold).abs() <= _ROUNDING * sizes + 1e-37
        doubts = (close & (sizes > 0) & inside).any(dim=2).any(dim=1)
        return (values > self.threshold) & inside, doubts

    def _cut(
        self, sides: Sequence[Mixes], spans: Sequence[tuple[int, int]], length: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cells and weights (M, length, 4) along one side of each window, filled up with 0."""
        cells = np.zeros((len(sides), length, 4), dtype=np.int64)
        weights = np.zeros((len(sides), length, 4), dtype=np.float32)
        for i, (side, (low, high)) in enumerate(zip(sides, spans, strict=True)):
            cells[i, : high - low] = side.cells[low:high]
            weights[i, : high - low] = side.weights[low:high]
        return self._sent(cells), self._sent(weights)

    def _truth(self, chunk: Sequence[Window], height: int, width: int) -> torch.Tensor:
        """The targets' bits (M, height, width) in the windows.

        Whole pictures of one target are alike, whatever candidate they are for: they go over once.
        """
        places: dict[tuple[int, int, int], int] = {}
        sent: list[npt.NDArray[np.uint8]] = []
        index = []
        for window in chunk:
            target = self.targets[window.index // self.k]
            y0, x0 = window.rows[0], window.columns[0]
            place = places.setdefault((id(target), y0, x0), len(sent))
            if place == len(sent):
                sent.append(np.packbits(target.crop(y0, x0, y0 + height, x0 + width), axis=1))
            index.append(place)
        return unpacked(self._sent(np.stack(sent)))[self._sent(np.array(index, np.int64))]

    def _kept(self, window: Window, height: int, width: int) -> BoolArray:
        """What of the window isn't ignored; False beyond it."""
        kept = np.zeros((height, width), dtype=bool)
        ignore = self.ignores[window.index // self.k]
        cut = slice(*window.rows), slice(*window.columns)
        kept[: window.shape[0], : window.shape[1]] = True if ignore is None else ~ignore[cut]
        return kept

    def _cells(self, chunk: Sequence[Window]) -> torch.Tensor:
        return self.logits[self._sent(np.array([window.index for window in chunk], np.int64))]

    def _sent(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(self.logits.device)


def _sides(prediction: Candidates, prompt: int) -> tuple[Mixes, Mixes]:
    """What rows and columns of a prompt's image mix of its grid."""
    frame, device = prediction.frames[prompt], str(prediction.logits.device)
    height, width = prediction.logits.shape[2:]
    grid = int(height), int(width)
    k = prediction.logits.shape[1]
    return mixes(0, grid, frame, k, device), mixes(1, grid, frame, k, device)


def _can_exceed(logits: torch.Tensor, threshold: float) -> torch.Tensor:
    """Cells (N, h, w) without which near by no mix of cells is above the threshold, bool.

    Rounding may lift a mix above the largest of its cells, a little.
    """
    margin = 4 * _ROUNDING * logits.abs().clamp(min=abs(threshold))
    return logits > threshold - margin


def _finite(logits: torch.Tensor) -> torch.Tensor:
    """(N,) bool: whether all cells are numbers."""
    return torch.isfinite(logits.amax(dim=(1, 2))) & torch.isfinite(logits.amin(dim=(1, 2)))


def _interpolated(
    cells: torch.Tensor,
    down: tuple[torch.Tensor, torch.Tensor],
    across: tuple[torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    """(M, h, w) cells mixed by (M, H, 4) along the rows and (M, W, 4) along the columns."""
    each = torch.arange(len(cells), device=cells.device)[:, None]
    rows = _weighed(cells[each, down[0][..., i]] * down[1][..., i, None] for i in range(4))
    shape = (-1, rows.shape[1], -1)
    return _weighed(
        rows.gather(2, across[0][:, None, :, i].expand(shape)) * across[1][:, None, :, i]
        for i in range(4)
    )


def _weighed(terms: Iterator[torch.Tensor]) -> torch.Tensor:
    total = next(terms)
    for term in terms:
        total += term
    return total
