"""Whether a mask is good enough: its IoU reaches N per cent (``solved_N``)."""

from __future__ import annotations

from functools import partial

from bench.scoring.metrics import Metric
from bench.scoring.metrics.iou import iou
from bench.scoring.overlap import overlap_of_counts
from bench.types import BenchError, Mask
from bench.types.measure import Measure

DEFAULT = 85
"""Per cent of IoU where none are named."""


def solved(prediction: Mask, target: Mask, percent: int = DEFAULT) -> float:
    """1.0 where the IoU is at least ``percent`` per cent, else 0.0.

    Its mean over masks is the share solved. Xu et al. (Deep Interactive Object Selection, CVPR
    2016) take a mask for done at 85 or 90 per cent.

    >>> import numpy as np
    >>> a = Mask.from_dense(np.array([[1, 1, 1, 1, 0]], dtype=bool))
    >>> b = Mask.from_dense(np.array([[1, 1, 1, 1, 1]], dtype=bool))
    >>> solved(a, b, 80), solved(a, b, 81)
    (1.0, 0.0)
    """
    return float(iou(prediction, target) >= percent / 100)


def _of_counts(prediction: int, target: int, shared: int, percent: int) -> float:
    return float(overlap_of_counts(prediction, target, shared) >= percent / 100)


def member(number: int) -> Metric:
    """Solved at ``number`` per cent; raises ``BenchError`` outside 1 to 100."""
    name = f"solved_{number}"
    if not 1 <= number <= 100:
        raise BenchError(f"metric {name!r}: a share of IoU lies between 1 and 100 per cent")
    return Metric(
        Measure(
            name,
            name,
            f"solved@{number}",
            unit="share",
            definition="The share of masks whose IoU is at least N % (Xu et al., Deep "
            "Interactive Object Selection, CVPR 2016, take a mask for done at 85 or 90 %).",
        ),
        partial(solved, percent=number),
        of_counts=partial(_of_counts, percent=number),
    )
