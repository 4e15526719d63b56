"""What is written down of a picture's edges: one row per image, with a count at each threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from bench.types.measure import Measure
from bench.types.rows import Float64, Int16, Int32, Row

BEST_F = Measure(
    "best_f",
    "mean_best_f",
    "best F",
    definition="The F of each picture's edges at the threshold that suits it best, 2PR/(P + R).",
)
"""What leads of a picture's edges: the only number of the benchmark that one picture has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRow(Row):
    """The edges of one image, counted at T thresholds as the BSDS benchmark counts.

    ``levels`` (T,) rise between 0 and 1; ``matched``, ``predicted``, ``recalled`` and ``truth``
    (T,) are pixels, see ``bench.scoring.edges.counts.EdgeCounts``; ``people`` drew the boundaries.
    ``best_f`` is in [0, 1].
    """

    height: Int32
    width: Int32
    people: Int16
    levels: Annotated[Sequence[float], "list<float64>"]
    matched: Annotated[Sequence[int], "list<int64>"]
    predicted: Annotated[Sequence[int], "list<int64>"]
    recalled: Annotated[Sequence[int], "list<int64>"]
    truth: Annotated[Sequence[int], "list<int64>"]
    best_f: Float64
