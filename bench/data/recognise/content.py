"""What mask files hold: labels, one object each, or a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.data.formats.pictures import look_at, read_labels, read_levels

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
    both, or neither. ``soft`` masks have brightness in between, ``exact`` ones don't.
    ``background`` is whether the value 0 (or black) is there, ``void`` whether 255 is and stands
    apart from the other values; ``colours`` whether values are colours.
    """

    labels: bool
    masks: bool
    soft: bool = False
    background: bool = True
    void: bool = False
    colours: bool = False
    values: int = 0


def content_of(paths: Sequence[Path]) -> Content:
    """The content of mask files, from at most 16 of them; raises ``BenchError`` for broken ones."""
    step = max(1, len(paths) // _FILES)
    chosen = list(paths)[::step][:_FILES]
    kinds = [look_at(path).kind for path in chosen]
    if any(kind.startswith(("JPEG", "MPO")) for kind in kinds):
        levels = [read_levels(path) for path in chosen]
        between = np.concatenate([((v > 64) & (v < 192)).ravel() for v in levels]).mean()
        return Content(labels=False, masks=bool(between < _SOFT_SHARE), soft=True)
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
    return _of_numbers(counts, indexed=any(kind.endswith((" P", " PA")) for kind in kinds))


def _of_numbers(counts: dict[int, int], *, indexed: bool) -> Content:
    others = sorted(value for value in counts if value not in (0, 255))
    whole = sum(counts.values())
    between = sum(counts[value] for value in others) / whole
    void = 255 in counts and bool(others) and max(others) < 200
    binary = len(counts) <= 2
    soft = not binary and not indexed and 0 in counts and 255 in counts and between < _SOFT_SHARE
    # Between black and white a few grey values may be soft edges or labels of small objects.
    labels = not binary and not (soft and len(others) > 4 * _FEW and max(others) > 200)
    return Content(
        labels=labels,
        masks=binary or soft,
        soft=soft,
        background=0 in counts,
        void=void,
        values=len(counts),
    )
