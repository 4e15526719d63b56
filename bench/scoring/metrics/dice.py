"""The Dice coefficient."""

from __future__ import annotations

from bench.scoring.metrics import Metric
from bench.scoring.overlap import ratio, shared_pixels
from bench.types import Mask
from bench.types.measure import Measure


def dice(prediction: Mask, target: Mask) -> float:
    """Twice the intersection over the sum of both areas, in [0, 1]; 0 for two empty masks.

    >>> import numpy as np
    >>> a = Mask.from_dense(np.array([[1, 1, 0]], dtype=bool))
    >>> b = Mask.from_dense(np.array([[0, 1, 1]], dtype=bool))
    >>> dice(a, b)
    0.5
    """
    return ratio(2 * shared_pixels(prediction, target), prediction.area + target.area)


def _of_counts(prediction: int, target: int, shared: int) -> float:
    return ratio(2 * shared, prediction + target)


METRIC = Metric(
    Measure(
        "dice",
        "dice",
        "Dice",
        definition="Twice the intersection over the sum of both areas, which is F1 of the pixels "
        "(Dice, Measures of the Amount of Ecologic Association Between Species, Ecology 1945). "
        "0 for two empty masks.",
    ),
    dice,
    of_counts=_of_counts,
)
