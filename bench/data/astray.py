"""Masks that don't lie where their own annotation's box and area say.

A file that says a thing twice shows when one of the two is read as it wasn't meant: run lengths by
rows, x and y changed, an edge to count from that is the lower one, corners in the place of a width
and a height.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.types import Mask, Target

Box = tuple[float, float, float, float]

_OTHER = 0.5
"""The IoU below which two boxes are two."""

_NEAR, _SHARE = 3.0, 0.05
"""Pixels, and share of its longer side, by which edges of one box may differ."""

_TIMES, _FEW = 2.0, 64
"""How many times the other one area may be, and pixels below which none is looked at."""

ASTRAY = (
    "masks that lie elsewhere than their annotation's bbox",
    "look at them: run lengths go by columns, x stands before y, and both count pixels from the "
    "upper left corner",
)
CORNERS = (
    "annotations whose bbox is two corners, where COCO has a corner, a width and a height",
    "write [x, y, width, height]: the masks are right, but a protocol with box: file would take "
    "another box",
)
AREAS = (
    "annotations whose area is far from their mask's",
    "write the mask's pixels: the masks are right, but a protocol with area: file would take the "
    "file's",
)


def contradictions(targets: Sequence[Target]) -> Iterator[tuple[str, str, str]]:
    """Of each target that its file contradicts: what so is, what mends it, and the ``mask_id``."""
    for target in targets:
        box, area = target.mask.box, target.mask.area
        wrong = None
        if box is not None and target.file_box is not None:
            wrong = _of_box((box[0], box[1], box[2] + 1, box[3] + 1), target.file_box)
        if wrong is None and area and target.file_area is not None:
            wrong = _of_area(area, target.file_area)
        if wrong is not None:
            yield *wrong, target.mask_id


def lies_astray(mask: Mask, box: Box) -> bool:
    """Whether a mask lies elsewhere than a box (x0, y0, x1, y1), ends not included."""
    own = mask.box
    return own is not None and _of_box((own[0], own[1], own[2] + 1, own[3] + 1), box) == ASTRAY


def _of_box(own: Box, said: Box) -> tuple[str, str] | None:
    corners = (said[0], said[1], said[2] - said[0], said[3] - said[1])
    if _near(own, said):
        return None
    if _near(own, corners):
        return CORNERS
    return ASTRAY if _overlap(own, said) < _OTHER else None


def _of_area(own: int, said: float) -> tuple[str, str] | None:
    low, high = sorted((float(own), said))
    return AREAS if high >= _FEW and high > _TIMES * low else None


def _near(a: Box, b: Box) -> bool:
    most = max(_NEAR, _SHARE * max(a[2] - a[0], a[3] - a[1]))
    return all(abs(x - y) <= most for x, y in zip(a, b, strict=True))


def _overlap(a: Box, b: Box) -> float:
    """The IoU of two boxes, ends not included.

    >>> _overlap((0, 0, 4, 2), (2, 0, 6, 2))
    0.3333333333333333
    """
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union if union > 0 else 0.0
