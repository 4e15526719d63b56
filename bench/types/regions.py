"""A region of the image as a cue: a coarse mask that is given, not one that a model made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.types.cues import Line, Prompt, Shape
from bench.types.mask import Mask

REGION = "mask"
"""The kind of its cue."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionCue:
    """A mask on the image's own pixels; models bring it to the grid that they look at."""

    mask: Mask

    kind = REGION

    def plain(self) -> Any:
        """``{"size": [H, W], "counts": …}``, COCO's run lengths."""
        return {"size": list(self.mask.shape), "counts": self.mask.to_rle()}

    def shapes(self) -> Sequence[Shape]:
        """Its outlines, a pixel coarse."""
        import cv2  # the command line starts without it

        bits = np.pad(self.mask.bits, 1).astype(np.uint8)
        outlines, _ = cv2.findContours(bits, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        lines = []
        for outline in outlines:
            places = cv2.approxPolyDP(outline, 1.0, closed=True)[:, 0] - 1
            around = [(float(x + self.mask.x0), float(y + self.mask.y0)) for x, y in places]
            lines.append(Line((*around, around[0])))
        return lines

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> RegionCue:
        """The cue that a row or a file keeps; raises ``ValueError`` for damaged run lengths."""
        return cls(Mask.from_rle(plain))


def region_of(prompt: Prompt) -> Mask | None:
    """The region of a prompt, or none."""
    cue = prompt.cues.get(REGION)
    if cue is None:
        return None
    return cue.mask if isinstance(cue, RegionCue) else RegionCue.of_plain(cue.plain()).mask
