"""Polygons of pixel coordinates drawn as OpenCV fills them, for formats whose own tools do so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bench.data.formats.segmentation import COORDINATE_LIMIT, check_outline
from bench.types import Mask


def points_of(written: object) -> npt.NDArray[np.float64]:
    """A polygon's corners, (P, 2) float64 (x, y), from [[x, y], …]; (0, 2) for an empty one.

    Raises ``ValueError`` for anything else, and for coordinates that aren't finite.
    """
    try:
        points = np.asarray(written, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"a polygon is a list [[x, y], …], found {str(written)[:60]}") from None
    if points.size == 0:
        return np.zeros((0, 2))
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"a polygon is a list [[x, y], …], found {str(written)[:60]}")
    if not np.all(np.abs(points) <= COORDINATE_LIMIT):  # false for NaN too
        raise ValueError(f"a polygon's coordinate is not finite, or beyond ±{COORDINATE_LIMIT}")
    return points


MOST_TANGLED = 5e8
"""Pairs of sides that cross the same row: OpenCV sorts a row's sides anew, side by side."""


def draw_outlines(outlines: Sequence[npt.NDArray[np.float64]], height: int, width: int) -> Mask:
    """The mask that polygons (P, 2) of (x, y) pixel indices enclose together.

    Coordinates are cut to whole pixels, as the official scripts of WoodScape and VISOR do; a
    pixel is inside where it lies in an odd number of polygons, or on an outline. Polygons of
    fewer than three points enclose nothing; what lies outside of the picture is cut off. Raises
    ``ValueError`` for coordinates that aren't finite, and for outlines so long or so tangled that
    OpenCV would take minutes or hours to fill them.

    >>> square = np.array([[1, 1], [3, 1], [3, 2.9], [1, 2.9]])
    >>> draw_outlines([square], 4, 6).box
    (1, 1, 3, 2)
    >>> beyond = draw_outlines([np.array([[4, 1], [9, 1], [9, 2], [4, 2]])], 4, 6)
    >>> beyond.box, beyond.area
    ((4, 1, 5, 2), 4)
    """
    kept = [outline for outline in outlines if len(outline) >= 3]
    if not all(np.all(np.abs(outline) <= COORDINATE_LIMIT) for outline in kept):  # NaN neither
        raise ValueError(f"a polygon's coordinate is not finite, or beyond ±{COORDINATE_LIMIT}")
    drawn = [outline.astype(np.int32) for outline in kept]
    if not drawn:
        return Mask.empty(height, width)
    check_outline(kept, height, width)
    if (tangle := _tangle(drawn, height)) > MOST_TANGLED:
        raise ValueError(f"its outlines are tangled: {tangle:.1g} pairs of sides share a row")
    corners = np.concatenate(drawn)
    x0, y0 = np.clip(corners.min(axis=0), 0, (width, height))
    x1, y1 = np.clip(corners.max(axis=0) + 1, 0, (width, height))
    if x0 >= x1 or y0 >= y1:
        return Mask.empty(height, width)
    canvas: Any = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
    cv2.fillPoly(canvas, [outline - np.array([x0, y0], np.int32) for outline in drawn], 1)
    return Mask.from_crop(canvas.astype(bool), int(y0), int(x0), height, width)


def _tangle(outlines: Sequence[npt.NDArray[np.int32]], height: int) -> float:
    """The pairs of sides that cross the same row, over all rows of the picture.

    >>> square = np.array([[1, 1], [3, 1], [3, 4], [1, 4]])
    >>> _tangle([square], 10), _tangle([square, square], 10)
    (12.0, 48.0)
    """
    begun = np.zeros(height + 1)
    for outline in outlines:
        rows = np.clip(outline[:, 1], 0, height)
        following = np.roll(rows, -1)
        np.add.at(begun, np.minimum(rows, following), 1)
        np.add.at(begun, np.maximum(rows, following), -1)
    return float((np.cumsum(begun) ** 2).sum())
