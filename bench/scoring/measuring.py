"""The masks of many prompts measured against their targets: pixels set and shared, and one mask.

On a CPU a mask after the other, as it is asked for. Elsewhere windows of one frame and about one
size together: bits and counts on the device, pixels that float32 leaves open decided by the host.
It waits for the device for the windows, in a chunk for the places that are open and their cells,
and for all the rest in one transfer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bench.scoring.bilinear import IndexArray, Span, exact_values, mixed_cells, sides
from bench.scoring.finite import fault
from bench.scoring.foreground import (
    Bounds,
    bounds_of,
    check_products,
    extremes,
    parts,
    product,
    window_of,
)
from bench.scoring.overlap import shared_in_part
from bench.scoring.transfers import on_host, packed, unpacked
from bench.types import BoolArray, Candidates, FloatArray, Frame, Mask

_PIXELS = 1 << 26
"""How many pixels are computed at once on a device, of each about 8 bytes being held."""


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
    windows = []
    for number in np.flatnonzero(sound.repeat(k)).tolist():
        prompt, candidate = divmod(number, k)
        down, across = sides(logits.shape[2:], frames[prompt], str(logits.device))
        if place := window_of(down, across, bounds.rows[number], bounds.columns[number]):
            wanted = candidate == selected[prompt]
            windows.append(_Window(number, prompt, frames[prompt], wanted, *place))
    chunks = list(_together(windows, most))
    device = _Device(grids, bounds, threshold, targets, ignores)
    made = [tensor for chunk in chunks for tensor in device.compute(chunk)]
    *told, kept = on_host(
        [*made, logits[torch.arange(n), torch.tensor(selected, dtype=torch.int64)]]
    )
    counts, masks = np.zeros((2, n * k), np.int64), {}
    for chunk, counted, bits in zip(chunks, told[::2], told[1::2], strict=True):
        counts[:, [window.grid for window in chunk]] = counted
        for window, packed_bits in zip((w for w in chunk if w.wanted), bits, strict=True):
            masks[window.prompt] = window.mask(packed_bits)
    areas, shared = counts.reshape(2, n, k)
    return [
        Measured(
            areas[i],
            shared[i],
            predicted[i],
            selected[i],
            masks.get(i, Mask.empty(*frames[i].image)),
            kept[i],
            "" if sound[i] else fault(logits[i], estimates[i]),
        )
        for i in range(n)
    ]


@dataclass(frozen=True, slots=True)
class _Window:
    """Where the mask of a grid, by number, may be set; ``wanted`` masks come back."""

    grid: int
    prompt: int
    frame: Frame
    wanted: bool
    rows: Span
    columns: Span

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    def sized(self, height: int, width: int) -> _Window:
        """Made as large as that; where it would leave the picture it begins sooner."""
        top = min(self.rows[0], self.frame.image[0] - height)
        left = min(self.columns[0], self.frame.image[1] - width)
        return replace(self, rows=(top, top + height), columns=(left, left + width))

    def cut(self, mask: Mask) -> BoolArray:
        """Of a mask of the picture what lies in the window."""
        return mask.crop(self.rows[0], self.columns[0], self.rows[1], self.columns[1])

    def kept(self, ignore: BoolArray | None) -> BoolArray:
        """The pixels of the window that aren't ignored."""
        if ignore is None:
            return np.ones(self.shape, dtype=bool)
        return ~ignore[slice(*self.rows), slice(*self.columns)]

    def mask(self, packed_bits: npt.NDArray[np.uint8]) -> Mask:
        """The mask of its packed bits."""
        bits = np.unpackbits(packed_bits, axis=1, count=self.shape[1]).astype(bool)
        return Mask.from_crop(bits, self.rows[0], self.columns[0], *self.frame.image)


def _together(windows: Sequence[_Window], most: int) -> Iterator[list[_Window]]:
    """Those of one frame and about one size, as large as the largest, in ``most`` pixels."""

    def alike(window: _Window) -> tuple[object, ...]:
        return astuple(window.frame), math.prod(window.shape).bit_length() // 3

    for _, group in groupby(sorted(windows, key=alike), alike):
        some = list(group)
        shape = [max(window.shape[axis] for window in some) for axis in (0, 1)]
        count = max(1, most // math.prod(shape))
        for start in range(0, len(some), count):
            yield [window.sized(*shape) for window in some[start : start + count]]


@dataclass(frozen=True, slots=True)
class _Device:
    """(N × K, h, w) grids on a device, and what each prompt's are held against."""

    grids: torch.Tensor
    bounds: Bounds
    threshold: float
    targets: Sequence[Mask]
    ignores: Sequence[BoolArray | None]

    def compute(self, windows: Sequence[_Window]) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels set and shared (2, M), and packed bits (m, H, W / 8) of those wanted."""
        bits = self._bits(windows)
        if any(self.ignores[window.prompt] is not None for window in windows):
            bits &= self._sent_bits(
                [window.kept(self.ignores[window.prompt]) for window in windows]
            )
        truth = self._sent_bits([window.cut(self.targets[window.prompt]) for window in windows])
        counts = torch.stack([bits.sum(dim=(1, 2)), (bits & truth).sum(dim=(1, 2))])
        wanted = [i for i, window in enumerate(windows) if window.wanted]
        return counts, packed(bits[self._sent(np.array(wanted, np.int64))])

    def _bits(self, windows: Sequence[_Window]) -> torch.Tensor:
        """The masks (M, H, W) in the windows."""
        numbers = np.array([window.grid for window in windows])
        starts = np.array([(window.rows[0], window.columns[0]) for window in windows])
        down, across = sides(self.grids.shape[1:], windows[0].frame, str(self.grids.device))
        here = self._sent(numbers)
        rows, columns = (
            self._sent(starts[:, axis, None] + np.arange(length))
            for axis, length in enumerate(windows[0].shape)
        )
        cells, each = self.grids[here], torch.arange(len(windows), device=here.device)[:, None]
        if down.matrix is None:
            cells = cells[each, rows]
        if across.matrix is None:
            cells = cells.mT[each, columns].mT
        values = product(
            cells,
            None if down.matrix is None else down.matrix[rows],
            None if across.matrix is None else across.matrix[columns],
        )
        low, high = (
            self._sent(bound[numbers, None, None].astype(np.float32))
            for bound in (self.bounds.low, self.bounds.high)
        )
        bits = values > high
        (places,) = on_host([((values > low) ^ bits).nonzero()])
        if len(places):
            which = places[:, 0]
            pixels = places[:, 1] + starts[which, 0], places[:, 2] + starts[which, 1]
            mixed = [self._sent(each) for each in mixed_cells(down, across, *pixels)]
            grid = self._sent(numbers[which])[:, None, None, None, None]
            (open_cells,) = on_host([self.grids[grid, mixed[0], mixed[1]]])
            exact = exact_values(open_cells, down, across, *pixels)
            bits[tuple(self._sent(places).T)] = self._sent(exact > self.threshold)
        return bits

    def _sent(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(self.grids.device)

    def _sent_bits(self, windows: Sequence[BoolArray]) -> torch.Tensor:
        """(M, H, W) bool, packed on the way."""
        bits = np.stack([np.packbits(each, axis=1) for each in windows])
        return unpacked(self._sent(bits), windows[0].shape[1])
