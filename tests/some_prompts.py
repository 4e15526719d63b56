"""Prompts of every structure that SAM takes, on images of which none is square."""

from __future__ import annotations

import numpy as np

from bench.types import Prompt

SIZES = ((41, 90), (150, 70), (64, 63), (200, 333))
"""(H, W) of images, in pixels."""


def some_prompts(count: int, shape: tuple[int, int], grid: int, seed: int = 0) -> list[Prompt]:
    """Prompts of five structures on an (H, W) image, those with mask logits among them."""
    rng = np.random.default_rng(seed)
    height, width = shape
    prompts = []
    for i in range(count):
        places = rng.uniform(0, 1, (3, 2)) * [width - 1, height - 1]
        points, labels = places.astype(np.float32), np.array([1, 0, 1])
        (x0, x1), (y0, y1) = np.sort(places[:2, 0]), np.sort(places[:2, 1])
        box = np.array([x0, y0, x1, y1], np.float32)
        logits = rng.normal(0, 8, (grid, grid)).astype(np.float32)
        prompts.append(
            [
                Prompt(points=points[:1], labels=labels[:1]),
                Prompt(points=points, labels=labels),
                Prompt(box=box),
                Prompt(points=points[:2], labels=labels[:2], box=box),
                Prompt(points=points[:2], labels=labels[:2], mask_logits=logits),
            ][i % 5]
        )
    return prompts
