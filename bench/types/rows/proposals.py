"""What is written down of proposals: a row per target, and how soon a proposal finds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from bench.types.measure import Measure
from bench.types.rows import Float64, Int32, Int64, Row

GROUPS = ("small", "medium", "large", "frequent", "common", "rare")
"""By COCO's sizes, and by how often pictures show a target's category, where the data say so."""

_DEFINITION = (
    "Average recall: the share of targets that one of so many proposals of a picture finds, "
    "averaged over IoU thresholds from 0.5 to 0.95 (COCO's, one to one, whatever the category). "
    "Small is up to 32² pixels, large from 96² on; frequent, common and rare are LVIS's "
    "categories, of which alone targets are sought then."
)

AR_1000 = Measure("ar_1000", "ar_1000", "AR@1000", definition=_DEFINITION)
FURTHER = (
    Measure("ar_100", "ar_100", "AR@100", definition=_DEFINITION),
    Measure("ar_10", "ar_10", "AR@10", definition=_DEFINITION),
    *(Measure(f"ar_1000_{g}", f"ar_1000_{g}", g, definition=_DEFINITION) for g in GROUPS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalRow(Row):
    """How a picture's proposals find one target.

    Each ``ar_…`` is the share, in [0, 1], of the IoU thresholds at which one of the first so many
    proposals is matched with the target; those of a group null for a target outside of it.
    ``best_iou`` is the largest IoU with any proposal, matched or not. ``segments`` are those of the
    picture's proposals as one label map, and ``mapped`` says, 1 or 0 at each of the ten thresholds,
    whether one of them is matched with the target (``bench.scoring.instances.label_maps``).
    """

    category: str | None
    attributes: Annotated[dict[str, str], "map<string, string>"]
    height: Int32
    width: Int32
    area: Int64
    proposals: Int32
    best_iou: Float64
    segments: Int32
    mapped: Annotated[Sequence[int], "list<int8>"]
    ar_10: Float64
    ar_100: Float64
    ar_1000: Float64
    ar_1000_small: Annotated[float | None, "float64"]
    ar_1000_medium: Annotated[float | None, "float64"]
    ar_1000_large: Annotated[float | None, "float64"]
    ar_1000_frequent: Annotated[float | None, "float64"]
    ar_1000_common: Annotated[float | None, "float64"]
    ar_1000_rare: Annotated[float | None, "float64"]
