"""What mask files hold: labels, one object each, or a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.data.formats.levels import APART, VOIDS, Levels, levels_of
from bench.data.formats.pictures import LabelArray, look_at, read_labels, read_levels

_FILES = 16
_MOST_COLOURS = 1024
"""A picture of more colours is a photograph, no label image."""
_SOFT_SHARE = 0.1
"""A grey mask with edges in between has at most so many of its pixels there."""
_FEW = 4


@dataclass(frozen=True, slots=True)
class Content:
    """What some mask files hold, of which a few were looked at.

    ``labels`` and ``masks`` say what they can be read as: label images, files of one object each,
    both, or neither. ``soft`` masks have brightness in between; in a mask is what is brighter than
    ``threshold``.
    ``background`` is whether the value 0 (or black) is there, ``void`` the values below 0, and 255
    or 65535 where it stands apart from the others; ``colours`` whether values are colours.
    """

    labels: bool
    masks: bool
    soft: bool = False
    threshold: int = 0
    background: bool = True
    void: tuple[int, ...] = ()
    colours: bool = False
    values: int = 0


def content_of(paths: Sequence[Path]) -> Content:
    """The content of mask files, from at most 16 of them; raises ``BenchError`` for broken ones."""
    step = max(1, len(paths) // _FILES)
    chosen = list(paths)[::step][:_FILES]
    stored = [look_at(path) for path in chosen]
    kinds = [each.kind for each in stored]
    if any(each.lossy for each in stored):
        levels = [read_levels(path) for path in chosen]
        between = np.concatenate([((v > 64) & (v < 192)).ravel() for v in levels]).mean()
        whites = any(bool((v >= 192).any()) for v in levels)  # else small labels, all of them dark
        masks = whites and bool(between < _SOFT_SHARE)
        return Content(labels=False, masks=masks, soft=True, threshold=127)
    colours = any(kind.endswith((" RGB", " RGBA")) for kind in kinds)
    counts: dict[int, int] = {}
    for path in chosen:
        values, numbers = np.unique(read_labels(path), return_counts=True)
        for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
            counts[value] = counts.get(value, 0) + number
    if colours and all(value >> 16 == value >> 8 & 255 == value & 255 for value in counts):
        colours, counts = False, {value & 255: number for value, number in counts.items()}
    if colours:
        few = len(counts) <= _MOST_COLOURS
        return Content(few, False, background=0 in counts, colours=True, values=len(counts))
    indexed = any(kind.endswith((" P", " PA")) for kind in kinds)
    return _of_numbers(counts, _together([read_levels(path) for path in chosen]), indexed=indexed)


def _together(files: Sequence[LabelArray]) -> Levels:
    """The levels of all files; they nest where those of most files do that have some in between."""
    each = [levels_of(levels) for levels in files]
    counts: Counter[int] = Counter()
    for levels in each:
        counts.update(levels.counts)
    unsure = [levels for levels in each if not levels.exact]
    return Levels(counts, 2 * sum(levels.nested for levels in unsure) > len(unsure))


def _of_numbers(counts: dict[int, int], levels: Levels, *, indexed: bool) -> Content:
    """Of values of one channel; ``levels`` are their brightnesses, not the same for a palette."""
    others = sorted(value for value in counts if value not in (0, 255))
    whole = sum(counts.values())
    between = sum(counts[value] for value in others) / whole
    binary = len(counts) <= 2
    black_and_white = 0 in counts and 255 in counts and between < _SOFT_SHARE
    soft = not binary and (levels.nested or (not indexed and black_and_white))
    # Between black and white a few grey values may be soft edges or labels of small objects.
    many = len(others) > 4 * _FEW
    labels = not binary and not (soft and many and (levels.nested or max(others) > 200))
    # Two values of which none is 0 may be classes, or levels that nothing and all were brought to.
    apart = len(counts) == 2 and 0 not in counts
    below = min(counts) < 0  # a brightness never is
    return Content(
        labels=labels or apart or below,
        masks=(binary or soft) and not below,
        soft=soft,
        threshold=levels.half if soft or apart else 0,
        background=0 in counts,
        void=_void(counts),
        values=len(counts),
    )


def _void(counts: dict[int, int]) -> tuple[int, ...]:
    """Values below 0, and what -1 becomes in 8 or 16 bits where the others are far below it."""
    below = sorted(value for value in counts if value < 0)
    highest = max(counts)
    others = [value for value in counts if value not in (0, highest)]
    apart = highest in VOIDS and any(v > 0 for v in others) and max(others) < highest - APART
    return (*below, highest) if apart else tuple(below)
