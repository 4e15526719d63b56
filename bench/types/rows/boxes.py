"""What is written down of detections: a row per target and per detection, and who takes whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from bench.types.measure import Measure
from bench.types.rows import Int32, Int64, Row

FOUND = Measure(
    "found",
    "found",
    "AR",
    definition=(
        "Average recall: the share of targets that a detection of their category takes, averaged "
        "over IoU thresholds from 0.5 to 0.95, matched as COCO's evaluation does, whatever the "
        "score; over targets, not categories."
    ),
)
"""What leads of detections: the only number of the evaluation that one target has."""

BEST_IOU = Measure(
    "best_iou",
    "best_iou",
    "best IoU",
    definition="The largest IoU of the target with the mask of a detection of its category.",
)

AREAS = ("all", "small", "medium", "large")
"""Of which targets alone are sought: the endings of the columns ``hits_…`` and ``aside_…``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxRow(Row):
    """A target, or a detection: ``entry`` is null for targets, ``counts`` for detections.

    Both have a ``category``, none where the dataset has no categories, and the ``area`` of their
    masks in pixels. Of what size a target is, its ``file_area`` says, where its file does.

    Of a target: whether it ``counts`` (a crowd doesn't, and may be taken any number of times), and
    ``found`` and ``best_iou`` in [0, 1], null where it doesn't count.

    Of a detection: its ``entry``, its place in the file from 0; its ``score``; the ``box`` that was
    asked, (x0, y0, x1, y1) pixel indices with both corners included, null where it holds no pixel
    and nothing was asked; the model's ``estimate`` of its mask's IoU; its mask, ``mask_counts``, as
    COCO's counts string for (height, width). Bit t of ``hits_…`` says that at the threshold
    0.5 + 0.05 t it takes a target that counts, bit t of ``aside_…`` that it counts for nothing:
    it takes a target that doesn't count, or none and is of another size, or of a category of which
    the image's annotators did not mark all. ``…_box`` is the same of boxes in the place of masks.
    """

    category: str | None
    attributes: Annotated[dict[str, str], "map<string, string>"]
    height: Int32
    width: Int32
    area: Int64
    file_area: Annotated[float | None, "float64"] = None
    counts: bool | None = None
    found: Annotated[float | None, "float64"] = None
    best_iou: Annotated[float | None, "float64"] = None
    entry: Annotated[int | None, "int64"] = None
    score: Annotated[float | None, "float64"] = None
    box: Annotated[Sequence[float] | None, "list<float32>"] = None
    estimate: Annotated[float | None, "float32"] = None
    mask_counts: str | None = None
    hits_all: Annotated[int | None, "int16"] = None
    aside_all: Annotated[int | None, "int16"] = None
    hits_small: Annotated[int | None, "int16"] = None
    aside_small: Annotated[int | None, "int16"] = None
    hits_medium: Annotated[int | None, "int16"] = None
    aside_medium: Annotated[int | None, "int16"] = None
    hits_large: Annotated[int | None, "int16"] = None
    aside_large: Annotated[int | None, "int16"] = None
    hits_box: Annotated[int | None, "int16"] = None
    aside_box: Annotated[int | None, "int16"] = None
