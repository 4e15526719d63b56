"""On a CPU, where upscaled logits lie above 0; thresholds are ``bench.protocol``'s choice.

For the threshold 0 alone, without upscaling more of the picture than need be.

The mask of a small object in a picture of 12 million pixels needs the pixels around the object
only: bilinear interpolation of values that are not above 0 is not above 0. What comes out equals
``upscale(logits, frame) > 0`` bit for bit, for all candidates in one call. The first of the two
steps enlarges by a whole power of two, whose weights are exact; in the second the kernel's own
weights are applied to the cut. Sums may be in another order than the kernel's, so where rounding
could decide a sign the kernel is asked for that pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from bench.scoring.upscaling import IndexArray, step, upscale, upscaled_at
from bench.types import BoolArray, FloatArray, Frame, Mask

DoubleArray = npt.NDArray[np.float64]
Pixels = tuple[IndexArray, IndexArray]

_ROUNDING = 11 * 2.0**-24
"""No float32 sum of the products, in any order and fused or not, is off by more, relative to the
sum of their sizes: in each of two steps a weight is rounded, a product, and three sums at most."""

_SMALLEST = 1e-37
"""Below it float32 has fewer digits, or none."""

_CROWDED = 1 / 8
"""Where more of the pixels are close to 0 than that, the kernel decides them sooner."""

_ASKED = 1 << 14
"""The kernel on the whole picture takes less time than on one pixel for each so many."""

_MOST, _LARGE = 0.2, 1 << 21
"""Above this share of the grid the kernel on the whole picture is faster, up to so many pixels."""

_BLOCK = 1 << 16
"""Pixels at a time: their values stay in the processor's cache."""


def foregrounds(logits: torch.Tensor, frame: Frame) -> list[Mask]:
    """The masks above 0 of one prompt's candidates, (K, h, w) float32 logits on the CPU."""
    found = []
    for one in logits:
        mask = foreground(one, frame, len(logits))
        if mask is None:  # the kernel gives all of them at once
            whole: BoolArray = (upscale(logits[None], frame)[0] > 0).numpy()
            return [Mask.from_dense(bits) for bits in whole]
        found.append(mask)
    return found


