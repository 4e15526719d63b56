"""Where a click goes: the rules that papers and scripts disagree on, one function each.

A *first* rule takes the target and gives a pixel of it; a *next* rule takes the target, the
previous mask and what was clicked, and gives a pixel of the error with its label, or none where
no error is left to click. Every place is (x, y), a pixel index. ``FIRST`` and ``NEXT`` are what a
protocol YAML may name; ``Clicker`` follows them as a protocol says, on the grids that it says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from bench.prompts.depths import Depth, deepest
from bench.prompts.grids import GRIDS, Grid
from bench.protocol import Protocol, chosen
from bench.types import BoolArray, FloatArray, Mask

Place: TypeAlias = tuple[int, int]
FirstRule: TypeAlias = Callable[[Mask, np.random.Generator], Place]
NextRule: TypeAlias = Callable[
    [Mask, Mask, "BoolArray | None", FloatArray, np.random.Generator], "tuple[Place, int] | None"
]
Click: TypeAlias = tuple[tuple[float, float], int]
"""A place (x, y) in pixels of the image, and 1 for foreground or 0."""


@dataclass(frozen=True, slots=True)
class Clicker:
    """Who places a protocol's clicks."""

    place_first: FirstRule
    place_next: NextRule
    first_grid: Callable[[int, int], Grid]
    next_grid: Callable[[int, int], Grid]
    min_error: int
    without_error: Click | None

    @classmethod
    def of(cls, protocol: Protocol, first: str | None = None) -> Clicker:
        """As the protocol says, but for the rule of the first click where one is named.

        Raises ``BenchError`` for a rule or grid that doesn't exist.
        """
        return cls(
            chosen(FIRST, first or protocol.first_click, "first click"),
            chosen(NEXT, protocol.next_click, "next click"),
            chosen(GRIDS, protocol.first_grid, "grid"),
            chosen(GRIDS, protocol.next_grid, "grid"),
            protocol.min_error,
            protocol.click_without_error(),
        )

    @property
    def opening(self) -> object:
        """Equal for those whose first clicks are equal."""
        return self.place_first, self.first_grid

    def draws(self, first: bool = True, later: bool = True) -> bool:
        """Whether the first click or the later ones take random numbers."""
        return (first and self.place_first in DRAWING) or (later and self.place_next in DRAWING)

    def first(self, target: Mask, rng: np.random.Generator) -> Click:
        """The first click: a positive one.

        A target that is lost on the grid, which its thin parts may be, is clicked on the image.
        Raises ``ValueError`` for an empty one.
        """
        grid = self.first_grid(*target.shape)
        seen = grid.of_target(target)
        if seen.area == 0:
            grid, seen = Grid(), target
        return _in_the_image(grid, self.place_first(seen, rng)), 1

    def next(
        self,
        target: Mask,
        predicted: Mask,
        ignore: BoolArray | None,
        clicked: FloatArray,
        rng: np.random.Generator,
    ) -> Click | None:
        """The click that corrects a prediction; none where no error is left and none is asked for.

        ``ignore`` is (H, W) bool or none, ``clicked`` (P, 2) float32, the places of earlier clicks.
        """
        grid = self.next_grid(*target.shape)
        wanted, found = grid.of_target(target), grid.of_prediction(predicted)
        off = grid.of_ignore(ignore)
        click = None
        if self.min_error == 1 or _errors(wanted, found, off) >= self.min_error:
            before = (
                clicked
                if grid.target is None
                else np.rint(clicked / np.array(grid.step, np.float32))
            )
            click = self.place_next(wanted, found, off, before, rng)
        return self.without_error if click is None else (_in_the_image(grid, click[0]), click[1])


def distance_max(target: Mask, rng: np.random.Generator) -> Place:
    """The pixel farthest from the boundary (SAM, appendix D.1); the first one in row order."""
    depth = deepest(target.bits)
    if depth is None:
        raise ValueError("an empty target cannot be clicked")
    return target.x0 + depth.x, target.y0 + depth.y


