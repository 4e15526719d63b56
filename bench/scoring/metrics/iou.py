"""Intersection over union."""

from __future__ import annotations

from dataclasses import replace

from bench.scoring.metrics import Metric
from bench.scoring.overlap import overlap, overlap_of_counts
from bench.types import Mask
from bench.types.measure import IOU


def iou(prediction: Mask, target: Mask) -> float:
    """Intersection over union, in [0, 1]; two empty masks agree in nothing and give 0.

    >>> import numpy as np
    >>> a = Mask.from_dense(np.array([[1, 1, 0]], dtype=bool))
    >>> b = Mask.from_dense(np.array([[0, 1, 1]], dtype=bool))
    >>> round(iou(a, b), 4)
    0.3333
    """
    return overlap(prediction, target)


METRIC = Metric(
    replace(
        IOU,
        definition="Intersection over union of a mask and its target (Jaccard 1912; Everingham et "
        "al., The PASCAL Visual Object Classes Challenge, IJCV 2010). 0 for two empty masks.",
    ),
    iou,
    of_counts=overlap_of_counts,
)