def foreground(logits: torch.Tensor, frame: Frame, together: int = 1) -> Mask | None:
    """The mask of (h, w) float32 logits on the CPU; none where it takes the whole picture.

    That is so where the mask covers much of a picture that is not large, where the first step does
    not enlarge by a power of two, where a logit is no number, and where the signs of too many
    pixels hang on the rounding. ``together`` candidates are meant to be upscaled in one call: which
    kernel torch takes, and so which last bits, goes by that.
    """
    factor = _power_of_two(logits.shape, frame.canvas)
    if factor is None:
        return None
    height, width = frame.image
    above = (logits > 0).numpy()
    rows, columns = (np.flatnonzero(above.any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return _nothing(frame)
    cells = [(int(found[0]), int(found[-1]) + 1) for found in (rows, columns)]
    covered = (cells[0][1] - cells[0][0]) * (cells[1][1] - cells[1][0])
    if covered > _MOST * above.size and height * width < _LARGE:
        return None
    # A pixel depends on the two cells next to it either way: one more cell, and one to cut at.
    spans = [
        _Span(max(0, low - 1), min(size, high + 1))
        for (low, high), size in zip(cells, logits.shape, strict=True)
    ]
    cut, spans = _cut(spans, factor, logits.shape, frame)
    if spans[0].empty or spans[1].empty:
        return _nothing(frame)
    part = logits[cut.cells]
    largest = float(part.abs().max())
    if not math.isfinite(largest):  # what is no number spreads in the kernel's own ways
        return None
    taps = None
    place: tuple[int, int] = spans[0].low, spans[1].low
    if frame.content != frame.image:
        # What lies outside of the part is not above 0; its exact value matters to no sign, but its
        # neighbour's does, so the part reaches one cell beyond every value above 0.
        taps = down, across = [
            _taps(axis, span, frame, together) for axis, span in enumerate(spans)
        ]
        if down.first.size == 0 or across.first.size == 0:
            return _nothing(frame)
        place = down.start, across.start
    values = _Values(cut.enlarged(part), taps)
    bits = _signs(values, place, largest, _Exact(logits, frame, together))
    return None if bits is None else Mask.from_crop(bits, *place, height, width)


def _signs(
    values: _Values, place: tuple[int, int], largest: float, exact: _Exact
) -> BoolArray | None:
    """Which of the values, that begin at ``place``, are above 0; none where the kernel must say.

    With no cell over ``largest``, few of them are so small that rounding may decide.
    """
    bits = np.empty(values.shape, dtype=bool)
    for block in values.blocks():
        found = values.of(block)
        np.greater(found, 0, out=bits[block])
        close = np.abs(found) <= 2 * _ROUNDING * largest
        if not close.any():
            continue
        if close.sum() > _CROWDED * close.size:
            return None
        down, across = np.nonzero(close)
        decided = exact.signs((down + block.start + place[0], across + place[1]))
        if decided is None:
            return None
        bits[block][close] = decided
    return bits


@dataclass(frozen=True, slots=True)
class _Exact:
    """Pixels one by one: of (h, w) logits, upscaled as one of ``together`` candidates."""

    logits: torch.Tensor
    frame: Frame
    together: int

    def signs(self, pixels: Pixels) -> BoolArray | None:
        """Whether the values at rows and columns (N,) are above 0; none where asking takes long."""
        values, sizes = self._in_float64(pixels)
        above: BoolArray = values > 0
        unsure = np.flatnonzero((np.abs(values) <= _ROUNDING * sizes + _SMALLEST) & (sizes > 0))
        height, width = self.frame.image
        if unsure.size * _ASKED > height * width:
            return None
        for i in unsure:
            row, column = int(pixels[0][i]), int(pixels[1][i])
            value = upscaled_at(self.logits, self.frame, row, column, self.together)
            if value is None:
                return None
            above[i] = value > 0
        return above

    def _in_float64(self, pixels: Pixels) -> tuple[DoubleArray, DoubleArray]:
        """The values (N,) and the sums of the sizes mixed; what rounding is left is none here."""
        grid = int(self.logits.shape[0]), int(self.logits.shape[1])
        cells, weights = [], []
        for axis, places in enumerate(pixels):
            up = step(axis, grid, self.frame.canvas, self.together)
            on = step(axis, self.frame.content, self.frame.image, self.together)
            canvas = on.cells[places]  # (N, 2)
            share = on.weights[places].astype(np.float64)[..., None] * up.weights[canvas]
            cells.append(up.cells[canvas].reshape(len(places), 4))
            weights.append(share.reshape(len(places), 4))
        mixed = self.logits.numpy()[cells[0][:, :, None], cells[1][:, None]].astype(np.float64)
        mixed *= weights[0][:, :, None] * weights[1][:, None]
        return mixed.sum(axis=(1, 2)), np.abs(mixed).sum(axis=(1, 2))


def _nothing(frame: Frame) -> Mask:
    return Mask(*frame.image, 0, 0, np.zeros((0, 0), dtype=bool))


@dataclass(frozen=True, slots=True)
class _Span:
    """Rows or columns from ``low`` up to ``high``, the end left out."""

    low: int
    high: int

    @property
    def empty(self) -> bool:
        return self.low >= self.high


def _power_of_two(grid: torch.Size, canvas: tuple[int, int]) -> int | None:
    """By how much both sides are enlarged, where it is the same power of two."""
    factors = {c // g if c % g == 0 else 0 for g, c in zip(grid, canvas, strict=True)}
    (factor,) = factors if len(factors) == 1 else (0,)
    return factor if factor >= 1 and factor & (factor - 1) == 0 else None


@dataclass(frozen=True, slots=True)
class _Cut:
    """Cells of the grid, and what is kept of them once enlarged by ``factor``, as slices."""

    cells: tuple[slice, slice]
    kept: tuple[slice, slice]
    factor: int

    def enlarged(self, cells: torch.Tensor) -> FloatArray:
        """The part of the canvas that is kept."""
        cells = cells.contiguous()[None, None]
        if self.factor > 1:
            size = [self.factor * n for n in cells.shape[2:]]
            cells = F.interpolate(cells, size, mode="bilinear", align_corners=False)
        kept: FloatArray = cells[0, 0].numpy()[self.kept]
        return kept


def _cut(
    spans: list[_Span], factor: int, grid: torch.Size, frame: Frame
) -> tuple[_Cut, list[_Span]]:
    """The part of the canvas over the cells of ``spans``, cut to the content, and where it lies."""
    grown = [
        _Span(max(0, span.low - 1), min(size, span.high + 1))
        for span, size in zip(spans, grid, strict=True)
    ]
    found = [
        _Span(factor * span.low, min(factor * span.high, most))
        for span, most in zip(spans, frame.content, strict=True)
    ]
    first = [factor * span.low for span in grown]
    rows, columns = (slice(span.low, span.high) for span in grown)
    kept = [slice(f.low - start, f.high - start) for f, start in zip(found, first, strict=True)]
    return _Cut((rows, columns), (kept[0], kept[1]), factor), found


@dataclass(frozen=True, slots=True)
class _Taps:
    """Of output pixels ``start`` and on: the two inputs that each mixes, and what they weigh.

    ``first`` and ``second`` (N,) are indices into the input, ``weights`` (N, 2) float32.
    """

    start: int
    first: IndexArray
    second: IndexArray
    weights: FloatArray


def _taps(axis: int, span: _Span, frame: Frame, together: int) -> _Taps:
    """Those pixels down or across that mix canvas pixels of the span alone, counted from there."""
    mixed = step(axis, frame.content, frame.image, together)
    cells = np.where(mixed.weights > 0, mixed.cells, mixed.cells[:, :1])
    inside = np.flatnonzero((cells[:, 0] >= span.low) & (cells[:, 1] < span.high))
    if inside.size == 0:
        return _Taps(0, cells[:0, 0], cells[:0, 1], mixed.weights[:0])
    kept = slice(int(inside[0]), int(inside[-1]) + 1)
    first, second = cells[kept].T - span.low
    return _Taps(int(inside[0]), first, second, mixed.weights[kept])


class _Values:
    """The pixels (N, M) that taps down and across mix of a part of the canvas, some rows at a time.

    Without taps they are the canvas's own.
    """

    def __init__(self, canvas: FloatArray, taps: Sequence[_Taps] | None) -> None:
        self._columns, self._down = canvas, None
        if taps is not None:
            self._down, across = taps
            self._columns = _mixed(canvas, across.first, across.second, across.weights.T, axis=1)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, M)."""
        height, width = self._columns.shape
        return height if self._down is None else self._down.first.size, width

    def blocks(self) -> Iterator[slice]:
        """All rows, a few at a time."""
        height, width = self.shape
        rows = max(1, _BLOCK // width)
        return (slice(start, min(start + rows, height)) for start in range(0, height, rows))

    def of(self, rows: slice) -> FloatArray:
        """The values of the rows."""
        if self._down is None:
            return self._columns[rows]
        first, second = self._down.first[rows], self._down.second[rows]
        return _mixed(self._columns, first, second, self._down.weights[rows].T[..., None], axis=0)


def _mixed(
    canvas: FloatArray, first: IndexArray, second: IndexArray, weights: FloatArray, axis: int
) -> FloatArray:
    values: FloatArray = canvas.take(first, axis)
    values *= weights[0]
    others = canvas.take(second, axis)
    others *= weights[1]
    values += others
    return values
