"""Scribbles: strokes of a pen through the pixels of an image, as a cue and as pixels."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.types.cues import Line, Prompt, Shape
from bench.types.mask import BoolArray

SCRIBBLE = "scribble"
"""The kind of its cue."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line drawn through ``points``, (x, y) pixel indices; ``label`` 1 is foreground, 0 not."""

    points: tuple[tuple[float, float], ...]
    label: int = 1

    def pixels(self) -> npt.NDArray[np.int64]:
        """The pixels that it passes, (P, 2) as (x, y), each beside the one before.

        >>> Stroke(((0, 0), (2, 1))).pixels().tolist()
        [[0, 0], [1, 0], [2, 1]]
        """
        corners = np.rint(np.array(self.points, dtype=np.float64)).astype(np.int64)
        passed = [corners[:1]]
        for start, end in itertools.pairwise(corners):
            steps = max(1, int(np.abs(end - start).max()))
            share = np.arange(1, steps + 1)[:, None] / steps
            passed.append(np.rint(start + share * (end - start)).astype(np.int64))
        return np.concatenate(passed)


@dataclass(frozen=True, slots=True)
class ScribbleCue:
    """Strokes, one pixel wide, in the order in which they were drawn."""

    strokes: tuple[Stroke, ...]

    kind = SCRIBBLE

    def plain(self) -> Any:
        """``[{"points": [[x, y], …], "label": 1}, …]``."""
        return [
            {"points": [list(place) for place in each.points], "label": each.label}
            for each in self.strokes
        ]

    def shapes(self) -> Sequence[Shape]:
        """A line each."""
        return [Line(each.points, each.label) for each in self.strokes]

    @classmethod
    def of_plain(cls, plain: Sequence[Mapping[str, Any]]) -> ScribbleCue:
        """The cue that a row or a file keeps."""
        return cls(
            tuple(
                Stroke(tuple((float(x), float(y)) for x, y in each["points"]), int(each["label"]))
                for each in plain
            )
        )


def strokes_of(prompt: Prompt) -> tuple[Stroke, ...]:
    """The strokes of a prompt; none where it has no scribble."""
    cue = prompt.cues.get(SCRIBBLE)
    return () if cue is None else ScribbleCue.of_plain(cue.plain()).strokes


def drawn(strokes: Sequence[Stroke], label: int, height: int, width: int) -> BoolArray:
    """The pixels of an (H, W) image that strokes of a label pass; those outside are left out."""
    found: BoolArray = np.zeros((height, width), dtype=bool)
    for stroke in strokes:
        if stroke.label == label:
            x, y = stroke.pixels().T
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            found[y[inside], x[inside]] = True
    return found


def traced(region: BoolArray, label: int = 1) -> tuple[Stroke, ...]:
    """Strokes that pass exactly the pixels of a region, (H, W) bool.

    A stroke begins at an end of what is left, the first in row order, and goes on from pixel to
    pixel, where there are several to the one with the fewest others beside it, straight ones first.

    >>> traced(np.array([[True, True, True, False], [False, False, False, True]]))
    (Stroke(points=((0.0, 0.0), (2.0, 0.0), (3.0, 1.0)), label=1),)
    """
    rows, columns = np.nonzero(region)
    left = set(zip(columns.tolist(), rows.tolist(), strict=True))
    starts = sorted(left, key=lambda place: (len(_beside(place, left)) > 1, place[1], place[0]))
    strokes = []
    for start in starts:
        if start not in left:
            continue
        left.discard(start)
        path, here = [start], start
        while around := _beside(here, left):
            here = min(around, key=lambda place: len(_beside(place, left)))
            left.discard(here)
            path.append(here)
        strokes.append(Stroke(_corners(path), label))
    return tuple(strokes)


_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (-1, -1), (1, -1))


def _beside(place: tuple[int, int], left: set[tuple[int, int]]) -> list[tuple[int, int]]:
    x, y = place
    return [near for dx, dy in _STEPS if (near := (x + dx, y + dy)) in left]


def _corners(path: Sequence[tuple[int, int]]) -> tuple[tuple[float, float], ...]:
    """The ends of a path and the places where it turns."""
    kept = [
        here
        for before, here, after in zip(path, path[1:], path[2:], strict=False)
        if (here[0] - before[0], here[1] - before[1]) != (after[0] - here[0], after[1] - here[1])
    ]
    whole = [path[0], *kept, *(path[-1:] if len(path) > 1 else [])]
    return tuple((float(x), float(y)) for x, y in whole)
