"""Seeds from a prompt: what classical methods that grow regions begin with."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from bench.types import Prompt
from bench.types.scribbles import strokes_of

Seeds = npt.NDArray[np.int32]

BACKGROUND, FOREGROUND = 1, 2


def seeds_of(prompt: Prompt, grid: tuple[int, int], image: tuple[int, int], dot: int) -> Seeds:
    """0 where nothing is known, else the label, on a grid (h, w) over an image (H, W).

    Seeds are discs of ``dot`` pixels around the clicks and along the strokes of a scribble, later
    ones over earlier ones, strokes last. A box makes all outside it background and, without a
    positive click or stroke, its middle foreground; without a box the grid's rim is background.
    """
    seeds: Seeds = np.zeros(grid, dtype=np.int32)
    scale = np.array([grid[1] / image[1], grid[0] / image[0]])
    strokes = strokes_of(prompt)
    if prompt.box is None:
        seeds[[0, -1]] = seeds[:, [0, -1]] = BACKGROUND
    else:
        x0, y0 = np.floor(prompt.box[:2] * scale).astype(int)
        x1, y1 = np.ceil((prompt.box[2:] + 1) * scale).astype(int)
        inside = np.zeros(grid, dtype=bool)
        inside[max(y0, 0) : y1, max(x0, 0) : x1] = True
        seeds[~inside] = BACKGROUND
        if not (prompt.labels == 1).any() and not any(stroke.label for stroke in strokes):
            middle = ((prompt.box[:2] + prompt.box[2:] + 1) / 2) * scale - 0.5
            _mark(seeds, middle, FOREGROUND, dot)
    for point, label in zip(prompt.points, prompt.labels, strict=True):
        _mark(seeds, (point + 0.5) * scale - 0.5, FOREGROUND if label == 1 else BACKGROUND, dot)
    for stroke in strokes:
        for pixel in stroke.pixels():
            label = FOREGROUND if stroke.label == 1 else BACKGROUND
            _mark(seeds, (pixel + 0.5) * scale - 0.5, label, dot)
    return seeds


def _mark(seeds: Seeds, place: npt.NDArray[np.floating], label: int, dot: int) -> None:
    x, y = (int(v) for v in np.clip(np.rint(place), 0, np.array(seeds.shape)[::-1] - 1))
    cv2.circle(seeds, (x, y), dot, label, cv2.FILLED)
