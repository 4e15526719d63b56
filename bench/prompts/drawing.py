"""How people scribble, simulated: three ways to draw on a region, then made uneven as a hand is.

After ScribblePrompt (Wong et al., 2312.07381, section 3 and its code): a line between random
places, a centreline or a contour, then broken, warped and kept inside. A cap on the number of
pixels, which its code has, is left out. Its lengths are pixels of a picture of
128 × 128, so everything is drawn on a grid whose long side is at most ``GRID`` and then brought to
the image. ``DRAW`` is what a prompt's YAML may name. Every function is pure: the same region and
generator give the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from bench.prompts.depths import deepest
from bench.types import BoolArray, FloatArray, Mask, Stroke
from bench.types.scribbles import drawn, traced

DrawRule: TypeAlias = Callable[[BoolArray, np.random.Generator], BoolArray]

GRID = 128
"""Pixels of the long side of ScribblePrompt's pictures."""

_SMOOTHING = (4.0, 16.0)
_MAGNITUDE = (1.0, 6.0)
_MOST_BROKEN = 0.5
"""Of a scribble's pixels that breaks may take; how much is taken is a decision of ours."""


def line(region: BoolArray, rng: np.random.Generator) -> BoolArray:
    """A straight line, one pixel wide, between two random places of the region."""
    rows, columns = np.nonzero(region)
    ends = rng.integers(len(rows), size=2)
    points = tuple((float(columns[end]), float(rows[end])) for end in ends)
    return drawn([Stroke(points)], 1, *region.shape)


def centerline(region: BoolArray, rng: np.random.Generator) -> BoolArray:
    """The region thinned to its middle, one pixel wide (Zhang and Suen, CACM 1984)."""
    left = np.pad(region, 1)
    while True:
        before = int(left.sum())
        for first in (True, False):
            left[1:-1, 1:-1] &= ~_removable(left, first)
        if int(left.sum()) == before:
            return left[1:-1, 1:-1]


def contour(region: BoolArray, rng: np.random.Generator) -> BoolArray:
    """The outline of the region blurred by 5 to 20 pixels, at a random level of the blur."""
    sigma, level = rng.uniform(5, 20), rng.uniform(0.2, 0.9)
    reach = 16
    padded = np.pad(region, reach).astype(np.float32)
    blurred = cv2.GaussianBlur(padded, (33, 33), sigma)[reach:-reach, reach:-reach]
    inside = (blurred >= level * blurred.max()).astype(np.uint8)
    outline: BoolArray = inside.astype(bool) & (
        cv2.erode(np.pad(inside, 1), np.ones((3, 3), np.uint8))[1:-1, 1:-1] == 0
    )
    return outline


DRAW: Mapping[str, DrawRule] = {rule.__name__: rule for rule in (line, centerline, contour)}


def scribbled(
    mask: Mask, rule: DrawRule, label: int, rng: np.random.Generator
) -> tuple[Stroke, ...]:
    """Strokes on a region that is not empty, all of their pixels inside it.

    Where nothing is left of them they are one dot, the deepest pixel.
    """
    scale = min(1.0, GRID / max(mask.shape))
    region = _shrunk(mask.bits, scale)
    broken = _broken(rule(region, rng), rng)
    strokes = _warped(traced(broken), region.shape, rng)
    inside = drawn([_enlarged(each, scale) for each in strokes], 1, *mask.bits.shape) & mask.bits
    if not inside.any():
        depth = deepest(mask.bits)
        if depth is None:
            raise ValueError("an empty region cannot be drawn on")
        inside[depth.y, depth.x] = True
    return tuple(
        Stroke(tuple((x + mask.x0, y + mask.y0) for x, y in each.points), label)
        for each in traced(inside)
    )


def _shrunk(bits: BoolArray, scale: float) -> BoolArray:
    """The region on a coarser grid: where half of a cell is in it, or any of it if that is none."""
    height, width = (max(1, round(side * scale)) for side in bits.shape)
    if (height, width) == bits.shape:
        return bits
    share = cv2.resize(bits.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    found: BoolArray = share >= 0.5
    return found if found.any() else share > 0


def _enlarged(stroke: Stroke, scale: float) -> Stroke:
    """A stroke on the coarse grid as it lies on the image's pixels."""
    return Stroke(
        tuple(((x + 0.5) / scale - 0.5, (y + 0.5) / scale - 0.5) for x, y in stroke.points)
    )


def _broken(pixels: BoolArray, rng: np.random.Generator) -> BoolArray:
    """The pixels without those where smooth noise is low: at most half of them go."""
    noise = _smooth_noise(pixels.shape, rng)
    share = rng.uniform(0, _MOST_BROKEN)
    if not pixels.any():
        return pixels
    found: BoolArray = pixels & (noise >= np.quantile(noise[pixels], share))
    return found


def _warped(
    strokes: tuple[Stroke, ...], shape: tuple[int, ...], rng: np.random.Generator
) -> list[Stroke]:
    """The strokes bent by smooth noise: each of their pixels moves by up to 1 to 6 pixels."""
    moves = [_smooth_noise(shape, rng) for _ in "xy"]
    reach = rng.uniform(*_MAGNITUDE)
    moves = [reach * move / max(1e-9, float(np.abs(move).max())) for move in moves]
    bent = []
    for stroke in strokes:
        x, y = stroke.pixels().T
        moved = zip((x + moves[0][y, x]).tolist(), (y + moves[1][y, x]).tolist(), strict=True)
        bent.append(Stroke(tuple(moved)))
    return bent


def _smooth_noise(shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Noise around 0, smoothed by a Gaussian of 4 to 16 pixels."""
    sigma = rng.uniform(*_SMOOTHING)
    noise = rng.standard_normal(shape).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
    return np.asarray(smooth.reshape(shape), dtype=np.float32)


def _removable(padded: BoolArray, first: bool) -> BoolArray:
    """Which pixels inside the rim a half-step of thinning takes off."""
    h, w = padded.shape
    around = [
        padded[1 + dy : h - 1 + dy, 1 + dx : w - 1 + dx]
        for dy, dx in ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    ]
    north, east, south, west = around[0], around[2], around[4], around[6]
    count = np.sum(around, axis=0)
    turns: npt.NDArray[np.int64] = np.sum(
        [~a & b for a, b in zip(around, [*around[1:], around[0]], strict=True)], axis=0
    )
    if first:
        kept = (north & east & south) | (east & south & west)
    else:
        kept = (north & east & west) | (north & south & west)
    found: BoolArray = padded[1:-1, 1:-1] & (count >= 2) & (count <= 6) & (turns == 1) & ~kept
    return found
