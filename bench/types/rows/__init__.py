"""What is written down: rows, declared once. The columns on disk are derived from these classes.

A column's type in the file stands beside the field, as Arrow calls it. Every task has the columns
of `Row`, the task's own class adds its own, and each metric is a column of its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

if TYPE_CHECKING:
    from bench.types.values import Sample, Target

Int8: TypeAlias = Annotated[int, "int8"]
Int16: TypeAlias = Annotated[int, "int16"]
Int32: TypeAlias = Annotated[int, "int32"]
Int64: TypeAlias = Annotated[int, "int64"]
Float64: TypeAlias = Annotated[float, "float64"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The result for one item after one step; what every task has.

    ``mask_id`` names the item in its image; where the items are whole images it is the image's id.
    ``prompt`` is the strategy's name, ``step`` counts from 1. ``cluster`` is what the image belongs
    to (``Sample.cluster``), null where it stands alone. ``metrics`` are numbers by the name of
    their column; null where one doesn't apply, never -1 or 0.
    """

    dataset: str
    image_id: str
    mask_id: str
    model: str
    prompt: str
    protocol: str
    step: Int16
    cluster: str | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRow(Row):
    """The result for one target after one step.

    IoUs are in [0, 1]. ``iou`` belongs to the selected candidate, ``iou_oracle`` to the best one;
    ``ious`` and ``predicted_ious`` hold all K, and ``selected`` is null where K is 0: then the
    mask is empty and its IoU 0. The instances that a text finds stand in the order of their IoU;
    where they count as one, that one stands alone, and ``mask_id`` is that of all targets of the
    category (``bench.types.categories``). ``mask_rle`` is the selected mask's COCO counts string
    for (height, width), ``candidate_rles`` are those of all K, null unless the run keeps them.
    ``point_coords`` are (x, y) pixel indices, ``box`` (x0, y0, x1, y1) with both corners included;
    ``cues`` is what else was asked, as ``cues_text`` writes it. Where further annotators drew the
    target (``Target.others``), ``other_ious`` are the IoUs of the selected mask with theirs, and
    ``human_ious`` those of the target itself, by annotator.
    """

    category: str | None
    attributes: Annotated[Mapping[str, str], "map<string, string>"]
    height: Int32
    width: Int32
    area: Int64
    n_points: Int16
    point_coords: Annotated[Sequence[Sequence[float]], "list<list<float32>[2]>"]
    point_labels: Annotated[Sequence[int], "list<int8>"]
    box: Annotated[Sequence[float] | None, "list<float32>"]
    cues: str | None = None
    iou: Float64
    iou_oracle: Float64
    ious: Annotated[Sequence[float], "list<float64>"]
    predicted_ious: Annotated[Sequence[float], "list<float32>"]
    selected: Annotated[int | None, "int8"]
    multimask: bool
    mask_rle: str | None
    candidate_rles: Annotated[Sequence[str] | None, "list<string>"] = None
    other_ious: Annotated[Mapping[str, float] | None, "map<string, float64>"] = None
    human_ious: Annotated[Mapping[str, float] | None, "map<string, float64>"] = None

    @classmethod
    def of(cls, sample: Sample, target: Target, **others: Any) -> MaskRow:
        """The row of a target of an image; ``others`` are the fields that neither of them says."""
        return cls(
            image_id=sample.image_id,
            cluster=sample.cluster,
            mask_id=target.mask_id,
            category=target.category,
            attributes=target.attributes,
            height=sample.shape[0],
            width=sample.shape[1],
            area=target.mask.area,
            **others,
        )
