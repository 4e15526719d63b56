"""Which detection of an image takes which target, by category, size and threshold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bench.scoring.instances.matching import IOUS, matches, within
from bench.tasks.boxes.rules import best_first, numbers_by
from bench.types import BoolArray

Numbers: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Ious: TypeAlias = Callable[[Numbers, Numbers], Floats]
"""The IoU (D, G) of some detections and targets, by their numbers, as ``overlaps`` has it."""

_BITS = 1 << np.arange(len(IOUS))


@dataclass(frozen=True, slots=True)
class Sought:
    """An image's G targets: ``areas`` (G,) in pixels, which don't count (``aside``), the crowds.

    ``partial`` are the categories of which not every object may be marked; ``empty`` says whether
    detections of no area count, see ``Rules``.
    """

    categories: Sequence[str | None]
    areas: Floats
    aside: BoolArray
    crowds: BoolArray
    partial: frozenset[str]
    empty: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """What N detections take, by size: bits of ``hits`` and ``aside`` (N,), as ``BoxRow`` has them.

    ``found`` (G,) is the share of thresholds at which a target is taken, of whatever size, and
    ``best`` (G,) its largest IoU.
    """

    hits: Mapping[str, Numbers]
    aside: Mapping[str, Numbers]
    found: Floats
    best: Floats


def judge(
    categories: Sequence[str | None],
    scores: Floats,
    areas: Floats,
    sought: Sought,
    ious: Ious,
    sizes: Sequence[str],
) -> Judged:
    """Who takes whom, category by category, the detections of the highest score first.

    ``categories``, ``scores`` and ``areas`` (pixels) are those of N detections; ``sizes`` are keys
    of ``SIZES``, any other name stands for all. As in pycocotools and lvis-api, targets of another
    size may be taken and count for nothing, nor do detections of another size that take none.
    """
    number, targets = len(scores), len(sought.areas)
    hits = {size: np.zeros(number, np.int64) for size in sizes}
    aside = {size: np.zeros(number, np.int64) for size in sizes}
    found, best = np.zeros((2, targets))
    of_targets = numbers_by(sought.categories)
    none = np.zeros(0, np.int64)
    for category, unordered in numbers_by(categories).items():
        some = best_first(unordered, scores)
        aims = of_targets.get(category, none)
        shared = ious(some, aims)
        partial = category in sought.partial
        best[aims] = shared.max(axis=0, initial=0.0)
        whole = matches(shared, sought.aside[aims], sought.crowds[aims])
        for number, aim in enumerate(aims):
            found[aim] = (whole == number).any(axis=1).mean()
        known = {sought.aside[aims].tobytes(): whole}
        for size in sizes:
            left_out = sought.aside[aims] | ~within(size, sought.areas[aims])
            if (key := left_out.tobytes()) not in known:
                known[key] = matches(shared, left_out, sought.crowds[aims])
            takes = known[key]
            nothing = takes < 0
            counts = ~nothing
            if len(aims):
                counts &= ~(left_out | sought.crowds[aims])[takes]
            other = (
                partial
                | ~within(size, areas[some])
                | (areas[some] == 0 if not sought.empty else False)
            )
            hits[size][some] = _BITS @ counts
            aside[size][some] = _BITS @ np.where(nothing, other, ~counts)
    return Judged(hits, aside, found, best)
