"""Bugs that once gave a wrong number without an error, each with the test that would have told."""

from __future__ import annotations

import numpy as np
import pytest
from oddities import random_blob

from bench.mask import Mask
from bench.prompts import placement
from bench.types import BoolArray


def test_equal_depths_are_equal_wherever_the_region_lies() -> None:
    """OpenCV's float32 distances differ in the last bit for equal depths, by alignment and thread.

    The first maximum then was another pixel in a crop than in the full image, or in another run.
    """
    rng = np.random.default_rng(21)
    for _ in range(300):
        region = random_blob(rng, 31, 47)
        alone = placement.deepest(region)
        assert alone is not None
        for top, left in ((1, 0), (0, 1), (3, 5), (7, 2)):
            moved = placement.deepest(np.pad(region, ((top, 2), (left, 9))))
            assert moved == placement.Depth(alone.x + left, alone.y + top, alone.squared)


def bar(width: int, length: int) -> BoolArray:
    region = np.zeros((width + 4, length + 6), dtype=bool)
    region[2:-2, 3:-3] = True
    return region


@pytest.mark.parametrize(("width", "length"), [(9, 31), (2047, 2061), (2600, 2611)])
def test_the_first_of_many_equal_depths_is_taken_in_small_and_in_large_regions(
    width: int, length: int
) -> None:
    """Above some 1,400 pixels a float32 distance no longer tells neighbouring squares apart."""
    depth = placement.deepest(bar(width, length))
    half = (width + 1) // 2
    assert depth == placement.Depth(3 + half - 1, 2 + half - 1, half**2)


def test_a_click_is_no_other_pixel_in_a_larger_image() -> None:
    rng = np.random.default_rng(22)
    none = np.zeros((0, 2), dtype=np.float32)
    for _ in range(200):
        target, predicted = random_blob(rng, 24, 36), random_blob(rng, 24, 36)
        clicks = []
        for shift in (0, 5):
            pad = ((shift, 1), (2 * shift, 3))
            masks = [Mask.from_dense(np.pad(m, pad)) for m in (target, predicted)]
            found = placement.larger_error_distance_max(*masks, None, none, rng)
            clicks.append(found and (found[0][0] - 2 * shift, found[0][1] - shift, found[1]))
        assert clicks[0] == clicks[1]
