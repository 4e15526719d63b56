"""Masks with every oddity that breaks code, and random ones."""

from __future__ import annotations

import numpy as np

from bench.types import BoolArray


def random_blob(rng: np.random.Generator, height: int, width: int) -> BoolArray:
    """A mask of a few overlapping ellipses and holes, sometimes at the border, never empty."""
    rows, columns = np.mgrid[:height, :width]
    dense = np.zeros((height, width), dtype=bool)
    for index in range(int(rng.integers(1, 5))):
        cy, cx = rng.uniform(0, height), rng.uniform(0, width)
        ry, rx = rng.uniform(1, height / 2), rng.uniform(1, width / 2)
        disc = ((rows - cy) / ry) ** 2 + ((columns - cx) / rx) ** 2 <= 1
        dense = dense & ~disc if index == 2 else dense | disc
    if not dense.any():
        dense[int(rng.integers(height)), int(rng.integers(width))] = True
    return dense


def odd_masks(height: int = 11, width: int = 17) -> dict[str, BoolArray]:
    """The shapes that break code: at the border, with holes, in parts, one pixel, none, all."""
    masks = {
        name: np.zeros((height, width), dtype=bool)
        for name in ("none", "pixel", "corner", "row", "column", "hole", "parts", "diagonal")
    }
    masks["pixel"][3, 14] = True
    masks["corner"][-1, -1] = True
    masks["row"][0] = True
    masks["column"][:, -1] = True
    masks["hole"][2:9, 3:12] = True
    masks["hole"][4:6, 5:9] = False
    masks["parts"][1:4, 1:3] = masks["parts"][7:10, 12:17] = True
    masks["diagonal"][np.arange(height), np.arange(height)] = True
    masks["all"] = np.ones((height, width), dtype=bool)
    return masks
