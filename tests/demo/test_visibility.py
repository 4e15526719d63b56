"""What a viewer can't make out in the photograph is no target."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bench.demo.scenes.scene import render_scene
from bench.demo.scenes.textures import BankName
from bench.demo.scenes.visibility import in_colour_space, stands_out


def scene_of(inside: int, outside: int, mask: np.ndarray, noise: float = 0.0) -> np.ndarray:
    """A grey picture in CIELAB with one grey thing in it."""
    image = np.where(mask, inside, outside).astype(np.float64)[:, :, None].repeat(3, axis=2)
    image += np.random.default_rng(0).normal(0, noise, image.shape) if noise else 0
    return in_colour_space(image.clip(0, 255).astype(np.uint8))


def block(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((60, 90), bool)
    mask[rows, columns] = True
    return mask


@pytest.mark.parametrize(
    ("inside", "noise", "seen"),
    [(180, 0, True), (112, 0, True), (104, 0, False), (100, 0, False), (112, 60, False)],
)
def test_a_thing_must_differ_from_its_surroundings(inside: int, noise: float, seen: bool) -> None:
    mask = block(slice(20, 40), slice(30, 60))
    assert stands_out(scene_of(inside, 100, mask, noise), mask) is seen


@pytest.mark.parametrize(("width", "seen"), [(2, False), (4, False), (5, True), (8, True)])
def test_a_stripe_of_five_pixels_is_the_thinnest_thing(width: int, seen: bool) -> None:
    for rows, columns in (
        (slice(10, 10 + width), slice(5, 80)),
        (slice(5, 55), slice(90 - width, 90)),
    ):
        mask = block(rows, columns)
        # At the border of the picture the outside is as near as in the middle.
        assert stands_out(scene_of(200, 60, mask), mask) is seen


def test_only_the_surroundings_count_not_the_rest_of_the_picture() -> None:
    mask = block(slice(10, 30), slice(10, 30))
    image = np.full((60, 90, 3), 100, np.uint8)
    image[:, 60:] = 255
    assert not stands_out(in_colour_space(image), mask)


def test_what_fills_the_picture_stands_out() -> None:
    mask = np.ones((60, 90), bool)
    assert stands_out(scene_of(100, 100, mask), mask)


@pytest.mark.parametrize("bank", ["train", "test"])
def test_every_object_of_a_scene_stands_out_and_parents_stay_right(bank: BankName) -> None:
    parts = 0
    for seed in range(30):
        scene = render_scene(seed, bank=bank, size=(192, 256))
        lab = cv2.cvtColor(scene.image, cv2.COLOR_RGB2LAB)
        for index, thing in enumerate(scene.objects):
            assert stands_out(lab, thing.mask)
            if thing.parent is not None:
                parts += 1
                assert thing.parent < index
                parent = scene.objects[thing.parent].mask
                assert not (thing.mask & ~parent).any()
                assert (parent & ~thing.mask).any()
    assert parts > 10
