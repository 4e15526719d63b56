"""The one decoder of COCO segmentations: polygons, RLE strings and RLE lists.

Polygons are drawn by pycocotools, to the pixel as COCO's own tools do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from bench.data.formats.outlines import COORDINATE_LIMIT, check_outline
from bench.types import Mask

Fill: TypeAlias = Literal["union", "even_odd"]
"""What several polygons of one mask enclose together."""


def decode_segmentation(
    segmentation: object, height: int, width: int, *, fill: Fill = "union"
) -> Mask:
    """The mask of a COCO ``segmentation`` in an image of (height, width) pixels.

    ``segmentation`` is a list of polygons [x0, y0, x1, y1, …] in COCO's continuous coordinates
    (pixel (0, 0) covers [0, 1) × [0, 1)), all of them parts of one mask; or an RLE
    ``{"size": [H, W], "counts": …}`` with a compressed string or a list of run lengths in
    column-major order. ``None``, ``[]`` and polygons of fewer than three points are empty.
    ``fill`` "union" takes what lies in any polygon, as COCO's own tools do; "even_odd" what lies in
    an odd number of them, so that one inside another is a hole.

    Raises ``ValueError`` for anything else, for a list of pairs [x, y], for corners as shares of
    the picture's size, for runs that don't fill the image and for an RLE of another size.

    >>> decode_segmentation([[1, 1, 3, 1, 3, 2, 1, 2]], 4, 6).box
    (1, 1, 2, 1)
    """
    if segmentation is None:
        return Mask.empty(height, width)
    if isinstance(segmentation, Mapping):
        return _from_rle(segmentation, height, width)
    if isinstance(segmentation, Sequence) and not isinstance(segmentation, str | bytes):
        return _from_polygons(segmentation, height, width, fill)
    quoted = isinstance(segmentation, str) and segmentation.lstrip()[:1] in ("[", "{")
    raise ValueError(
        f"a segmentation is polygons or an RLE, found {type(segmentation).__name__}"
        + (" that holds one: write it without the quotes" if quoted else "")
    )


def are_pairs(segmentation: object) -> bool:
    """Whether a polygon is written as a list of three or more pairs [x, y].

    Each pair would be taken for a polygon that encloses nothing.

    >>> are_pairs([[1, 1], [3, 1], [3, 2]]), are_pairs([[1, 1, 3, 1, 3, 2]]), are_pairs([[1, 1]])
    (True, False, False)
    """
    return (
        isinstance(segmentation, Sequence)
        and not isinstance(segmentation, str | bytes)
        and len(segmentation) >= 3
        and all(isinstance(p, Sequence) and len(p) == 2 for p in segmentation)
    )


def are_shares(segmentation: object) -> bool:
    """Whether polygons are written as shares of the picture's width and height, not as pixels.

    Then all corners lie between 0 and 1: as pixels they would be one pixel at most.

    >>> are_shares([[0.1, 0.1, 0.5, 0.1, 0.5, 0.4]]), are_shares([[0, 0, 1, 0, 1, 1]])
    (True, False)
    """
    try:
        polygons = list(map(_checked_polygon, segmentation))  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return False
    return lie_in_first_pixel([polygon for polygon in polygons if polygon.size >= 6])


def lie_in_first_pixel(polygons: Sequence[npt.NDArray[np.float64]]) -> bool:
    """Whether there are polygons, all corners between 0 and 1, and not all of them whole numbers.

    >>> lie_in_first_pixel([np.array([[0.1, 0.1], [0.5, 0.1], [0.5, 1.4]])])
    False
    """
    corners = np.concatenate([polygon.ravel() for polygon in polygons]) if polygons else np.empty(0)
    inside = bool(corners.size and corners.min() >= 0 and corners.max() <= 1)
    return inside and bool((corners != np.floor(corners)).any())


SHARES = (
    "all its corners lie between 0 and 1, as shares of the picture's width and height do; "
    "multiply them by these"
)
"""What is wrong with ``are_shares``."""


def count_small_polygons(segmentation: object) -> int:
    """How many of a segmentation's polygons have fewer than three points and so enclose nothing."""
    if not isinstance(segmentation, Sequence) or isinstance(segmentation, str | bytes):
        return 0
    return sum(isinstance(p, Sequence) and len(p) < 6 for p in segmentation)


