"""Points from a scribble, for models that take clicks and no strokes: the rules, one function each.

A rule takes the strokes of one label and a number of points, and gives pixels (x, y) of them.
``SAMPLE`` is what a prompt's YAML may name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bench.types import PointsCue, Prompt, Stroke
from bench.types.scribbles import SCRIBBLE, strokes_of

Places: TypeAlias = npt.NDArray[np.int64]
SampleRule: TypeAlias = Callable[[Sequence[Stroke], int], Places]


def even(strokes: Sequence[Stroke], count: int) -> Places:
    """``count`` pixels at equal ways along all the strokes, one after the other; all where fewer.

    >>> even([Stroke(((0, 0), (9, 0)))], 2).tolist()
    [[2, 0], [7, 0]]
    """
    passed = np.concatenate([stroke.pixels() for stroke in strokes])
    taken = min(count, len(passed))
    places: Places = passed[((np.arange(taken) + 0.5) * len(passed) / taken).astype(np.int64)]
    return places


def middles(strokes: Sequence[Stroke], count: int) -> Places:
    """The middle pixel of each of the ``count`` longest strokes, the longest first.

    >>> middles([Stroke(((0, 0), (2, 0))), Stroke(((0, 5), (8, 5)))], 1).tolist()
    [[4, 5]]
    """
    passed = sorted((stroke.pixels() for stroke in strokes), key=len, reverse=True)
    return np.array([pixels[len(pixels) // 2] for pixels in passed[:count]], dtype=np.int64)


SAMPLE: Mapping[str, SampleRule] = {rule.__name__: rule for rule in (even, middles)}


def with_points(prompt: Prompt, rule: SampleRule, count: int) -> Prompt:
    """The prompt with points in the place of its scribble, ``count`` of each label that is drawn.

    They come behind the prompt's own clicks, foreground first.
    """
    points, labels = [prompt.points], [prompt.labels]
    for label in (1, 0):
        strokes = [stroke for stroke in strokes_of(prompt) if stroke.label == label]
        if strokes:
            points.append(rule(strokes, count).astype(np.float32))
            labels.append(np.full(len(points[-1]), label, dtype=np.int64))
    cue = PointsCue(np.concatenate(points), np.concatenate(labels))
    return prompt.without(SCRIBBLE).having(cue)
