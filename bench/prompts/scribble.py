"""Scribbles on the target, then on what was wrong."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from bench.prompts.drawing import DRAW, scribbled
from bench.prompts.sampling import SAMPLE, with_points
from bench.protocol import Protocol, chosen
from bench.types import BenchError, BoolArray, Mask, Prompt, ScribbleCue, Step, Target
from bench.types.scribbles import SCRIBBLE, Stroke, strokes_of


class Scribble:
    """A scribble on the target, simulated as ScribblePrompt does (``bench.prompts.drawing``).

    ``draw`` is the way: ``line``, ``centerline`` or ``contour``. Each of the further ``steps``
    scribbles on the error of the previous mask: on what was missed, or on what is too much, a
    negative one, whichever has more pixels. With ``points`` each scribble becomes so many points,
    placed by the rule ``sample`` (``bench.prompts.sampling``), for models that take no strokes.
    Raises ``BenchError`` for a rule that isn't there.
    """

    instead: Mapping[str, str] = MappingProxyType({SCRIBBLE: "points=5 gives points of it"})

    def __init__(
        self,
        draw: str = "line",
        steps: int = 1,
        points: int | None = None,
        sample: str = "even",
        *,
        protocol: Protocol,
    ) -> None:
        if steps < 1 or (points is not None and points < 1):
            raise BenchError(f"a scribble needs steps and points of at least 1: {steps}, {points}")
        self._draw = chosen(DRAW, draw, "drawing")
        self._sampled = None if points is None else (chosen(SAMPLE, sample, "sample"), points)
        self.steps = steps
        self.prompt_kinds = frozenset({SCRIBBLE} if points is None else {"points"})
        what = f"{draw} scribble" if points is None else f"points of a {draw} scribble"
        self.report_steps: Mapping[int, Step] = {
            step: Step(name=what if step == 1 else f"{what}, step {step}")
            for step in range(1, steps + 1)
        }

    def next(
        self,
        target: Target,
        ignore: BoolArray | None,
        previous_mask: Mask | None,
        previous_prompt: Prompt | None,
        rng: np.random.Generator,
    ) -> Prompt | None:
        """The strokes so far, and one scribble more; none where no error is left."""
        if previous_mask is None or previous_prompt is None:
            return self._given(Prompt(), scribbled(target.mask, self._draw, 1, rng))
        missed, extra = _errors(target.mask, previous_mask, ignore)
        if not missed.area and not extra.area:
            return None
        label = int(missed.area >= extra.area)
        strokes = scribbled(missed if label else extra, self._draw, label, rng)
        return self._given(previous_prompt.without("mask_logits"), strokes)

    def _given(self, before: Prompt, strokes: tuple[Stroke, ...]) -> Prompt:
        if self._sampled is not None:
            return with_points(before.having(ScribbleCue(strokes)), *self._sampled)
        return before.having(ScribbleCue(strokes_of(before) + strokes))


def _errors(target: Mask, predicted: Mask, ignore: BoolArray | None) -> tuple[Mask, Mask]:
    """What was missed and what is too much, ignored pixels left out."""
    wanted, found = target.dense(), predicted.dense()
    keep = np.ones_like(wanted) if ignore is None else ~ignore
    return Mask.from_dense(wanted & ~found & keep), Mask.from_dense(found & ~wanted & keep)
