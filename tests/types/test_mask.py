from __future__ import annotations

import numpy as np
import pytest
from oddities import odd_masks, random_blob
from pycocotools import mask as coco_mask

from bench.types.mask import Mask
from bench.types.rle import tells_nothing


@pytest.mark.parametrize("name", odd_masks())
def test_a_mask_gives_back_what_it_was_made_of(name: str) -> None:
    dense = odd_masks()[name]
    mask = Mask.from_dense(dense)
    assert np.array_equal(mask.dense(), dense)
    assert mask.area == dense.sum()
    assert mask.shape == (11, 17)


@pytest.mark.parametrize("name", odd_masks())
def test_rle_is_that_of_pycocotools_and_comes_back(name: str) -> None:
    dense = odd_masks()[name]
    mask = Mask.from_dense(dense)
    expected = coco_mask.encode(np.asfortranarray(dense, dtype=np.uint8))["counts"]
    assert mask.to_rle().encode() == expected
    again = Mask.from_rle({"size": [11, 17], "counts": mask.to_rle()})
    assert np.array_equal(again.dense(), dense)


def test_box_is_tight_and_includes_both_corners() -> None:
    masks = odd_masks()
    assert Mask.from_dense(masks["parts"]).box == (1, 1, 16, 9)
    assert Mask.from_dense(masks["pixel"]).box == (14, 3, 14, 3)
    assert Mask.from_dense(masks["none"]).box is None


def test_an_uncompressed_rle_is_read_in_column_order() -> None:
    mask = Mask.from_rle({"size": [2, 3], "counts": [1, 2, 3]})
    assert mask.dense().tolist() == [[False, True, False], [True, False, False]]


@pytest.mark.parametrize(
    "counts", [[1, 2], [1, 2, 4], [-1, 7], []], ids=["short", "long", "negative", "none"]
)
def test_runs_that_do_not_fill_the_size_are_refused(counts: list[int]) -> None:
    with pytest.raises(ValueError, match="2×3"):
        Mask.from_rle({"size": [2, 3], "counts": counts})


def test_bits_outside_the_image_are_refused() -> None:
    with pytest.raises(ValueError, match="leave the image"):
        Mask(5, 5, 3, 3, np.ones((3, 3), dtype=bool))


def test_crop_equals_a_slice_of_the_dense_mask() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        dense = random_blob(rng, 13, 19)
        y0, y1 = sorted(rng.integers(0, 14, 2))
        x0, x1 = sorted(rng.integers(0, 20, 2))
        crop = Mask.from_dense(dense).crop(int(y0), int(x0), int(y1), int(x1))
        assert np.array_equal(crop, dense[y0:y1, x0:x1])


def test_rle_equals_pycocotools_on_random_masks() -> None:
    rng = np.random.default_rng(8)
    for _ in range(400):
        height, width = int(rng.integers(1, 30)), int(rng.integers(1, 30))
        dense = rng.random((height, width)) < rng.choice([0.03, 0.5, 0.97])
        expected = coco_mask.encode(np.asfortranarray(dense, dtype=np.uint8))["counts"]
        assert Mask.from_dense(dense).to_rle().encode() == expected
        assert tells_nothing(expected.decode()) == (not dense.any())
        again = Mask.from_rle({"size": [height, width], "counts": expected})
        assert np.array_equal(again.dense(), dense)
