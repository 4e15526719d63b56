"""Boundary IoU: IoU of the two masks' inner rims, 2 % of the image's diagonal wide."""

from __future__ import annotations

import math
from collections.abc import Callable

from bench.scoring.metrics import Metric
from bench.scoring.overlap import overlap, overlap_of_counts
from bench.scoring.rims import rim
from bench.types import Mask
from bench.types.measure import Measure

RATIO = 0.02
"""A rim's width as a share of the image's diagonal."""


def boundary_iou(prediction: Mask, target: Mask, ratio: float = RATIO) -> float:
    """IoU of the two masks' inner rims, in [0, 1] (Cheng et al., Boundary IoU, CVPR 2021).

    A rim holds a mask's pixels within ``band_width`` of its outside, the image border being
    outside too. 0 where either mask is empty.
    """
    return overlap(boundary(prediction, ratio), boundary(target, ratio))


def boundary(mask: Mask, ratio: float = RATIO) -> Mask:
    """The mask's inner rim, as wide as ``band_width`` says."""
    return rim(mask, band_width(mask.shape, ratio))


def band_width(shape: tuple[int, int], ratio: float = RATIO) -> int:
    """The rim's width in pixels for an (H, W) image: 2 % of the diagonal, at least 1.

    >>> band_width((480, 640))
    16
    """
    return max(1, round(ratio * math.sqrt(shape[0] ** 2 + shape[1] ** 2)))


def _ready(target: Mask) -> Callable[[Mask], float]:
    band = boundary(target)
    return lambda prediction: overlap(boundary(prediction), band)


METRIC = Metric(
    Measure(
        "boundary_iou",
        "boundary_iou",
        "boundary",
        definition="IoU of the pixels of both masks that lie within 2 % of the image's diagonal of "
        "their outside, the image border being outside too (Cheng et al., Boundary IoU: Improving "
        "Object-Centric Image Segmentation Evaluation, CVPR 2021). 0 where either is empty.",
    ),
    boundary_iou,
    ready=_ready,
    of_counts=overlap_of_counts,
    rim=band_width,
)
