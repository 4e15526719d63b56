"""Simulated prompts: first clicks, boxes, and corrections where the last mask was wrong.

Points are (x, y) pixel indices; boxes (x0, y0, x1, y1) with both corners included.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.demo.scenes.canvas import BoolMask


@dataclass(frozen=True, slots=True)
class Click:
    """One click: pixel (x, y), and whether it says "inside" or "outside"."""

    x: int
    y: int
    positive: bool


def _depth(mask: BoolMask) -> tuple[float, int, int]:
    """Return the largest distance to the outside (the border counts as outside), and its (x, y)."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    crop = mask[y : y + height, x : x + width].view(np.uint8)
    padded = cv2.copyMakeBorder(crop, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(distance[row, column]), x + int(column) - 1, y + int(row) - 1


def deepest_point(mask: BoolMask) -> Click:
    """Return a positive click on the most inside pixel of a mask that isn't empty."""
    _, x, y = _depth(mask)
    return Click(x, y, True)


def random_point(rng: np.random.Generator, mask: BoolMask) -> Click:
    """Return a positive click on a uniformly random pixel of a mask that isn't empty."""
    rows, columns = np.nonzero(mask)
    chosen = int(rng.integers(len(rows)))
    return Click(int(columns[chosen]), int(rows[chosen]), True)


def correction(
    target: BoolMask, prediction: BoolMask, rng: np.random.Generator | None = None
) -> Click:
    """Return the next click, given the truth and the last mask.

    Without `rng`: the most inside pixel of whichever error, missed or excess, is deeper. With
    `rng`: a random pixel of all errors. A perfect mask gets one more click inside the target.
    """
    missed, excess = target & ~prediction, prediction & ~target
    if not (missed.any() or excess.any()):
        return deepest_point(target) if rng is None else random_point(rng, target)
    if rng is not None:
        click = random_point(rng, missed | excess)
        return Click(click.x, click.y, bool(target[click.y, click.x]))
    depth_missed, x, y = _depth(missed) if missed.any() else (0.0, 0, 0)
    depth_excess, u, v = _depth(excess) if excess.any() else (0.0, 0, 0)
    return Click(u, v, False) if depth_excess > depth_missed else Click(x, y, True)


def tight_box(mask: BoolMask) -> NDArray[np.float32]:
    """Return the box (4,) around a mask that isn't empty."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return np.array([x, y, x + width - 1, y + height - 1], np.float32)


def noisy_box(
    rng: np.random.Generator, mask: BoolMask, noise: float, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Return the box with corner noise of `noise` times its sides (sigma), inside (H, W)."""
    box = tight_box(mask)
    sides = np.tile(box[2:] - box[:2] + 1, 2)
    moved = box + rng.normal(0, 1, 4) * noise * sides
    limit = np.array([size[1] - 1, size[0] - 1] * 2)
    moved = np.clip(moved, 0, limit)
    ordered = np.concatenate([np.minimum(moved[:2], moved[2:]), np.maximum(moved[:2], moved[2:])])
    return ordered.astype(np.float32)
