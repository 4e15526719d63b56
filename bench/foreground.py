"""Where upscaled logits lie above 0, without upscaling more of the picture than need be.

The mask of a small object in a picture of 12 million pixels needs the pixels around the object
only: bilinear interpolation of values that are not above 0 is not above 0. What comes out equals
``upscale(logits, frame) > 0`` bit for bit. The first of the two steps enlarges by a whole power
of two, so cuts along the grid give the same sums; in the second the kernel's own weights are
applied to the cut, and where rounding could decide a sign the whole picture is computed after all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from bench.types import FloatArray, Frame, Mask

_ROUNDING = 16 * 2.0**-24
"""No float32 sum of the four products, in any order and fused or not, is off by more, relative to
the sum of their sizes: 7 roundings of half a unit at most on either side."""


_MOST = 0.2
"""Above this share of the grid the kernel on the whole picture is faster."""


def foreground(logits: torch.Tensor, frame: Frame) -> Mask | None:
    """The mask of (h, w) float32 logits on the CPU; none where it takes the whole picture.

    That is so where the mask covers much of it, where the first step doesn't enlarge by a power of
    two, and where a pixel's sign hangs on the rounding.
    """
    factor = _power_of_two(logits.shape, frame.canvas)
    if factor is None:
        return None
    height, width = frame.image
    above = (logits > 0).numpy()
    rows, columns = (np.flatnonzero(above.any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return Mask(height, width, 0, 0, np.zeros((0, 0), dtype=bool))
    cells = [(int(found[0]), int(found[-1]) + 1) for found in (rows, columns)]
    if (cells[0][1] - cells[0][0]) * (cells[1][1] - cells[1][0]) > _MOST * above.size:
        return None
    # A pixel depends on the two cells next to it either way: one more cell, and one to cut at.
    spans = [
        _Span(max(0, low - 1), min(size, high + 1))
        for (low, high), size in zip(cells, logits.shape, strict=True)
    ]
    canvas, spans = _canvas(logits, spans, factor, frame)
    if spans[0].empty or spans[1].empty:
        return Mask(height, width, 0, 0, np.zeros((0, 0), dtype=bool))
    if frame.content == frame.image:
        return Mask.from_crop(canvas > 0, spans[0].low, spans[1].low, height, width)
    return _resized(canvas, spans, frame)


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


def _canvas(
    logits: torch.Tensor, spans: list[_Span], factor: int, frame: Frame
) -> tuple[FloatArray, list[_Span]]:
    """The part of the canvas over the cells of ``spans``, cut to the content, and where it lies."""
    grown = [
        _Span(max(0, span.low - 1), min(size, span.high + 1))
        for span, size in zip(spans, logits.shape, strict=True)
    ]
    (top, bottom), (left, right) = ((span.low, span.high) for span in grown)
    cells = logits[top:bottom, left:right].contiguous()[None, None]
    if factor > 1:
        size = [factor * n for n in cells.shape[2:]]
        cells = F.interpolate(cells, size, mode="bilinear", align_corners=False)
    whole = cells[0, 0].numpy()
    found = [
        _Span(factor * span.low, min(factor * span.high, most))
        for span, most in zip(spans, frame.content, strict=True)
    ]
    first = [factor * span.low for span in grown]
    cut: FloatArray = whole[
        found[0].low - first[0] : found[0].high - first[0],
        found[1].low - first[1] : found[1].high - first[1],
    ]
    return cut, found


def _resized(canvas: FloatArray, spans: list[_Span], frame: Frame) -> Mask | None:
    """The mask on the image's pixels, from the only part of the canvas that can be above 0."""
    places = [
        _taps(content, image).near(span)
        for content, image, span in zip(frame.content, frame.image, spans, strict=True)
    ]
    down, across = places
    height, width = frame.image
    if down.first.size == 0 or across.first.size == 0:
        return Mask(height, width, 0, 0, np.zeros((0, 0), dtype=bool))
    # What lies outside of the part is not above 0; its exact value matters to no sign, but its
    # neighbour's does, so the part reaches one cell beyond every value above 0.
    values = _interpolated(canvas, down, across)
    close = np.abs(values) <= _ROUNDING * _largest(canvas)
    if close.any():
        sizes = _interpolated(np.abs(canvas), down, across)
        if (np.abs(values) <= _ROUNDING * sizes)[close & (sizes > 0)].any():
            return None
    return Mask.from_crop(values > 0, down.start, across.start, height, width)


def _largest(canvas: FloatArray) -> float:
    return float(np.abs(canvas).max(initial=0.0))


@dataclass(frozen=True, slots=True)
class _Taps:
    """Of output pixels ``start`` and on: the two inputs that each mixes, and the second's weight.

    ``first`` and ``second`` (N,) are indices into the input, ``weight`` (N,) float32.
    """

    start: int
    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    weight: FloatArray

    def near(self, span: _Span) -> _Taps:
        """Those outputs that mix inputs of the span alone, indices counted from its start."""
        inside = np.flatnonzero((self.first >= span.low) & (self.second < span.high))
        if inside.size == 0:
            return _Taps(0, self.first[:0], self.second[:0], self.weight[:0])
        kept = slice(int(inside[0]), int(inside[-1]) + 1)
        first, second = self.first[kept] - span.low, self.second[kept] - span.low
        return _Taps(int(inside[0]), first, second, self.weight[kept])


@lru_cache(maxsize=128)  # 100 KB each for large pictures, and datasets have thousands of sizes
def _taps(size: int, enlarged: int) -> _Taps:
    """How ``F.interpolate`` mixes ``size`` inputs into ``enlarged`` outputs along one side.

    The weights are read off the kernel itself: of inputs 0, 1, 0, 1, … it gives the weight of the
    odd one of the two.
    """
    scale = np.float32(size) / np.float32(enlarged)
    half = np.float32(0.5)
    places = np.maximum(scale * (np.arange(enlarged, dtype=np.float32) + half) - half, 0)
    first = np.minimum(places.astype(np.int64), size - 1)
    second = np.minimum(first + 1, size - 1)
    stripes = (torch.arange(size) % 2).float()[None, None, :, None]
    told = F.interpolate(stripes, (enlarged, 1), mode="bilinear", align_corners=False)
    odd = told[0, 0, :, 0].numpy()
    weight = np.where(second % 2 == 1, odd, 1 - odd).astype(np.float32)
    return _Taps(0, first, second, np.where(first == second, np.float32(0), weight))


def _interpolated(canvas: FloatArray, down: _Taps, across: _Taps) -> FloatArray:
    """The outputs (N, M) of both taps."""
    one = np.float32(1)
    columns = canvas.take(across.first, axis=1)
    columns *= one - across.weight
    second = canvas.take(across.second, axis=1)
    second *= across.weight
    columns += second
    values: FloatArray = columns.take(down.first, axis=0)
    values *= (one - down.weight)[:, None]
    second = columns.take(down.second, axis=0)
    second *= down.weight[:, None]
    values += second
    return values
