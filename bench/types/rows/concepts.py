"""What is written down of concepts: a row per picture and noun phrase, with counts at each IoU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from bench.types.measure import Measure
from bench.types.rows import Int16, Int32, Row

PHRASE_F1 = Measure(
    "f1",
    "mean_f1",
    "phrase F1",
    definition=(
        "F1 of the instances that a phrase finds in a picture, the mean over IoU thresholds from "
        "0.5 to 0.95; of phrases that are there (SAM 3, 2025)."
    ),
)
"""What leads of a phrase: the only number of cgF1's that one picture and phrase have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptRow(Row):
    """What a noun phrase finds in one image, held against the annotator that it answers best.

    ``mask_id`` is the pair's id, ``phrase`` what was asked.
    ``targets`` count, ``crowds`` take what lies in them; ``present`` says whether there are any.
    Of the ``detections``, ``matched`` (10,) are right and ``wrong`` (10,) are not at IoUs of 0.5,
    0.55, … 0.95. ``annotators`` answered, ``annotator`` is the one; null where the data name none.
    ``f1`` is in [0, 1], null for a phrase without a target.
    """

    phrase: str
    height: Int32
    width: Int32
    annotators: Int16
    annotator: str | None
    present: bool
    targets: Int32
    crowds: Int32
    detections: Int32
    matched: Annotated[Sequence[int], "list<int64>"]
    wrong: Annotated[Sequence[int], "list<int64>"]
    f1: Annotated[float | None, "float64"]
