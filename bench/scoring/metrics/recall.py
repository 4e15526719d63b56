"""Recall of the target's pixels."""

from __future__ import annotations

from bench.scoring.metrics import Metric
from bench.scoring.overlap import ratio, shared_pixels
from bench.types import Mask
from bench.types.measure import Measure


def recall(prediction: Mask, target: Mask) -> float:
    """The share of the target's pixels that are predicted, in [0, 1]; 0 for an empty target."""
    return ratio(shared_pixels(prediction, target), target.area)


def _of_counts(prediction: int, target: int, shared: int) -> float:
    return ratio(shared, target)


METRIC = Metric(
    Measure(
        "recall",
        "recall",
        "recall",
        definition="The share of the target's pixels that are predicted (van Rijsbergen, "
        "Information Retrieval, 1979). 0 for an empty target.",
    ),
    recall,
    of_counts=_of_counts,
)
