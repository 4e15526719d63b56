"""The masks of many prompts measured against their targets: pixels set and shared, and one mask.

On a CPU a mask after the other, as it is asked for. Elsewhere windows of one frame and about one
size together: bits and counts on the device, pixels that float32 leaves open decided by the host.
It waits for the device for the windows, for the places that are open, in a chunk that has some for
their cells, and for all the rest in one transfer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bench.scoring.bilinear import IndexArray, Side, Span, exact_values, mixed_cells, sides
from bench.scoring.finite import fault
from bench.scoring.foreground import (
    Bounds,
    bounds_of,
    check_products,
    extremes,
    lifted,
    parts,
    product,
    window_of,
)
from bench.scoring.overlap import shared_in_part
from bench.scoring.transfers import on_host, packed, unpacked
from bench.types import BoolArray, Candidates, FloatArray, Frame, Mask

_PIXELS = 1 << 26
"""How many pixels are computed at once on a device, of each about 8 bytes being held."""

_MANY = 1 << 16
"""Pixels that float32 leaves open from which on it is looked which of them can be set at all."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One prompt's K candidates: pixels set and pixels shared with the target, each (K,) int64.

    ``mask`` is the ``selected`` one, ``mask_logits`` (h, w) float32 its logits on the grid, and
    ``predicted_ious`` (K,) float32 what the model says of them. ``fault`` says what of the answer
    is no number, and nothing else counts then (``bench.scoring.finite``).
    """

    areas: IndexArray
    shared: IndexArray
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
) -> Iterable[Measured]:
    """Measures prompt i's candidates against target i, ignored pixels off in the candidates.

    ``selects`` gives the candidate whose mask is wanted, of (K,) predicted IoUs. Raises
    ``BenchError`` where the device's products are less exact than float32.
    """
    logits, predicted = prediction.logits.float(), prediction.predicted_iou.float()
    check_products(logits.device)
    if logits.device.type == "cpu":
        each = zip(logits, predicted, prediction.frames, targets, ignores, strict=True)
        return (_on_cpu(*one, threshold, selects) for one in each)
    return on_device(logits, predicted, prediction.frames, targets, ignores, threshold, selects)


def _on_cpu(
    grids: torch.Tensor,
    estimates: torch.Tensor,
    frame: Frame,
    target: Mask,
    ignore: BoolArray | None,
    threshold: float,
    selects: Callable[[FloatArray], int],
) -> Measured:
    predicted: FloatArray = estimates.numpy()
    selected = selects(predicted)
    counts, mask = np.zeros((2, len(grids)), np.int64), Mask.empty(*frame.image)
    bounds = bounds_of(grids, threshold)
    sound = np.isfinite(bounds.low).all() and np.isfinite(predicted).all()
    found = parts(grids, bounds, frame, threshold) if sound else ()
    for k, (bits, y0, x0) in enumerate(found):
        if ignore is not None:
            bits &= ~ignore[y0 : y0 + bits.shape[0], x0 : x0 + bits.shape[1]]
        counts[:, k] = np.count_nonzero(bits), shared_in_part(bits, y0, x0, target)
        if k == selected:
            mask = Mask.from_crop(bits, y0, x0, *frame.image)
    logits = grids[selected].numpy().copy()  # a view would keep the whole batch
    wrong = "" if sound else fault(grids, estimates)
    return Measured(counts[0], counts[1], predicted, selected, mask, logits, wrong)


def on_device(
    logits: torch.Tensor,
    estimates: torch.Tensor,
    frames: Sequence[Frame],
    targets: Sequence[Mask],
    ignores: Sequence[BoolArray | None],
    threshold: float,
    selects: Callable[[FloatArray], int],
    most: int = _PIXELS,
) -> list[Measured]:
    """The same of (N, K, h, w) logits and (N, K) estimates, float32 on any device.

    At most ``most`` pixels are computed at once, one window at least.
    """
    n, k = logits.shape[:2]
    grids = logits.flatten(0, 1)
    rows, columns, lowest, predicted = on_host([*extremes(grids), estimates])
    bounds = Bounds.of(rows, columns, lowest, threshold)
    sound = np.isfinite(bounds.low).reshape(n, k).all(axis=1) & np.isfinite(predicted).all(axis=1)
    selected = [selects(each) for each in predicted]
    chosen = np.arange(n) * k + np.array(selected, np.int64)
    device = _Device(grids, bounds, [f for f in frames for _ in range(k)], threshold)
    chunks = list(device.chunks(np.flatnonzero(sound.repeat(k)).tolist(), most))
    drawn = device.draw(chunks)
    made = [
        tensor
        for chunk, bits in zip(chunks, drawn, strict=True)
        for tensor in device.count(chunk, bits, k, targets, ignores, chosen)
    ]
    *told, kept = on_host([*made, grids[device.sent(chosen)]])
    counts, masks = np.zeros((2, n * k), np.int64), dict[int, Mask]()
    for chunk, counted, bits in zip(chunks, told[::2], told[1::2], strict=True):
        counts[:, chunk.numbers] = counted
        masks |= chunk.masks(bits, chosen)
    areas, shared = counts.reshape(2, n, k)
    return [
        Measured(
            areas[i],
            shared[i],
            predicted[i],
            selected[i],
            masks.get(chosen[i], Mask.empty(*frames[i].image)),
            kept[i],
            "" if sound[i] else fault(logits[i], estimates[i]),
        )
        for i in range(n)
    ]


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Windows of one (H, W) in pictures of a frame: numbers of grids (M,), first pixels (M, 2)."""

    frame: Frame
    numbers: IndexArray
    starts: IndexArray
    shape: tuple[int, int]

    def cuts(self) -> list[tuple[slice, slice]]:
        """The rows and columns of each window."""
        high, wide = self.shape
        return [(slice(y, y + high), slice(x, x + wide)) for y, x in self.starts.tolist()]

    def masks(self, packed_bits: npt.NDArray[np.uint8], chosen: IndexArray) -> dict[int, Mask]:
        """The masks of the chosen grids, by number, of which there are bits."""
        bits = np.unpackbits(packed_bits, axis=2, count=self.shape[1]).astype(bool)
        here = np.flatnonzero(np.isin(self.numbers, chosen))
        places = zip(self.numbers[here].tolist(), bits, self.starts[here].tolist(), strict=True)
        size = self.frame.image
        return {number: Mask.from_crop(each, y, x, *size) for number, each, (y, x) in places}


