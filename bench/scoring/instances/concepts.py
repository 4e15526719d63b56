"""What a noun phrase finds in a picture, held against all its instances: SAM 3's cgF1.

Carion and others, SAM 3: Segment Anything with Concepts, 2025 (arXiv:2511.16719), as the code that
came with it counts: detections and instances are matched one to one for the largest sum of IoUs, a
pair is right at each of ten thresholds that its IoU reaches, and the small numbers that its
divisions add to a denominator are added here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from bench.scoring.instances.matching import IOUS

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_OF_SHARES, _OF_PRESENCE = 1e-4, 1e-6
"""What the published code adds to the denominators of precision, recall and F1, and of MCC."""


@dataclass(frozen=True, slots=True)
class Held:
    """A phrase's ``detections`` in a picture against what one annotator found, at T IoUs.

    ``targets`` count, ``crowds`` take detections that lie in them. ``matched`` (T,) detections are
    right, ``wrong`` (T,) are not; those aside in a crowd are neither.
    """

    targets: int
    crowds: int
    detections: int
    matched: Counts
    wrong: Counts

    @property
    def present(self) -> bool:
        """Whether anything that the phrase names is there."""
        return self.targets + self.crowds > 0

    @property
    def f1(self) -> float | None:
        """The mean over thresholds, in [0, 1]; none where nothing is there and nothing is found."""
        if self.present == (self.detections > 0) and not self.targets and not self.wrong.any():
            return None
        return float(f1(self.matched, self.wrong, self.targets - self.matched).mean())


def held(ious: Array, inside: Array) -> Held:
    """Detections held against instances by their IoU (D, G), and against crowds.

    ``inside`` (D, C) is the share of each detection that lies in each crowd; a detection that is
    not right at a threshold, and of which a share that reaches it lies in a crowd, counts for
    nothing there, as in COCO's evaluation.

    >>> one = held(np.array([[0.8, 0.1], [0.3, 0.0]]), np.array([[0.0], [0.7]]))
    >>> one.matched.tolist(), one.wrong.tolist()
    ([1, 1, 1, 1, 1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1, 2, 2, 2])
    """
    detections, targets = ious.shape
    rows, columns = linear_sum_assignment(ious, maximize=True)
    right = np.zeros((len(IOUS), detections), dtype=bool)
    right[:, rows] = ious[rows, columns] >= IOUS[:, None]
    aside = (inside.max(axis=1, initial=0.0) >= IOUS[:, None]) & ~right
    matched = right.sum(axis=1)
    wrong = detections - matched - aside.sum(axis=1)
    return Held(targets, inside.shape[1], detections, matched, wrong)


def best(several: Sequence[Held]) -> int:
    """Which of several annotators' truths the detections answer best, the first of equals.

    That of the largest F1; one with nothing to find, where nothing is found, goes before all. So
    the published code chooses.
    """
    scores = [2.0 if each.f1 is None else each.f1 for each in several]
    return int(np.argmax(scores))


def f1(matched: npt.ArrayLike, wrong: npt.ArrayLike, missed: npt.ArrayLike) -> Array:
    """F1 of counts of any one shape, as the published code rounds it: a little below the true one.

    >>> f1([10, 0], [0, 0], [0, 0]).round(6).tolist()
    [0.99994, 0.0]
    """
    right = np.asarray(matched, np.float64)
    precision = right / (right + np.asarray(wrong) + _OF_SHARES)
    recall = right / (right + np.asarray(missed) + _OF_SHARES)
    both: Array = 2 * precision * recall / (precision + recall + _OF_SHARES)
    return both


def presence(
    found: npt.ArrayLike, lost: npt.ArrayLike, false: npt.ArrayLike, absent: npt.ArrayLike
) -> Array:
    """Matthews' correlation of whether a phrase is there and whether anything is found, in [-1, 1].

    Of phrases that are there and are ``found`` or ``lost``, and of others, ``false`` alarms or
    rightly ``absent``: the image-level MCC. 0 where all or none are answered; NaN where all are
    there or none is, which says nothing of a model (the published code says 0).

    >>> presence([3, 1], [0, 0], [0, 1], [2, 0]).round(5).tolist()
    [1.0, 0.0]
    """
    tp, fn, fp, tn = (np.asarray(each, np.float64) for each in (found, lost, false, absent))
    size = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    value: Array = (tp * tn - fp * fn) / (size + _OF_PRESENCE)
    return np.where((tp + fn > 0) & (tn + fp > 0), value, np.nan)