def count_far_polygons(segmentation: object, height: int, width: int) -> tuple[int, int]:
    """How many polygons lie wholly outside of the picture, and how many others reach beyond it.

    By more than a pixel: many tools write the border itself a little off. What isn't a polygon
    isn't counted.
    """
    outside = beyond = 0
    for polygon in segmentation if isinstance(segmentation, list) else []:
        try:
            points = _checked_polygon(polygon).reshape(-1, 2)
        except ValueError:
            continue
        if len(points) >= 3:
            low, high = points.min(axis=0), points.max(axis=0)
            away = bool((high <= 0).any() or (low >= (width, height)).any())
            outside += away
            beyond += not away and bool((low < -1).any() or (high > (width + 1, height + 1)).any())
    return outside, beyond


def combine(masks: Sequence[Mask], rule: np.ufunc) -> Mask:
    """What masks of one image are together: their ``np.logical_or``, or ``np.logical_xor``.

    No more is held than the box around them all.
    """
    height, width = masks[0].shape
    boxes = np.array([mask.box for mask in masks if mask.box])
    if not len(boxes):
        return Mask.empty(height, width)
    x0, y0 = boxes[:, :2].min(axis=0).tolist()
    x1, y1 = boxes[:, 2:].max(axis=0).tolist()
    together = np.zeros((y1 - y0 + 1, x1 - x0 + 1), dtype=bool)
    for mask in masks:
        h, w = mask.bits.shape
        top, left = mask.y0 - y0, mask.x0 - x0
        if mask.box:
            part = together[top : top + h, left : left + w]
            rule(part, mask.bits, out=part)
    return Mask.from_crop(together, y0, x0, height, width)


def _from_polygons(polygons: Sequence[Any], height: int, width: int, fill: Fill) -> Mask:
    if are_pairs(polygons):
        raise ValueError(
            f"a polygon is a list [x0, y0, x1, y1, …], found {len(polygons)} pairs [x, y]; write "
            f"them one behind the other"
        )
    if polygons and all(type(number) in (int, float) for number in polygons):
        raise ValueError(
            "a segmentation is a list of polygons, found one that is in no list: write "
            "[[x0, y0, x1, y1, …]]"
        )
    if _are_nested(polygons):
        raise ValueError(
            "a polygon is a list [x0, y0, x1, y1, …], found a list of such lists: take one pair of "
            "brackets off"
        )
    # pycocotools takes two points for a box and fails on one: they enclose nothing, so they go.
    drawn: Any = [polygon for polygon in map(_checked_polygon, polygons) if polygon.size >= 6]
    if not drawn:
        return Mask.empty(height, width)
    if lie_in_first_pixel(drawn):
        raise ValueError(SHARES)
    check_outline(drawn, height, width)
    parts = coco_mask.frPyObjects(drawn, height, width)
    if fill == "even_odd":
        return combine([Mask.from_rle(part) for part in parts], np.logical_xor)
    encoded: Mapping[str, Any] = coco_mask.merge(parts)
    return Mask.from_rle(encoded)


def _are_nested(polygons: Sequence[Any]) -> bool:
    """Whether each is a list of polygons, or of pairs, itself."""
    return bool(polygons) and all(
        isinstance(each, list) and each and all(isinstance(inner, list) for inner in each)
        for each in polygons
    )


def _checked_polygon(polygon: object) -> npt.NDArray[np.float64]:
    """The polygon as (2P,) float64, its x and y by turns."""
    if not isinstance(polygon, Sequence) or any(type(n) not in (int, float) for n in polygon):
        raise ValueError(f"a polygon is a list [x0, y0, x1, y1, …], found {_shown(polygon)}")
    try:
        points = np.array(polygon, dtype=np.float64)
    except OverflowError:
        raise ValueError(f"a polygon's coordinate is beyond ±{COORDINATE_LIMIT}") from None
    if points.size % 2:
        raise ValueError(f"a polygon has as many x as y, found {points.size} numbers")
    if not np.all(np.abs(points) <= COORDINATE_LIMIT):  # false for NaN too
        raise ValueError(f"a polygon's coordinate is not finite, or beyond ±{COORDINATE_LIMIT}")
    return points


def _from_rle(rle: Mapping[str, Any], height: int, width: int) -> Mask:
    if "size" not in rle or "counts" not in rle:
        raise ValueError(f"an RLE has 'size' and 'counts', found {_shown(sorted(map(str, rle)))}")
    size = rle["size"]
    if not isinstance(size, list) or any(type(n) is not int for n in size):
        raise ValueError(f"an RLE's size is [H, W], found {_shown(size)}")
    if size != [height, width]:
        raise ValueError(
            f"the RLE is of {'×'.join(map(str, size))[:40]}, the image of {height}×{width} (H×W)"
        )
    return Mask.from_rle(rle)


def _shown(value: object) -> str:
    """The beginning of a value, for an error."""
    return repr(value)[:60]
