"""All targets of a category as one: its pixels, its id, and what has no category."""

from __future__ import annotations

import numpy as np
from oddities import odd_masks, random_blob

from bench.types import Mask, Sample, Target
from bench.types.categories import category_of, joined, target_of, union


def sample() -> Sample:
    rng = np.random.default_rng(5)
    names = ["cat", "dog", "cat", None, "  ", "cat ", "dog"]
    targets = [
        Target(str(i), Mask.from_dense(random_blob(rng, 30, 47)), name, crowd=i == 2)
        for i, name in enumerate(names)
    ]
    return Sample("pets/1", np.zeros((30, 47, 3), np.uint8), targets)


def test_a_category_is_all_its_pixels_crowds_too() -> None:
    one = sample()
    found = joined(one.image_id, one.targets)
    assert list(found) == ["cat", "dog"]
    for name, places in (("cat", (0, 2, 5)), ("dog", (1, 6))):
        dense = np.any([one.targets[i].mask.dense() for i in places], axis=0)
        assert np.array_equal(found[name].mask.dense(), dense)
        assert found[name].mask_id == f"pets/1/all of {name}"
        assert found[name].category == name


def test_a_blank_category_is_none() -> None:
    assert [category_of(target) for target in sample().targets[3:6]] == [None, None, "cat"]


def test_the_union_of_odd_masks_is_that_of_their_pixels() -> None:
    masks = [Mask.from_dense(dense) for dense in odd_masks().values()]
    masks = [mask for mask in masks if mask.shape == masks[0].shape]
    assert len(masks) > 3
    for some in (masks, masks[:1], masks[:2], [Mask.empty(*masks[0].shape)] * 2):
        dense = np.any([mask.dense() for mask in some], axis=0)
        assert np.array_equal(union(some).dense(), dense)


def test_a_target_is_found_by_its_id_or_by_its_categorys() -> None:
    one = sample()
    assert target_of(one, "3") is one.targets[3]
    dogs = target_of(one, "pets/1/all of dog")
    assert dogs is not None
    assert dogs.mask.to_rle() == joined(one.image_id, one.targets)["dog"].mask.to_rle()
    assert target_of(one, "pets/1/all of cow") is None
