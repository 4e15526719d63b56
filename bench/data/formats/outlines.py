"""Outlines: polygons of pixel coordinates drawn as OpenCV fills them, and what drawing any costs.

Every tool takes time and memory for each pixel of an outline's length. OpenCV also keeps the sides
that cross a row in their order and sorts them anew for each row, by swapping neighbours: sides that
keep their order cost nothing more, thousands that cross each other cost each time they meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bench.types import Mask

COORDINATE_LIMIT = 1_000_000
"""The largest coordinate of a polygon; pycocotools' memory grows with the outline's length."""

OUTLINE_LIMIT = 4_000_000
"""The longest outline of a mask's polygons in pixels, however large the image."""

SORTING_LIMIT = 100_000_000
"""The most steps in which OpenCV may sort the sides of a mask's polygons: about a second."""

_REMEDY = "simplify the polygon, or write the mask as pixels, such as an RLE or a PNG"


def points_of(written: Any) -> npt.NDArray[np.float64]:
    """A polygon's corners, (P, 2) float64 (x, y), from [[x, y], …]; (0, 2) for an empty one.

    Raises ``ValueError`` for anything else, true, false and texts of numbers among it, and for
    coordinates that aren't finite.
    """
    try:
        points = np.asarray(written, dtype=np.float64)
        whole = all(type(n) in (int, float) for pair in written for n in pair)
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise ValueError(f"a polygon is a list [[x, y], …], found {str(written)[:60]}")
    if points.size == 0:
        return np.zeros((0, 2))
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"a polygon is a list [[x, y], …], found {str(written)[:60]}")
    if not np.all(np.abs(points) <= COORDINATE_LIMIT):  # false for NaN too
        raise ValueError(f"a polygon's coordinate is not finite, or beyond ±{COORDINATE_LIMIT}")
    return points


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
    check_outline(kept, height, width, sorts=True)
    corners = np.concatenate(drawn)
    x0, y0 = np.clip(corners.min(axis=0), 0, (width, height))
    x1, y1 = np.clip(corners.max(axis=0) + 1, 0, (width, height))
    if x0 >= x1 or y0 >= y1:
        return Mask.empty(height, width)
    canvas: Any = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
    cv2.fillPoly(canvas, [outline - np.array([x0, y0], np.int32) for outline in drawn], 1)
    return Mask.from_crop(canvas.astype(bool), int(y0), int(x0), height, width)


def check_outline(
    polygons: Sequence[npt.NDArray[np.float64]], height: int, width: int, *, sorts: bool = False
) -> None:
    """Raises ``ValueError`` for outlines that would take gigabytes, minutes or hours to draw.

    They enclose nothing sane: one that doesn't cross itself and stays in its image is shorter than
    twice its pixels, and its sides keep their order. ``polygons`` are (2P,) x and y by turns, or
    (P, 2), of finite coordinates. ``sorts`` says that OpenCV draws them.
    """
    limit = max(100_000, min(4 * height * width, OUTLINE_LIMIT))
    length = 0.0
    for polygon in polygons:
        corners = polygon.reshape(-1, 2)
        length += float(np.abs(np.diff(corners, axis=0, append=corners[:1])).max(axis=1).sum())
    if length > limit:
        raise ValueError(
            f"the polygons' outline is {length:.0f} pixels long, beyond the {limit} that are drawn "
            f"in an image of {height}×{width}; {_REMEDY}"
        )
    if sorts and steps_to_sort(polygons, height, SORTING_LIMIT) > SORTING_LIMIT:
        raise ValueError(
            f"the polygons' outline is a tangle: its sides cross each other so often that sorting "
            f"them takes more than {SORTING_LIMIT} steps; {_REMEDY}"
        )


def steps_to_sort(
    polygons: Sequence[npt.NDArray[np.float64]], height: int, limit: float = np.inf
) -> int:
    """How many sides OpenCV looks at as it sorts them for each of the picture's rows.

    In each row it goes through the sides until none is swapped: once, and once more for as many
    places as the one that is farthest off has to go. Where the count goes beyond ``limit`` it ends.

    >>> square = np.array([[1.0, 1], [3, 1], [3, 4], [1, 4]])
    >>> steps_to_sort([square], 10), steps_to_sort([square, square], 10)
    (6, 12)
    >>> hourglass = np.array([[0.0, 0], [8, 8], [0, 8], [8, 0]])
    >>> steps_to_sort([hourglass], 10)
    18
    """
    top, bottom, x0, slope = _sides(polygons, height)
    in_a_row = np.bincount(top, minlength=height + 1) - np.bincount(bottom, minlength=height + 1)
    in_a_row = np.cumsum(in_a_row)
    if float((in_a_row.astype(np.float64) ** 2).sum()) <= limit < np.inf:
        return int(in_a_row.sum())  # even if the last came first in every row
    order = np.argsort(top, kind="stable")
    begun = np.searchsorted(top[order], np.arange(height + 1), side="right")
    x, sides = x0.copy(), np.zeros(0, dtype=np.int64)
    steps = before = 0
    for row in range(height):
        sides = np.concatenate([sides[bottom[sides] > row], order[before : begun[row]]])
        before = begun[row]
        if not sides.size:
            continue
        sides = sides[np.argsort(x[sides], kind="stable")]  # new ones are put in their places
        x[sides] = x0[sides] + (row + 1 - top[sides]) * slope[sides]
        after = np.argsort(x[sides], kind="stable")
        farthest = int((after - np.arange(after.size)).max())
        steps += sides.size * (1 + farthest)
        if steps > limit:
            break
        sides = sides[after]
    return steps


def _sides(
    polygons: Sequence[npt.NDArray[np.float64]], height: int
) -> tuple[
    npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]
]:
    """Of each side that isn't level: its first row, the one behind its last, x in the first, slope.

    Corners are whole pixels, as OpenCV is given them; rows are those of the picture.
    """
    ends = []
    for polygon in polygons:
        corners = np.trunc(polygon.reshape(-1, 2))
        ends.append(np.hstack([corners, np.roll(corners, -1, axis=0)]))
    whole = np.concatenate(ends)
    whole = whole[whole[:, 1] != whole[:, 3]]
    turned = whole[:, 1] > whole[:, 3]
    whole[turned] = whole[turned][:, [2, 3, 0, 1]]
    x0, y0, x1, y1 = whole.T
    slope = (x1 - x0) / (y1 - y0)
    first = np.clip(y0, 0, height)
    return (
        first.astype(np.int64),
        np.clip(y1, 0, height).astype(np.int64),
        x0 + (first - y0) * slope,
        slope,
    )