def chessboard_max(target: Mask, rng: np.random.Generator) -> Place:
    """The pixel with the widest square around it, of equals that with most of the target beside it.

    Then the first in row order. A pixel's square ends at the nearest pixel outside in any of eight
    directions; beside it count the pixels of a wider square, diagonal ones by exp(-√2 / 0.35), the
    others by exp(-1 / 0.35). EdgeSAM's ``get_centroid_from_mask`` (``edge_sam/utils/common.py``)
    so takes the maximum of Kornia's ``distance_transform``, whose distances grow by whole squares.
    """
    padded = np.pad(target.bits, 1).astype(np.uint8)
    if not padded.any():
        raise ValueError("an empty target cannot be clicked")
    widths = cv2.distanceTransform(padded, cv2.DIST_C, 3)
    widest = widths == widths.max()
    nearer = (~widest).astype(np.uint8)
    beside, diagonal = (
        cv2.filter2D(nearer, cv2.CV_16S, np.array(places, np.uint8), borderType=cv2.BORDER_CONSTANT)
        for places in ([[0, 1, 0], [1, 0, 1], [0, 1, 0]], [[1, 0, 1], [0, 0, 0], [1, 0, 1]])
    )
    rows, columns = np.nonzero(widest)
    near = beside * np.exp(-1 / 0.35) + diagonal * np.exp(-np.sqrt(2) / 0.35)
    best = int(np.argmin(near[rows, columns]))
    return target.x0 + int(columns[best]) - 1, target.y0 + int(rows[best]) - 1


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
    """The middle of the tight box, rounded down; it may lie outside the target.

    >>> wide = Mask(20, 30, y0=10, x0=5, bits=np.ones((3, 8), dtype=bool))
    >>> box_center(wide, np.random.default_rng(0))
    (8, 11)
    """
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
    excluded = clicked - np.array([x0, y0], dtype=np.float32)
    sides = [wanted & ~found, found & ~wanted]
    order = sorted((0, 1), key=lambda side: -np.count_nonzero(sides[side]))
    depths: dict[int, Depth | None] = {}
    for side in order:  # the larger one first: the other is mostly seen to be less deep at once
        others = [depth.squared for depth in depths.values() if depth is not None]
        depths[side] = deepest(sides[side], excluded, scattered=True, beyond=max(others, default=0))
    miss, extra = depths[0], depths[1]
    positive = miss is not None and (extra is None or miss.squared > extra.squared)
    depth = miss if positive else extra
    return None if depth is None else ((x0 + depth.x, y0 + depth.y), int(positive))


def larger_error_distance_max_repeatable(
    target: Mask,
    predicted: Mask,
    ignore: BoolArray | None,
    clicked: FloatArray,
    rng: np.random.Generator,
) -> tuple[Place, int] | None:
    """The same, but a pixel may be clicked twice (SAM 2, ``sam2/modeling/sam2_utils.py``)."""
    return larger_error_distance_max(target, predicted, ignore, clicked[:0], rng)


def target_random(
    target: Mask,
    predicted: Mask,
    ignore: BoolArray | None,
    clicked: FloatArray,
    rng: np.random.Generator,
) -> tuple[Place, int] | None:
    """A pixel of the target whatever the mask, each as likely, always positive (EfficientSAM)."""
    return random(target, rng), 1


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
    rule.__name__: rule
    for rule in (distance_max, chessboard_max, random, center_of_mass, box_center)
}
NEXT: Mapping[str, NextRule] = {
    rule.__name__: rule
    for rule in (
        larger_error_distance_max,
        larger_error_distance_max_repeatable,
        error_random,
        target_random,
    )
}


DRAWING: frozenset[Callable[..., object]] = frozenset({random, error_random, target_random})
"""The rules that take random numbers."""


def _in_the_image(grid: Grid, place: Place) -> tuple[float, float]:
    return place[0] * grid.step[0], place[1] * grid.step[1]


def _errors(target: Mask, predicted: Mask, ignore: BoolArray | None) -> int:
    """How many pixels are wrong."""
    wanted, found, *_ = _error_crop(target, predicted, ignore)
    return int(np.count_nonzero(wanted ^ found))


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

    Distances in the crop equal those in the full image: what lies around the box is no error, and
    :func:`deepest` takes it so.
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
