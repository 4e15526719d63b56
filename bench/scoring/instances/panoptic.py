"""Segments of things and stuff held against each other: panoptic quality.

Kirillov and others, Panoptic Segmentation, CVPR 2019, section 4, with void and crowds as the
published evaluator (panopticapi) has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LabelArray = npt.NDArray[np.int32]

HALF = 0.5
"""Above this IoU two segments are one: at most one pair of each can lie above it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What a segment is of; ``crowd`` marks a region of several things, in the truth alone."""

    category: str
    crowd: bool = False


@dataclass(frozen=True, slots=True)
class Quality:
    """What is counted of one category: pairs ``matched``, predictions ``wrong``, truth ``missed``.

    ``iou`` is the sum of the pairs' IoUs.
    """

    matched: int = 0
    wrong: int = 0
    missed: int = 0
    iou: float = 0.0

    @property
    def pq(self) -> float:
        """Panoptic quality, in [0, 1]; there is something to count."""
        return self.iou / (self.matched + (self.wrong + self.missed) / 2)


def qualities(
    truth: LabelArray,
    segments: Sequence[Segment],
    predicted: LabelArray,
    guesses: Sequence[Segment],
) -> Mapping[str, Quality]:
    """What is counted in one image, by category; those of nothing are left out.

    ``truth`` (H, W) holds 0 for void, i for ``segments[i - 1]``, and a number beyond them for what
    is no segment and no void either; ``predicted`` (H, W) 0 for nothing and i for
    ``guesses[i - 1]``. Two segments of one category whose IoU lies above 0.5 are a pair; void is
    no part of the prediction there, and crowds are in no pair. A prediction without a pair that
    lies in void, or in the last crowd of its category, by more than half counts for nothing.

    >>> truth, guess = np.array([[1, 1, 1, 0]], np.int32), np.array([[1, 1, 2, 2]], np.int32)
    >>> found = qualities(truth, [Segment("sky")], guess, [Segment("sky"), Segment("sky")])
    >>> found["sky"].matched, found["sky"].wrong, round(found["sky"].iou, 3)
    (1, 1, 0.667)
    """
    rows, columns = max(int(truth.max(initial=0)), len(segments)) + 1, len(guesses) + 1
    joint = np.bincount(
        (truth.astype(np.int64) * columns + predicted).ravel(), minlength=rows * columns
    ).reshape(rows, columns)
    areas, guessed = joint.sum(axis=1), joint.sum(axis=0)
    ious: dict[str, list[float]] = {}
    wrong, missed = Counter[str](), Counter[str]()
    pairs: dict[int, int] = {}
    crowds: dict[str, int] = {}
    for i, segment in enumerate(segments, start=1):
        if segment.crowd:
            crowds[segment.category] = i
            continue
        for k in (np.flatnonzero(joint[i, 1:]) + 1).tolist():
            if guesses[k - 1].category != segment.category:
                continue
            iou = joint[i, k] / (areas[i] + guessed[k] - joint[i, k] - joint[0, k])
            if iou > HALF:
                pairs[k] = i
                ious.setdefault(segment.category, []).append(float(iou))
        if i not in pairs.values():
            missed[segment.category] += 1
    for k, guess in enumerate(guesses, start=1):
        if k in pairs:
            continue
        aside = joint[0, k]
        if (crowd := crowds.get(guess.category)) is not None:
            aside = aside + joint[crowd, k]
        if aside / guessed[k] <= HALF:
            wrong[guess.category] += 1
    return {
        name: Quality(len(own := ious.get(name, [])), wrong[name], missed[name], sum(own))
        for name in sorted({*ious, *wrong, *missed})
    }
