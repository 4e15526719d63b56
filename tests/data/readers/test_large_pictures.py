"""What is done once an object costs memory for its box, however large its picture is."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from bench.analysis.sections.slices import complexity, parts
from bench.data.formats.segmentation import combine, decode_segmentation
from bench.data.readers.labelme import _drawn
from bench.types import Mask

HEIGHT, WIDTH = 3000, 4000
CORNERS = [(float(x), float(y)) for x in range(3800, 3950, 15) for y in range(2500, 2560, 15)]
SQUARE = np.array([[2000.0, 1500], [2030, 1500], [2030, 1530], [2000, 1530]])


def squares() -> list[list[float]]:
    """Forty polygons near a corner, each of 10×10 pixels."""
    return [[x, y, x + 10, y, x + 10, y + 10, x, y + 10] for x, y in CORNERS]


def small() -> Mask:
    return Mask(HEIGHT, WIDTH, 2900, 3900, np.ones((9, 8), dtype=bool))


@pytest.mark.parametrize(
    ("made", "area"),
    [
        (lambda: Mask.empty(HEIGHT, WIDTH), 0),
        (lambda: decode_segmentation(squares(), HEIGHT, WIDTH, fill="even_odd"), 4000),
        (
            lambda: combine(
                [decode_segmentation([one], HEIGHT, WIDTH) for one in squares()], np.logical_or
            ),
            4000,
        ),
        (lambda: _drawn("polygon", SQUARE, HEIGHT, WIDTH), 31 * 31),
        (lambda: (parts(small()), complexity(small()), small())[-1], 72),
    ],
    ids=["empty", "even-odd", "union", "labelme", "slices"],
)
def test_an_object_costs_its_box(made: Callable[[], Mask], area: int) -> None:
    made()  # what is imported on the way
    tracemalloc.start()
    try:
        mask = made()
        assert tracemalloc.get_traced_memory()[1] < HEIGHT * WIDTH / 6
    finally:
        tracemalloc.stop()
    assert (mask.shape, mask.area) == ((HEIGHT, WIDTH), area)


@pytest.mark.parametrize("rule", [np.logical_or, np.logical_xor])
def test_masks_together_are_what_whole_pictures_would_be(rule: np.ufunc) -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        dense = rng.random((int(rng.integers(1, 6)), 7, 12)) < rng.choice([0, 0.1, 0.8])
        dense[:, : rng.integers(0, 7)] = False
        found = combine([Mask.from_dense(one) for one in dense], rule)
        assert np.array_equal(found.dense(), rule.reduce(dense))


def test_measures_of_a_target_do_not_know_its_place() -> None:
    rng = np.random.default_rng(4)
    for _ in range(30):
        bits = rng.random((9, 14)) < 0.6
        tight = Mask.from_dense(bits)
        inside = Mask.from_crop(bits, 20, 30, 50, 70)
        assert (parts(tight), complexity(tight)) == (parts(inside), complexity(inside))
    assert (parts(Mask.empty(3, 5)), complexity(Mask.empty(3, 5))) == (0, 0)
