"""One recorded step of one mask, and what its file may say of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.types import BoxCue, Cue, PointsCue, Prompt, ScribbleCue


@dataclass(frozen=True, slots=True)
class Entry:
    """What a mask had been asked with by one step, from 1.

    ``prompt(height, width)`` makes it for an image of that size and raises ``ValueError`` where it
    doesn't fit; ``kinds`` are the kinds of its cues and ``n_points`` its clicks, both known before.
    ``image`` and ``mask`` are names as the file writes them. A ``loose`` name of a mask is the
    file's own: of an image with one mask and one recording it is that mask. ``by`` tells who
    prompted, where several did. ``where`` is the place in the file.
    """

    where: str
    step: int
    kinds: frozenset[str]
    prompt: Callable[[int, int], Prompt]
    n_points: int = 0
    image: str | None = None
    mask: str | None = None
    loose: bool = False
    by: str = ""


def check_inside(prompt: Prompt, height: int, width: int) -> Prompt:
    """The prompt itself; raises ``ValueError`` for a cue outside an (H, W) image, or no number.

    A click is a pixel index: what it rounds to is a pixel of the image, so x lies in
    [-1/2, W - 1/2). A box may end at W and H, as COCO's do.
    """
    size = np.array([width, height])
    for x, y in prompt.points.tolist():
        if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
            raise ValueError(
                f"point ({x:g}, {y:g}) lies outside its picture, {width}×{height} (W×H)"
            )
    box = prompt.box
    if box is not None:
        corners = box.reshape(2, 2)
        if not (np.isfinite(corners).all() and (corners >= 0).all() and (corners <= size).all()):
            raise ValueError(
                f"box {_said(box)} reaches outside of its picture, {width}×{height} (W×H)"
            )
        if (corners[0] > corners[1]).any():
            raise ValueError(f"box {_said(box)} is no x0, y0, x1, y1")
    cue = prompt.cues.get("scribble")
    for stroke in cue.strokes if isinstance(cue, ScribbleCue) else ():
        for x, y in stroke.points:
            if not (0 <= x < width and 0 <= y < height):
                raise ValueError(
                    f"stroke at ({x:g}, {y:g}) lies outside its picture, {width}×{height} (W×H)"
                )
    return prompt


def check_label(label: object) -> int:
    """A click's label; raises ``ValueError`` unless it is 0 or 1."""
    if isinstance(label, bool) or label not in (0, 1):
        raise ValueError(f"label {label!r} is neither 1 (foreground) nor 0 (background)")
    return int(label)


def clicks_of(places: Sequence[Sequence[float]], labels: Sequence[int]) -> PointsCue:
    """A cue of clicks (x, y) in order, with their labels."""
    points = np.array(places, dtype=np.float32).reshape(-1, 2)
    return PointsCue(points, np.array(labels, dtype=np.int64))


def prompt_of(cues: Sequence[Cue]) -> Callable[[int, int], Prompt]:
    """Makes a prompt of cues that are the same for every size, looked over for the size."""
    return lambda height, width: check_inside(Prompt(cues=cues), height, width)


def box_of(corners: Sequence[float]) -> BoxCue:
    """A cue of a box (x0, y0, x1, y1)."""
    return BoxCue(np.array(corners, dtype=np.float32))


def _said(box: object) -> str:
    return f"({', '.join(f'{side:g}' for side in box)})"  # type: ignore[attr-defined]