@dataclass(frozen=True, slots=True)
class _Device:
    """(M, h, w) grids on a device, their bounds and frames."""

    grids: torch.Tensor
    bounds: Bounds
    frames: Sequence[Frame]
    threshold: float

    def sides(self, frame: Frame) -> tuple[Side, Side]:
        """What pictures of a frame mix of the grids."""
        return sides(self.grids.shape[1:], frame, str(self.grids.device))

    def chunks(self, numbers: Sequence[int], most: int) -> Iterator[_Chunk]:
        """Windows of one frame and about one size, as large as the largest, in ``most`` pixels.

        One that would leave the picture begins sooner.
        """
        alike: dict[tuple[Frame, int], list[tuple[int, tuple[Span, Span]]]] = {}
        for i in numbers:
            frame = self.frames[i]
            window = window_of(*self.sides(frame), self.bounds.rows[i], self.bounds.columns[i])
            if window is not None:
                size = math.prod(end - start for start, end in window).bit_length() // 3
                alike.setdefault((frame, size), []).append((i, window))
        for (frame, _), found in alike.items():
            ends = np.array([window for _, window in found])  # (M, 2, 2)
            high, wide = (ends[:, :, 1] - ends[:, :, 0]).max(axis=0).tolist()
            starts = np.minimum(ends[:, :, 0], np.array(frame.image) - (high, wide))
            of = np.array([i for i, _ in found])
            count = max(1, most // (high * wide))
            for first in range(0, len(found), count):
                some = slice(first, first + count)
                yield _Chunk(frame, of[some], starts[some], (high, wide))

    def draw(self, chunks: Sequence[_Chunk]) -> list[torch.Tensor]:
        """The bits (M, H, W) of each chunk, those that float32 leaves open decided."""
        if not chunks:
            return []
        drawn = [self._drawn(chunk) for chunk in chunks]
        (places,) = on_host([torch.cat([unsure.flatten() for _, unsure in drawn]).nonzero()])
        begin = np.cumsum([0, *(unsure.numel() for _, unsure in drawn)])
        for chunk, (bits, _), low, high in zip(chunks, drawn, begin, begin[1:], strict=False):
            here = places[(places >= low) & (places < high)] - low
            if here.size > _MANY:
                lifts = lifted(*self._mixed(chunk), self.bounds.lifting).flatten()
                here = here[on_host([lifts[self.sent(here)]])[0]]
            if here.size:
                bits.view(-1)[self.sent(here)] = self.sent(self._decided(chunk, here))
        return [bits for bits, _ in drawn]

    def _drawn(self, chunk: _Chunk) -> tuple[torch.Tensor, torch.Tensor]:
        """Bits by float32, and which of them it leaves open."""
        values = product(*self._mixed(chunk)).contiguous()
        low, high = (
            self.sent(bound[chunk.numbers, None, None].astype(np.float32))
            for bound in (self.bounds.low, self.bounds.high)
        )
        bits = values > high
        return bits, (values > low) ^ bits

    def _mixed(
        self, chunk: _Chunk
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """The cells of each window, and the matrices of both sides, see ``product``."""
        cells = self.grids[self.sent(chunk.numbers)]
        each = torch.arange(len(cells), device=cells.device)[:, None]
        matrices = []
        for axis, side in enumerate(self.sides(chunk.frame)):
            pixels = self.sent(chunk.starts[:, axis, None] + np.arange(chunk.shape[axis]))
            if side.matrix is None:
                cells = cells[each, pixels] if axis == 0 else cells.mT[each, pixels].mT
            matrices.append(None if side.matrix is None else side.matrix[pixels])
        return cells, matrices[0], matrices[1]

    def _decided(self, chunk: _Chunk, places: IndexArray) -> BoolArray:
        """Whether pixels are above the threshold, by their places in the chunk's flat bits."""
        which, *pixels = np.unravel_index(places, (len(chunk.numbers), *chunk.shape))
        rows, columns = (each + chunk.starts[which, axis] for axis, each in enumerate(pixels))
        down, across = self.sides(chunk.frame)
        mixed = [self.sent(each) for each in mixed_cells(down, across, rows, columns)]
        of = self.sent(chunk.numbers[which])[:, None, None, None, None]
        (cells,) = on_host([self.grids[of, mixed[0], mixed[1]]])
        above: BoolArray = exact_values(cells, down, across, rows, columns) > self.threshold
        return above

    def count(
        self,
        chunk: _Chunk,
        bits: torch.Tensor,
        k: int,
        targets: Sequence[Mask],
        ignores: Sequence[BoolArray | None],
        chosen: IndexArray,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels set and shared (2, M), and the packed bits of chosen masks, ignored ones off."""
        cuts, prompts = chunk.cuts(), (chunk.numbers // k).tolist()
        off = [ignores[prompt] for prompt in prompts]
        if any(each is not None for each in off):
            kept = [
                np.ones(chunk.shape, bool) if each is None else ~each[cut]
                for each, cut in zip(off, cuts, strict=True)
            ]
            bits = bits & self._sent_bits(kept)
        truth = self._sent_bits(
            [
                targets[prompt].crop(rows.start, columns.start, rows.stop, columns.stop)
                for prompt, (rows, columns) in zip(prompts, cuts, strict=True)
            ]
        )
        counts = torch.stack([bits.sum(dim=(1, 2)), (bits & truth).sum(dim=(1, 2))])
        return counts, packed(bits[self.sent(np.isin(chunk.numbers, chosen))])

    def sent(self, array: npt.NDArray[Any]) -> torch.Tensor:
        """The array on the device."""
        return torch.from_numpy(array).to(self.grids.device)

    def _sent_bits(self, windows: Sequence[BoolArray]) -> torch.Tensor:
        """(M, H, W) bool, packed on the way."""
        bits = np.stack([np.packbits(each, axis=1) for each in windows])
        return unpacked(self.sent(bits), windows[0].shape[1])
