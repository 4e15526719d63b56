"""Where a click goes: the rules that papers and scripts disagree on, one function each.

A *first* rule takes the target and gives a pixel of it; a *next* rule takes the target, the
previous mask and what was clicked, and gives a pixel of the error with its label, or none where
no error is left to click. Every place is (x, y), a pixel index. ``FIRST`` and ``NEXT`` are what a
protocol YAML may name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from bench.types import BoolArray, FloatArray, Mask

Place: TypeAlias = tuple[int, int]
FirstRule: TypeAlias = Callable[[Mask, np.random.Generator], Place]
NextRule: TypeAlias = Callable[
    [Mask, Mask, "BoolArray | None", FloatArray, np.random.Generator], "tuple[Place, int] | None"
]


def distance_to_outside(region: BoolArray) -> npt.NDArray[np.float32]:
    """Each pixel's exact Euclidean distance to the nearest pixel outside the region, in pixels.

    (h, w) → (h, w). What lies beyond the array counts as outside, so an image border is a
    boundary (RITM ``isegm/inference/clicker.py``, SAM 2 ``sam2_utils.py``).
    """
    padded = np.pad(region, 1).astype(np.uint8)
    distances = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distances[1:-1, 1:-1].astype(np.float32, copy=False)


def distance_max(target: Mask, rng: np.random.Generator) -> Place:
    """The pixel farthest from the boundary (SAM, appendix D.1); the first one in row order."""
    y, x = _first_maximum(distance_to_outside(target.bits))
    return target.x0 + x, target.y0 + y


def random(target: Mask, rng: np.random.Generator) -> Place:
    """A pixel of the target, each as likely (SAM, Fig. 9d and Table 2)."""
    rows, columns = np.nonzero(target.bits)
    index = int(rng.integers(len(rows)))
    return target.x0 + int(columns[index]), target.y0 + int(rows[index])


def center_of_mass(target: Mask, rng: np.random.Generator) -> Place:
    """The centre of mass, rounded half to even; where it lies outside, the roomiest pixel.

    Roomiest: its shortest way out in the four directions is longest, lengths from 20 pixels up
    counting alike, the first in row order (segment-anything-fast, ``experiments/data.py``).
    """
    rows, columns = np.nonzero(target.bits)
    y = round(float((rows + target.y0).mean())) - target.y0
    x = round(float((columns + target.x0).mean())) - target.x0
    if not target.bits[y, x]:
        y, x = _first_maximum(np.minimum(_shortest_way_out(target.bits), 20))
    return target.x0 + x, target.y0 + y


def box_center(target: Mask, rng: np.random.Generator) -> Place:
    """The middle of the tight box, rounded down; it may lie outside the target."""
    h, w = target.bits.shape
    return target.x0 + (w - 1) // 2, target.y0 + (h - 1) // 2


def larger_error_distance_max(
    target: Mask,
    predicted: Mask,
    ignore: BoolArray | None,
    clicked: FloatArray,
    rng: np.random.Generator,
) -> tuple[Place, int] | None:
    """The pixel deepest inside the larger error, pixels clicked before left out.

    False negatives and false positives are looked at apart. The click is positive where the
    greatest depth in the false negatives is strictly larger, else negative; its place is the
    first such pixel in row order (RITM ``isegm/inference/clicker.py``; SAM, appendix D.1, says
    "farthest from the boundary of the error region").
    """
    wanted, found, y0, x0 = _error_crop(target, predicted, ignore)
    misses = distance_to_outside(wanted & ~found)
    extras = distance_to_outside(found & ~wanted)
    for x, y in clicked.astype(int) - (x0, y0):
        if 0 <= y < misses.shape[0] and 0 <= x < misses.shape[1]:
            misses[y, x] = extras[y, x] = 0.0
    deepest_miss, deepest_extra = misses.max(initial=0.0), extras.max(initial=0.0)
    if deepest_miss == 0.0 and deepest_extra == 0.0:
        return None
    positive = bool(deepest_miss > deepest_extra)
    y, x = _first_maximum(misses if positive else extras)
    return (x0 + x, y0 + y), int(positive)


def error_random(
    target: Mask,
    predicted: Mask,
    ignore: BoolArray | None,
    clicked: FloatArray,
    rng: np.random.Generator,
) -> tuple[Place, int] | None:
    """A pixel of the error, each as likely; positive where it was missed (SAM, appendix A)."""
    wanted, found, y0, x0 = _error_crop(target, predicted, ignore)
    rows, columns = np.nonzero(wanted ^ found)
    if len(rows) == 0:
        return None
    index = int(rng.integers(len(rows)))
    y, x = int(rows[index]), int(columns[index])
    return (x0 + x, y0 + y), int(wanted[y, x])


FIRST: Mapping[str, FirstRule] = {
    rule.__name__: rule for rule in (distance_max, random, center_of_mass, box_center)
}
NEXT: Mapping[str, NextRule] = {
    rule.__name__: rule for rule in (larger_error_distance_max, error_random)
}


def _first_maximum(values: npt.NDArray[np.generic]) -> tuple[int, int]:
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    return int(row), int(column)


def _shortest_way_out(region: BoolArray) -> npt.NDArray[np.int64]:
    """How many steps stay inside, in the worst of the four directions; -1 outside."""

    def steps_down(mask: BoolArray) -> npt.NDArray[np.int64]:
        steps = np.zeros(mask.shape, dtype=np.int64)
        run = np.zeros(mask.shape[1], dtype=np.int64)
        for row in range(mask.shape[0]):
            run = (run + 1) * mask[row]
            steps[row] = run
        return steps - 1

    up, down = steps_down(region), steps_down(region[::-1])[::-1]
    left, right = steps_down(region.T).T, steps_down(region.T[::-1])[::-1].T
    shortest: npt.NDArray[np.int64] = np.minimum(np.minimum(up, down), np.minimum(left, right))
    return shortest


def _error_crop(
    target: Mask, predicted: Mask, ignore: BoolArray | None
) -> tuple[BoolArray, BoolArray, int, int]:
    """Target and prediction cut to the box around both, ignored pixels off in both, and its place.

    The distance transform of the crop equals that of the full image: what lies around the box is
    no error, and :func:`distance_to_outside` takes it so.
    """
    boxes = [box for box in (target.box, predicted.box) if box is not None]
    if not boxes:
        empty = np.zeros((0, 0), dtype=bool)
        return empty, empty, 0, 0
    x0, y0 = min(box[0] for box in boxes), min(box[1] for box in boxes)
    x1, y1 = max(box[2] for box in boxes) + 1, max(box[3] for box in boxes) + 1
    wanted, found = target.crop(y0, x0, y1, x1), predicted.crop(y0, x0, y1, x1)
    if ignore is not None:
        keep = ~ignore[y0:y1, x0:x1]
        wanted, found = wanted & keep, found & keep
    return wanted, found, y0, x0
