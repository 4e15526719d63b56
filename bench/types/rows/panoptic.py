"""What is written down of panoptic segmentation: a row per picture and category."""

from __future__ import annotations

from dataclasses import dataclass

from bench.types.measure import Measure
from bench.types.rows import Float64, Int32, Row

CATEGORY_PQ = Measure(
    "pq",
    "mean_pq",
    "picture PQ",
    definition=(
        "Panoptic quality of one category in one picture: the sum of the IoUs of pairs above 0.5 "
        "over their number and half that of unpaired segments (Kirillov et al., CVPR 2019)."
    ),
)
"""What leads of panoptic segmentation: the only number of PQ's that one picture has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PanopticRow(Row):
    """The segments of one category in one image, where there are any that count.

    ``mask_id`` is "<image_id>/<category>", ``kind`` "thing" or "stuff". ``matched`` pairs have the
    sum of IoUs ``iou_sum``; ``wrong`` predictions and ``missed`` segments have none. ``pq`` is in
    [0, 1].
    """

    category: str
    kind: str
    height: Int32
    width: Int32
    matched: Int32
    wrong: Int32
    missed: Int32
    iou_sum: Float64
    pq: Float64
