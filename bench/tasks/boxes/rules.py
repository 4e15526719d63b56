"""Which of an image's detections count, by COCO's rules and by LVIS's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.data.abilities import LookedFor
from bench.tasks.boxes.detections import Detections
from bench.types import BoolArray


@dataclass(frozen=True, slots=True)
class Rules:
    """How many detections of an image count, and whether not all was looked for in each image.

    The ``most`` of the highest score do, of each category (``by_category``) or of the image; of
    equal scores the first in the file. Where the data are ``federated``, those of a category that
    nobody looked for in the image don't, and don't take another's place either. ``empty`` says
    whether what has no area counts, as something that takes nothing or that nothing takes.
    """

    most: int
    by_category: bool
    federated: bool
    empty: bool


RULES: Mapping[str, Rules] = {
    "coco": Rules(100, by_category=True, federated=False, empty=True),
    "lvis": Rules(300, by_category=False, federated=True, empty=False),
}
"""COCO's evaluation (pycocotools) and LVIS's (lvis-api; Gupta and others, CVPR 2019, section 3)."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The detections that count, and how many of the image's don't, by reason."""

    detections: Detections
    left_out: Mapping[str, int]


def keep(
    detections: Detections, rules: Rules, there: frozenset[str | None], looked_for: LookedFor | None
) -> Kept:
    """Those of an image that count, in the file's order.

    ``there`` are the categories of its targets. Left out are those ``beyond`` the most that count,
    those of a category that is ``unknown`` to the dataset (which take a place among the most of an
    image), and, of federated data, of one that is ``not_looked_for``.
    """
    within = _within(detections, rules)
    asked = within & detections.known
    left_out = {"beyond": int((~within).sum()), "unknown": int((within & ~asked).sum())}
    if rules.federated and looked_for is not None:
        sought = there | looked_for.absent
        wanted = np.array([category in sought for category in detections.categories], bool)
        left_out["not_looked_for"] = int((asked & ~wanted).sum())
        asked &= wanted
    return Kept(detections.taken(asked), left_out)


def _within(detections: Detections, rules: Rules) -> BoolArray:
    """Which (N,) are among the most that count."""
    kept = np.zeros(len(detections.scores), dtype=bool)
    for numbers in _parts(detections, rules.by_category):
        kept[best_first(numbers, detections.scores)[: rules.most]] = True
    return kept


def best_first(
    numbers: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """The numbers by their scores, the highest first, equal ones as they come."""
    ordered: npt.NDArray[np.int64] = numbers[np.argsort(-scores[numbers], kind="stable")]
    return ordered


def _parts(detections: Detections, by_category: bool) -> list[npt.NDArray[np.int64]]:
    if not by_category:
        return [np.arange(len(detections.scores))]
    return list(numbers_by(detections.categories).values())


def numbers_by(categories: Sequence[str | None]) -> dict[str | None, npt.NDArray[np.int64]]:
    """The numbers of the items of each category, rising."""
    found: dict[str | None, list[int]] = {}
    for number, category in enumerate(categories):
        found.setdefault(category, []).append(number)
    return {category: np.array(numbers) for category, numbers in found.items()}
