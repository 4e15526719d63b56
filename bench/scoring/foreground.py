"""Where masks lie: pixels whose value (``bench.scoring.bilinear``) is above a threshold, exactly.

Both steps of a side are one matrix, so the values of a picture are ``down @ cells @ across.T``. In
float32 such a product is off by less than a known bound, however it adds up: what is farther from
the threshold is decided, and the few pixels that are not are decided in float64. And no pixel is
above the threshold that mixes no cell above it: only windows around such cells are computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from bench.scoring.bilinear import DoubleArray, Side, Span, exact_values, mixed_cells, sides
from bench.types import BenchError, BoolArray, FloatArray, Frame, Mask

_ROUNDING = 12 * 2.0**-24
"""Relative to the largest number: two rounded weights, a product and three sums of four terms for
either side, one for the bound's own rounding, and one to spare."""

_SMALLEST = 1e-36
"""Below it float32 has fewer digits, or none."""

_ROWS, _COLUMNS = 192, 256
"""Pixels at a time: their values stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What float32 tells of N grids.

    A value above ``high`` (N,) is above the threshold, one not above ``low`` (N,) is not. Both are
    NaN for a grid that holds NaN or infinity: nothing is told of it. Only a cell above ``lifting``
    may lift a pixel above the threshold: ``rows`` (N, h) and ``columns`` (N, w) have one.
    """

    low: DoubleArray
    high: DoubleArray
    lifting: float
    rows: BoolArray
    columns: BoolArray

    @classmethod
    def of(
        cls, rows: FloatArray, columns: FloatArray, lowest: FloatArray, threshold: float
    ) -> Bounds:
        """Those of the largest numbers by row (N, h) and by column (N, w), and the least (N,)."""
        size = np.maximum(rows.max(axis=1), -lowest)
        finite = np.isfinite(size)
        bound = _ROUNDING * np.maximum(np.where(finite, size, np.nan), abs(threshold)) + _SMALLEST
        lifting = threshold - _ROUNDING * abs(threshold)
        wide = ~finite[:, None]
        return cls(
            threshold - bound,
            threshold + bound,
            lifting,
            (rows > lifting) | wide,
            (columns > lifting) | wide,
        )


def extremes(grids: torch.Tensor) -> list[torch.Tensor]:
    """What ``Bounds`` are made of, of (N, h, w) float32 logits, on their device."""
    return [grids.amax(dim=2), grids.amax(dim=1), grids.amin(dim=(1, 2))]


def window_of(
    down: Side, across: Side, rows: BoolArray, columns: BoolArray
) -> tuple[Span, Span] | None:
    """The picture's rows and columns that mix any of (h,) and (w,) of a grid; none without any."""
    cells = np.flatnonzero(rows), np.flatnonzero(columns)
    if not cells[0].size:
        return None
    window = down.reach(cells[0]), across.reach(cells[1])
    return window if all(low < end for low, end in window) else None


Part = tuple[BoolArray, int, int]
"""Bits (H, W) of a picture's part, and the row and column of the first; elsewhere none is set."""


def foregrounds(logits: torch.Tensor, frame: Frame, threshold: float) -> list[Mask]:
    """The masks of one prompt's candidates, (K, h, w) logits on any device."""
    return [mask for mask, _ in foregrounds_and_areas(logits, frame, threshold, ())]


def foregrounds_and_areas(
    logits: torch.Tensor, frame: Frame, threshold: float, others: Sequence[float]
) -> list[tuple[Mask, tuple[int, ...]]]:
    """As ``foregrounds``, each mask with its pixels' number at each of some other thresholds.

    The picture is computed once for all of them.
    """
    grids = logits.float().cpu()
    check_products(grids.device)
    thresholds = [threshold, *others]
    found = []
    for top, left, bits in _nested(grids, _bounds(grids, thresholds), frame, thresholds):
        areas = tuple(int(np.count_nonzero(one)) for one in bits[1:])
        found.append((Mask.from_crop(bits[0], top, left, *frame.image), areas))
    return found


def bounds_of(grids: torch.Tensor, threshold: float) -> Bounds:
    """Those of (N, h, w) float32 logits on the CPU."""
    return _bounds(grids, [threshold])[0]


def _bounds(grids: torch.Tensor, thresholds: Sequence[float]) -> list[Bounds]:
    rows, columns, lowest = (each.numpy() for each in extremes(grids))
    return [Bounds.of(rows, columns, lowest, threshold) for threshold in thresholds]


def parts(grids: torch.Tensor, bounds: Bounds, frame: Frame, threshold: float) -> Iterator[Part]:
    """The masks of (K, h, w) float32 logits on the CPU, one by one, each in its window."""
    for top, left, bits in _nested(grids, [bounds], frame, [threshold]):
        yield bits[0], top, left


def _nested(
    grids: torch.Tensor, bounds: Sequence[Bounds], frame: Frame, thresholds: Sequence[float]
) -> Iterator[tuple[int, int, BoolArray]]:
    """Of each of K grids a window's first row and column, and its bits (T, H, W) by threshold.

    The window is that of the lowest threshold: elsewhere none is set.
    """
    down, across = sides(grids.shape[1:], frame)
    widest = bounds[int(np.argmin(thresholds))]
    for number, grid in enumerate(grids):
        window = window_of(down, across, widest.rows[number], widest.columns[number])
        if window is None:
            yield 0, 0, np.zeros((len(thresholds), 0, 0), dtype=bool)
            continue
        levels = [
            _Level(threshold, float(each.low[number]), float(each.high[number]), each.lifting)
            for threshold, each in zip(thresholds, bounds, strict=True)
        ]
        picture = _Picture(grid, grid.numpy(), down, across, levels)
        yield window[0][0], window[1][0], picture.bits(*window)


