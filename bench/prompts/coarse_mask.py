"""A coarse mask of the target, then corrections by click."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from bench.prompts.clicks import add_click
from bench.prompts.placement import Clicker
from bench.protocol import Protocol, chosen
from bench.types import BenchError, BoolArray, Mask, Prompt, RegionCue, Step, Target

ChangeRule: TypeAlias = Callable[[Mask, float], Mask]


def dilated(mask: Mask, amount: float) -> Mask:
    """The mask grown by a disc of ``amount`` times the short side of its box, at least a pixel."""
    reach = _reach(mask, amount)
    y0, x0 = max(0, mask.y0 - reach), max(0, mask.x0 - reach)
    h, w = mask.bits.shape
    y1 = min(mask.height, mask.y0 + h + reach)
    x1 = min(mask.width, mask.x0 + w + reach)
    grown = cv2.dilate(mask.crop(y0, x0, y1, x1).astype(np.uint8), _disc(reach))
    return Mask.from_crop(grown.astype(bool), y0, x0, mask.height, mask.width)


def eroded(mask: Mask, amount: float) -> Mask:
    """The mask shrunk by such a disc; the half, the quarter … of it where nothing would be left.

    What lies beyond the image's border takes nothing off.
    """
    y1, x1 = mask.y0 + mask.bits.shape[0], mask.x0 + mask.bits.shape[1]
    at_border = np.array([[mask.y0 == 0, y1 == mask.height], [mask.x0 == 0, x1 == mask.width]])
    reach = _reach(mask, amount)
    while reach:
        beyond = np.pad(mask.bits, at_border * reach, mode="edge")
        padded = np.pad(beyond, ~at_border * reach).astype(np.uint8)
        left = cv2.erode(padded, _disc(reach))[reach:-reach, reach:-reach].astype(bool)
        if left.any():
            return Mask.from_crop(left, mask.y0, mask.x0, *mask.shape)
        reach //= 2
    return mask


def low_resolution(mask: Mask, amount: float) -> Mask:
    """The mask on square cells of ``amount`` times the short side of its box, at least 2 pixels.

    A cell is in it where half of its pixels are; where that is none, any cell with a pixel. Cells
    begin at the image's corner.
    """
    side = max(2, round(amount * min(mask.bits.shape)))
    top, left = mask.y0 // side * side, mask.x0 // side * side
    rows = -(-(mask.y0 + mask.bits.shape[0] - top) // side)
    columns = -(-(mask.x0 + mask.bits.shape[1] - left) // side)
    cells = mask.crop(top, left, top + rows * side, left + columns * side)
    share = cells.reshape(rows, side, columns, side).mean(axis=(1, 3))
    coarse = share >= 0.5 if (share >= 0.5).any() else share > 0
    whole = coarse.repeat(side, axis=0).repeat(side, axis=1)
    inside = whole[: mask.height - top, : mask.width - left]
    return Mask.from_crop(inside, top, left, mask.height, mask.width)


CHANGE: Mapping[str, ChangeRule] = {
    rule.__name__: rule for rule in (dilated, eroded, low_resolution)
}
"""How a mask is made coarse: what a prompt's YAML may name."""


class CoarseMask:
    """A mask of the target that was made coarse, then ``clicks`` corrections of what it gave.

    ``change`` is the rule, ``amount`` how far it goes, a share of the short side of the target's
    box. The mask stays in the later prompts; a model that is fed its own logits back looks at
    those. Raises ``BenchError`` for a rule that isn't there and an amount outside (0, 1].
    """

    def __init__(
        self, change: str = "dilated", amount: float = 0.1, clicks: int = 0, *, protocol: Protocol
    ) -> None:
        if not 0 < amount <= 1 or clicks < 0:
            raise BenchError(
                f"a coarse mask needs an amount within (0, 1] and clicks from 0, found {amount} "
                f"and {clicks}"
            )
        self._change, self._amount = chosen(CHANGE, change, "change of a mask"), amount
        self._clicker = Clicker.of(protocol)
        self.steps = 1 + clicks
        self.prompt_kinds = frozenset({"mask", "points"} if clicks else {"mask"})
        name = f"{change.replace('_', ' ')} mask"
        self.report_steps: Mapping[int, Step] = {
            step: Step(points=step - 1, name=name) for step in range(1, self.steps + 1)
        }

    def next(
        self,
        target: Target,
        ignore: BoolArray | None,
        previous_mask: Mask | None,
        previous_prompt: Prompt | None,
        rng: np.random.Generator,
    ) -> Prompt | None:
        """First the mask, then a click more each step; none where no error is left."""
        if previous_mask is None or previous_prompt is None:
            return Prompt(cues=[RegionCue(self._change(target.mask, self._amount))])
        before = previous_prompt.points
        click = self._clicker.next(target.mask, previous_mask, ignore, before, rng)
        return None if click is None else add_click(previous_prompt, *click)


def _reach(mask: Mask, amount: float) -> int:
    height, width = mask.bits.shape
    return max(1, round(amount * min(int(height), int(width))))


def _disc(reach: int) -> npt.NDArray[np.uint8]:
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc: npt.NDArray[np.uint8] = (x * x + y * y <= reach * reach).astype(np.uint8)
    return disc
