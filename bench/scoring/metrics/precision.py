"""Precision of the predicted pixels."""

from __future__ import annotations

from bench.scoring.metrics import Metric
from bench.scoring.overlap import ratio, shared_pixels
from bench.types import Mask
from bench.types.measure import Measure


def precision(prediction: Mask, target: Mask) -> float:
    """The share of the predicted pixels that are the target's, in [0, 1]; 0 where none is."""
    return ratio(shared_pixels(prediction, target), prediction.area)


def _of_counts(prediction: int, target: int, shared: int) -> float:
    return ratio(shared, prediction)


METRIC = Metric(
    Measure(
        "precision",
        "precision",
        "precision",
        definition="The share of the predicted pixels that are the target's (van Rijsbergen, "
        "Information Retrieval, 1979). 0 where none is predicted.",
    ),
    precision,
    of_counts=_of_counts,
)