@dataclass(frozen=True, slots=True)
class _Level:
    """A threshold, and what ``Bounds`` say of it for one grid."""

    threshold: float
    low: float
    high: float
    lifting: float


@dataclass(frozen=True, slots=True)
class _Picture:
    """An (h, w) grid on the CPU, what its picture's pixels mix, and T thresholds."""

    grid: torch.Tensor
    array: FloatArray
    down: Side
    across: Side
    levels: Sequence[_Level]

    def bits(self, rows: Span, columns: Span) -> BoolArray:
        """Which pixels of the window are above each threshold, (T, H, W)."""
        (top, bottom), (left, right) = rows, columns
        shape = len(self.levels), bottom - top, right - left
        bits: BoolArray = np.empty(shape, dtype=bool)
        for column in range(left, right, _COLUMNS):
            end = min(column + _COLUMNS, right)
            for row in range(top, bottom, _ROWS):
                stop = min(row + _ROWS, bottom)
                part = bits[:, row - top : stop - top, column - left : end - left]
                self._fill(part, (row, stop), (column, end))
        return bits

    def _fill(self, bits: BoolArray, rows: Span, columns: Span) -> None:
        high, down = self.down.cut(rows)
        wide, across = self.across.cut(columns)
        cells = self.array[high, wide]
        most, least = cells.max(), cells.min()
        values: FloatArray | None = None
        for level, part in zip(self.levels, bits, strict=True):
            if most <= level.lifting or least > level.high:  # no mix leaves that side
                part.fill(cells[0, 0] > level.high)
                continue
            if values is None:
                values = product(self.grid[high, wide], down, across).numpy()
            np.greater(values, level.high, out=part)
            unsure = (values > level.low) ^ part
            if np.isnan(level.high):
                unsure[:] = True
            elif unsure.any():
                unsure &= lifted(self.grid[high, wide], down, across, level.lifting).numpy()
            if unsure.any():
                part[unsure] = self._exact(unsure, rows[0], columns[0]) > level.threshold

    def _exact(self, pixels: BoolArray, top: int, left: int) -> DoubleArray:
        """The values (P,) of the pixels set in a window at (top, left), in float64."""
        rows, columns = np.nonzero(pixels)
        places = rows + top, columns + left
        cells = self.array[mixed_cells(self.down, self.across, *places)]
        return exact_values(cells, self.down, self.across, *places)


def product(
    cells: torch.Tensor, down: torch.Tensor | None, across: torch.Tensor | None
) -> torch.Tensor:
    """Values (…, H, W) of cells (…, h, w) by matrices (…, H, h) and (…, W, w), in float32.

    A side without a matrix stays as it is.
    """
    rows = cells if down is None else torch.matmul(down, cells)
    return rows if across is None else torch.matmul(rows, across.mT)


def lifted(
    cells: torch.Tensor, down: torch.Tensor | None, across: torch.Tensor | None, lifting: float
) -> torch.Tensor:
    """Which values (…, H, W) mix a cell above ``lifting``: the others aren't open.

    A model may answer with 0 wherever its mask isn't: all those values are as close as can be.
    """
    return product((cells > lifting).float(), down, across) > 0


def check_products(device: torch.device) -> None:
    """Raises ``BenchError`` where matrix products are not as exact as float32 lets them be."""
    _check_products(device, torch.get_float32_matmul_precision())


@lru_cache
def _check_products(device: torch.device, precision: str) -> None:
    """Once for a device and a setting: a known picture must be right within the bound."""
    if (error := product_error(device)) > _ROUNDING:
        raise BenchError(
            f"matrix products on {device} are off by {error:.1e} where float32 allows "
            f"{_ROUNDING:.1e}: TF32 or another reduced precision is on, and masks would hang on "
            f"it (torch's float32 matmul precision is {precision!r}, 'highest' is needed; "
            "NVIDIA_TF32_OVERRIDE and ONEDNN_DEFAULT_FPMATH_MODE must not ask for less)"
        )


def product_error(device: torch.device) -> float:
    """By how much a picture of known numbers in [-1, 1], made on the device, is off at most."""
    numbers = np.sin(np.arange(48 * 64, dtype=np.float64) ** 1.5).astype(np.float32).reshape(48, 64)
    down, across = sides((48, 64), Frame((96, 128), (90, 128), (135, 200)))
    assert down.matrix is not None
    assert across.matrix is not None
    grid, *matrices = (
        each.to(device) for each in (torch.from_numpy(numbers), down.matrix, across.matrix)
    )
    values = product(grid, *matrices).cpu().numpy()
    rows, columns = (each.ravel() for each in np.indices(values.shape))
    cells = numbers[mixed_cells(down, across, rows, columns)]
    exact = exact_values(cells, down, across, rows, columns)
    return float(np.abs(values.ravel() - exact).max())
