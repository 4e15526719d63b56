"""Clicks: one point at a time, the first and the later ones placed by the protocol's rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.prompts.placement import Clicker
from bench.protocol import Protocol
from bench.types import BenchError, BoolArray, Mask, PointsCue, Prompt, Step, Target


class Clicks:
    """The standard interactive protocol (SAM, section 7.1 and appendix D.1).

    ``clicks`` is the number of points; ``first`` names the rule for the first one, by default the
    protocol's; ``report`` lists the steps that tables show, by default the last.
    """

    prompt_kinds = frozenset({"points"})

    def __init__(
        self,
        clicks: int,
        first: str | None = None,
        report: Sequence[int] | None = None,
        *,
        protocol: Protocol,
    ) -> None:
        self.steps = clicks
        self._clicker = Clicker.of(protocol, first)
        self.draws = self._clicker.draws(later=clicks > 1)
        self.opening: object = self._clicker.opening
        reported = [clicks] if report is None else list(report)
        if clicks < 1:
            raise BenchError(f"a prompt of clicks needs at least one, found clicks={clicks}")
        if not all(1 <= step <= clicks for step in reported):
            raise BenchError(f"{clicks} clicks cannot report the steps {reported}")
        self.report_steps: Mapping[int, Step] = {step: Step(points=step) for step in reported}

    def next(
        self,
        target: Target,
        ignore: BoolArray | None,
        previous_mask: Mask | None,
        previous_prompt: Prompt | None,
        rng: np.random.Generator,
    ) -> Prompt | None:
        """The previous clicks and one more; none where no error is left."""
        if previous_mask is None or previous_prompt is None:
            return add_click(Prompt(), *self._clicker.first(target.mask, rng))
        before = previous_prompt.points
        click = self._clicker.next(target.mask, previous_mask, ignore, before, rng)
        return None if click is None else add_click(previous_prompt, *click)


def add_click(prompt: Prompt, place: tuple[float, float], label: int) -> Prompt:
    """The prompt with one more point at its end: (x, y), and 1 for foreground or 0."""
    return prompt.without("mask_logits").having(
        PointsCue(
            np.concatenate([prompt.points, np.array([place], dtype=np.float32)]),
            np.concatenate([prompt.labels, np.array([label], dtype=np.int64)]),
        )
    )
