"""The one decoder of COCO segmentations: polygons, RLE strings and RLE lists.

Polygons are drawn by pycocotools, to the pixel as COCO's own tools do. Only the columns that a
mask covers are decoded, so a small object in a large picture costs little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from bench.types import Mask

Runs: TypeAlias = npt.NDArray[np.int64]

COORDINATE_LIMIT = 1_000_000
"""The largest coordinate of a polygon; pycocotools' memory grows with the outline's length."""

_LONGEST = 7  # characters of a run length in a compressed string: 35 bits


def decode_segmentation(segmentation: object, height: int, width: int) -> Mask:
    """The mask of a COCO ``segmentation`` in an image of (height, width) pixels.

    ``segmentation`` is a list of polygons [x0, y0, x1, y1, …] in COCO's continuous coordinates
    (pixel (0, 0) covers [0, 1) × [0, 1)), all of them parts of one mask; or an RLE
    ``{"size": [H, W], "counts": …}`` with a compressed string or a list of run lengths in
    column-major order. ``None``, ``[]`` and polygons of fewer than three points are empty.

    Raises ``ValueError`` for anything else, for runs that don't fill the image and for an RLE of
    another size.

    >>> decode_segmentation([[1, 1, 3, 1, 3, 2, 1, 2]], 4, 6).box
    (1, 1, 2, 1)
    """
    if segmentation is None:
        return _empty(height, width)
    if isinstance(segmentation, Mapping):
        return _from_rle(segmentation, height, width)
    if isinstance(segmentation, Sequence) and not isinstance(segmentation, str | bytes):
        return _from_polygons(segmentation, height, width)
    raise ValueError(f"a segmentation is polygons or an RLE, found {type(segmentation).__name__}")


def _from_polygons(polygons: Sequence[Any], height: int, width: int) -> Mask:
    # pycocotools takes two points for a box and fails on one: they enclose nothing, so they go.
    drawn: Any = [polygon for polygon in map(_checked_polygon, polygons) if polygon.size >= 6]
    if not drawn:
        return _empty(height, width)
    encoded: Mapping[str, Any] = coco_mask.merge(coco_mask.frPyObjects(drawn, height, width))
    return _from_runs(_decompressed(encoded["counts"]), height, width)


def _checked_polygon(polygon: object) -> npt.NDArray[np.float64]:
    """The polygon as (2P,) float64, its x and y by turns."""
    try:
        points = np.asarray(polygon, dtype=np.float64)
    except (TypeError, ValueError):
        points = None
    if points is None or points.ndim != 1:
        raise ValueError(f"a polygon is a list [x0, y0, x1, y1, …], found {str(polygon)[:60]}")
    if points.size % 2:
        raise ValueError(f"a polygon has as many x as y, found {points.size} numbers")
    if not np.all(np.abs(points) <= COORDINATE_LIMIT):  # false for NaN too
        raise ValueError(f"a polygon's coordinate is not finite, or beyond ±{COORDINATE_LIMIT}")
    return points


def _from_rle(rle: Mapping[str, Any], height: int, width: int) -> Mask:
    if "size" not in rle or "counts" not in rle:
        raise ValueError(f"an RLE has 'size' and 'counts', found {sorted(map(str, rle))}")
    size, counts = rle["size"], rle["counts"]
    if list(size) != [height, width]:
        raise ValueError(
            f"the RLE is of {'×'.join(map(str, size))}, the image of {height}×{width} (H×W)"
        )
    if isinstance(counts, str):
        counts = counts.encode("ascii", errors="replace")
    if isinstance(counts, bytes):
        return _from_runs(_decompressed(counts), height, width)
    runs = np.asarray(counts)
    if runs.ndim != 1 or (runs.size and not np.issubdtype(runs.dtype, np.integer)):
        raise ValueError("an RLE's counts are a string or a list of whole numbers")
    return _from_runs(runs.astype(np.int64), height, width)


def _decompressed(counts: bytes) -> Runs:
    """The run lengths of COCO's compressed string.

    Each number is written in characters of 5 bits, lowest first, plus a bit that says "more
    follows"; from the fourth on it is the difference to the number two before.
    """
    codes = np.frombuffer(counts, dtype=np.uint8).astype(np.int64) - 48
    if codes.size == 0:
        return codes
    last = (codes & 32) == 0
    if codes.min() < 0 or codes.max() > 63 or not last[-1]:
        raise ValueError("the RLE's counts string is damaged")
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > _LONGEST:
        raise ValueError("the RLE's counts string is damaged")
    place = np.arange(codes.size) - np.repeat(starts, lengths)
    runs: Runs = np.add.reduceat((codes & 31) << (5 * place), starts)
    runs -= np.where(codes[ends] & 16, np.int64(1) << (5 * lengths), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


def _from_runs(runs: Runs, height: int, width: int) -> Mask:
    """The mask of run lengths, background first, in column-major order."""
    if runs.size and runs.min() < 0:
        raise ValueError("an RLE's run length is negative")
    if runs.sum() != height * width:
        raise ValueError(
            f"the RLE's runs sum to {runs.sum()}, the image has {height}×{width} = "
            f"{height * width} pixels"
        )
    ends = np.cumsum(runs)
    starts, ends = (ends - runs)[1::2], ends[1::2]
    some = ends > starts
    starts, ends = starts[some], ends[some]
    if starts.size == 0:
        return _empty(height, width)
    x0, x1 = int(starts[0]) // height, (int(ends[-1]) - 1) // height
    steps = np.zeros((x1 - x0 + 1) * height + 1, dtype=np.int8)
    steps[starts - x0 * height] += 1
    steps[ends - x0 * height] -= 1
    columns = np.cumsum(steps[:-1], dtype=np.int8).astype(bool).reshape(-1, height)
    return Mask.from_crop(columns.T, 0, x0, height, width)


def _empty(height: int, width: int) -> Mask:
    return Mask(height, width, 0, 0, np.zeros((0, 0), dtype=bool))
