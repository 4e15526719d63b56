"""The pixel of a region that is farthest from its outside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from bench.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Depth:
    """A pixel (x, y) of a region and its squared distance to the nearest pixel outside, exact."""

    x: int
    y: int
    squared: int


def deepest(
    region: BoolArray,
    excluded: FloatArray | None = None,
    scattered: bool = False,
    beyond: int = 0,
) -> Depth | None:
    """The pixel farthest from the region's outside, the first in row order; none in an empty one.

    ``region`` is (h, w) bool. What lies beyond it counts as outside, so an image border is a
    boundary. ``excluded`` is (P, 2), (x, y) pixels that may not be chosen. Distances are Euclidean
    and compared as whole numbers, squared: OpenCV's float32 ones split ties by their last bit,
    now this way and now that (RITM ``isegm/inference/clicker.py`` and SAM 2 ``sam2_utils.py``
    compare those). ``scattered`` changes no result: it says that most of the region is far from
    as deep as its deepest part, as errors are, so that a rough look first saves time. Where that
    tells that no squared distance reaches ``beyond``, none is given.
    """
    rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return None
    y0, x0 = int(rows[0]), int(columns[0])  # around the region's box nothing matters
    cut = region[y0 : rows[-1] + 1, x0 : columns[-1] + 1]
    padded = np.zeros((cut.shape[0] + 2, cut.shape[1] + 2), dtype=np.uint8)
    padded[1:-1, 1:-1] = cut
    out = np.zeros((0, 2), np.int64)
    if excluded is not None:
        out = excluded.astype(np.int64) - np.array([x0 - 1, y0 - 1])
    found = None
    if scattered and padded.size > _LOOKED_AT:
        rough = _distances(padded, cv2.DIST_MASK_3, out)
        if rough.max() * (1 + 1e-3) < _ROUGH[0] * math.sqrt(beyond):
            return None
        found = _roughly_deepest(padded, rough)
    if found is None:
        depths = _distances(padded, cv2.DIST_MASK_PRECISE, out)
        rows, columns = _places(depths >= depths.max() * (1 - 1e-6))
        found = rows, columns, depths[rows, columns]
    rows, columns, depths = found
    most = float(depths.max())
    if most == 0.0:
        return None
    if most < _EXACT_BELOW:
        squares = np.rint(depths.astype(np.float64) ** 2).astype(np.int64)
    else:
        squares = _squared_distances(rows, columns, padded)
    best = int(np.argmax(squares))
    return Depth(x0 + int(columns[best]) - 1, y0 + int(rows[best]) - 1, int(squares[best]))


_EXACT_BELOW = 1024.0
"""Pixels up to which the square of a float32 distance is off by less than a half."""

_LOOKED_AT = 4096
"""Pixels up to which exact distances take no longer than a rough look."""

_ROUGH = 0.955, 1.041
"""OpenCV's 3×3 distances are so many of the Euclidean ones at least and at most."""

_Pixels: TypeAlias = npt.NDArray[np.uint8]
_Found: TypeAlias = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float32]]


def _distances(padded: _Pixels, kind: int, out: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Distances (h, w) to the nearest zero of ``padded``; 0 at ``out`` (P, 2), places (x, y)."""
    depths = cv2.distanceTransform(padded, cv2.DIST_L2, kind)
    for x, y in out.tolist():
        if 0 <= y < depths.shape[0] and 0 <= x < depths.shape[1]:
            depths[y, x] = 0.0
    return np.asarray(depths, np.float32)


def _places(bits: BoolArray) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns of what is set in (h, w), in row order; ``nonzero`` takes twice as long."""
    rows, columns = np.divmod(np.flatnonzero(bits), bits.shape[1])
    return rows, columns


def _roughly_deepest(padded: _Pixels, rough: npt.NDArray[np.float32]) -> _Found | None:
    """Rows, columns and exact depths of the pixels that may be deepest by the rough distances.

    Exact distances are taken in tiles around them; none where the tiles would cover too much.
    """
    most = float(rough.max())
    least, largest = _ROUGH
    rows, columns = _places(rough >= most * (least / largest) * (1 - 1e-3))
    reach = int(most / least) + 2
    side = max(16, 2 * reach)
    across = padded.shape[1] // side + 1
    tiles, tile_of = np.unique(rows // side * across + columns // side, return_inverse=True)
    if 2 * len(tiles) * (side + 2 * reach) ** 2 > padded.size:
        return None
    depths = np.empty(len(rows), np.float32)
    for number, tile in enumerate(tiles.tolist()):
        row, column = divmod(tile, across)
        top, left = max(0, row * side - reach), max(0, column * side - reach)
        part = padded[top : (row + 1) * side + reach, left : (column + 1) * side + reach]
        exact = cv2.distanceTransform(part, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        here = np.flatnonzero(tile_of == number) if len(tiles) > 1 else slice(None)
        depths[here] = exact[rows[here] - top, columns[here] - left]
    return rows, columns, depths


def _squared_distances(
    rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], padded: _Pixels
) -> npt.NDArray[np.int64]:
    """Squared distances of some pixels to the nearest zero of ``padded``, by looking at each."""
    rim = (padded == 0) & (cv2.dilate(padded, np.ones((3, 3), dtype=np.uint8)) > 0)
    rim_rows, rim_columns = np.nonzero(rim)
    squares = [
        int(((rim_rows - row) ** 2 + (rim_columns - column) ** 2).min())
        for row, column in zip(rows, columns, strict=True)
    ]
    return np.array(squares, dtype=np.int64)
