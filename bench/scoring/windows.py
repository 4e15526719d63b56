"""Where masks can be set at all: windows of the image, and which of them are computed together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from bench.scoring.upscaling import IndexArray, Mixes
from bench.types import BoolArray, Frame

_MOST = 0.25
"""Above this share of the picture the kernel itself is faster."""

_SMALLEST = 1 / 16
"""Of the pixels at once: chunks below it are never split for what filling them up wastes."""


@dataclass(frozen=True, slots=True)
class Window:
    """Where mask ``index`` of a batch may be set: image rows and columns, ends left out.

    ``whole`` says that it is the whole picture, to be computed by the kernel itself.
    """

    index: int
    frame: Frame
    rows: tuple[int, int]
    columns: tuple[int, int]
    whole: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    @property
    def pixels(self) -> int:
        """How many it holds."""
        return self.shape[0] * self.shape[1]

    def on_whole_picture(self) -> Window:
        """The same mask's window without a cut."""
        height, width = self.frame.image
        return replace(self, rows=(0, height), columns=(0, width), whole=True)


def window_of(
    index: int,
    frame: Frame,
    sides: tuple[Mixes, Mixes],
    live: tuple[BoolArray, BoolArray],
    finite: bool,
) -> Window | None:
    """The window of one mask; none where no pixel can be set.

    ``sides`` are what the image's rows and columns mix of the grid's, ``live`` (h,) and (w,) tell
    in which of those a cell may lift a pixel above the threshold, and ``finite`` whether all cells
    are numbers: others spread in ways that are the kernel's own.
    """
    cells: list[IndexArray] = [np.flatnonzero(side) for side in live]
    if cells[0].size == 0:
        return None
    rows, columns = (
        side.reach(int(found[0]), int(found[-1])) for side, found in zip(sides, cells, strict=True)
    )
    window = Window(index, frame, rows, columns)
    if not finite or window.pixels > _MOST * frame.image[0] * frame.image[1]:
        return window.on_whole_picture()
    return window if window.pixels else None


def chunks(windows: Sequence[Window], most: int, grid_width: int) -> Iterator[list[Window]]:
    """Windows to be computed together in at most ``most`` pixels each, one window at least.

    Whole ones of one frame, others of about one size, filled up to the largest.
    """
    in_order = sorted((w for w in windows if w.whole), key=_frame_order)
    for _, group in groupby(in_order, key=_frame_order):
        alike = list(group)
        (height, width), (high, wide) = alike[0].frame.image, alike[0].frame.canvas
        count = max(1, most // max(height * width, high * wide))
        yield from (alike[start : start + count] for start in range(0, len(alike), count))
    chunk: list[Window] = []
    wanted = 0
    for window in sorted((w for w in windows if not w.whole), key=lambda w: w.pixels):
        height, width = padded([*chunk, window])
        pixels = height * max(width, grid_width) * (len(chunk) + 1)
        worth = max(int(_SMALLEST * most), 3 * (wanted + window.pixels))
        if chunk and pixels > min(most, worth):
            yield chunk
            chunk, wanted = [], 0
        chunk.append(window)
        wanted += window.pixels
    if chunk:
        yield chunk


def padded(chunk: Sequence[Window]) -> tuple[int, int]:
    """The height and width that all of them fit into, the width a whole number of bytes of bits."""
    width = max(window.shape[1] for window in chunk)
    return max(window.shape[0] for window in chunk), -(-width // 8) * 8


def _frame_order(window: Window) -> tuple[tuple[int, int], ...]:
    return window.frame.image, window.frame.content, window.frame.canvas
