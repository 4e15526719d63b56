"""A kind of prompt that the bench doesn't know: strokes of a pen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.protocol import Protocol
from bench.types import BoolArray, Line, Mask, Prompt, Shape, Step, Target


@dataclass(frozen=True)
class StrokesCue:
    """Lines (x0, y0, x1, y1) of pixel indices."""

    strokes: tuple[tuple[float, float, float, float], ...]
    kind = "strokes"

    def plain(self) -> Any:
        return [list(stroke) for stroke in self.strokes]

    def shapes(self) -> Sequence[Shape]:
        return [Line(((x0, y0), (x1, y1))) for x0, y0, x1, y1 in self.strokes]


class Strokes:
    """A stroke along the target's widest row, then one along its tallest column."""

    steps = 2
    report_steps: Mapping[int, Step] = {
        1: Step(name="1 stroke"),
        2: Step(name="2 strokes"),
    }
    prompt_kinds = frozenset({"strokes"})

    def __init__(self, *, protocol: Protocol) -> None:
        self._protocol = protocol

    def next(
        self,
        target: Target,
        ignore: BoolArray | None,
        previous_mask: Mask | None,
        previous_prompt: Prompt | None,
        rng: np.random.Generator,
    ) -> Prompt:
        dense = target.mask.dense()
        if previous_prompt is None:
            row = int(dense.sum(axis=1).argmax())
            xs = np.flatnonzero(dense[row])
            return Prompt(cues=[StrokesCue(((float(xs[0]), row, float(xs[-1]), row),))])
        column = int(dense.sum(axis=0).argmax())
        ys = np.flatnonzero(dense[:, column])
        (first,) = previous_prompt.cues["strokes"].plain()
        second = (column, float(ys[0]), column, float(ys[-1]))
        return Prompt(cues=[StrokesCue((tuple(first), second))])
