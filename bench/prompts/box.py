"""Boxes, tight or noisy, and boxes that clicks then correct."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.prompts.clicks import add_click
from bench.prompts.placement import Clicker
from bench.protocol import Protocol
from bench.types import BenchError, BoolArray, FloatArray, Mask, Prompt, Step, Target


class Box:
    """A box around the target, then ``clicks`` corrections of what it gave.

    Which box is the protocol's choice. ``noise_std`` (share of the side) and ``noise_cap`` (pixels)
    loosen it; by default the protocol says how. Steps are 1 for the box and one for each click;
    tables show the last.
    """

    def __init__(
        self,
        clicks: int = 0,
        noise_std: float | None = None,
        noise_cap: float | None = None,
        *,
        protocol: Protocol,
    ) -> None:
        if clicks < 0:
            raise BenchError(f"a box can be followed by 0 or more clicks, found {clicks}")
        self._std = protocol.box_noise_std if noise_std is None else noise_std
        self._cap = protocol.box_noise_cap if noise_cap is None else noise_cap
        if min(self._std, self._cap) < 0:
            raise BenchError(f"box noise must not be negative: {self._std}, {self._cap}")
        self._box_of, self._clicker = protocol.box_of, Clicker.of(protocol)
        self.draws = self._std > 0 or self._clicker.draws(first=False, later=clicks > 0)
        self.steps = 1 + clicks
        self.prompt_kinds = frozenset({"box", "points"} if clicks else {"box"})
        name = "noisy box" if self._std else None
        self.report_steps: Mapping[int, Step] = {
            step: Step(points=step - 1, box=True, name=name) for step in range(1, self.steps + 1)
        }

    def next(
        self,
        target: Target,
        ignore: BoolArray | None,
        previous_mask: Mask | None,
        previous_prompt: Prompt | None,
        rng: np.random.Generator,
    ) -> Prompt | None:
        """First the box, then a click more each step; none where no error is left."""
        if previous_mask is None or previous_prompt is None:
            box = self._box_of(target)
            return Prompt(box=loosened_box(box, target.mask, self._std, self._cap, rng))
        before = previous_prompt.points
        click = self._clicker.next(target.mask, previous_mask, ignore, before, rng)
        return None if click is None else add_click(previous_prompt, *click)


def loosened_box(
    box: FloatArray, mask: Mask, std: float, cap: float, rng: np.random.Generator
) -> FloatArray:
    """A mask's box (x0, y0, x1, y1), each side moved by Gaussian noise, kept in the image.

    The noise has a standard deviation of ``std`` times the mask's width (for x) or height (for y)
    and is cut at ±``cap`` pixels; SAM trains with 10 % and 20 pixels (appendix A). Corners that
    the noise swaps are put in order. Without noise the box is given as it is.
    """
    if std == 0:
        return box
    h, w = mask.bits.shape
    noise = np.clip(rng.standard_normal(4) * std * np.array([w, h, w, h]), -cap, cap)
    moved = box.astype(np.float64) + noise
    xs = np.sort(np.clip(moved[[0, 2]], 0, mask.width - 1))
    ys = np.sort(np.clip(moved[[1, 3]], 0, mask.height - 1))
    return np.array([xs[0], ys[0], xs[1], ys[1]], dtype=np.float32)
