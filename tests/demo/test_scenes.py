"""Rendered scenes: the same every time, exact, and with two banks that share nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bench.demo.scenes.canvas import Canvas, Material, Region, clipped, rasterise
from bench.demo.scenes.compositions import crowd, mixed, nested
from bench.demo.scenes.parts import Surface
from bench.demo.scenes.scene import (
    MIN_VISIBLE_PIXELS,
    Scene,
    paint_surfaces,
    render_scene,
    visible_objects,
)
from bench.demo.scenes.shapes import TEST_FAMILIES, TRAIN_FAMILIES
from bench.demo.scenes.style import Stylist
from bench.demo.scenes.textures import (
    SIDE,
    TEST_GENERATORS,
    TRAIN_GENERATORS,
    BankName,
    texture_bank,
)

BANKS: tuple[BankName, ...] = ("train", "test")


def _same(first: Scene, second: Scene) -> bool:
    return (
        np.array_equal(first.image, second.image)
        and len(first.objects) == len(second.objects)
        and all(
            np.array_equal(a.mask, b.mask)
            and (a.level, a.kind, a.parent) == (b.level, b.kind, b.parent)
            for a, b in zip(first.objects, second.objects, strict=True)
        )
    )


@pytest.mark.long
@pytest.mark.parametrize("bank", BANKS)
def test_same_arguments_give_the_same_bytes(bank: BankName) -> None:
    for seed in range(6):
        first = render_scene(seed, bank=bank, size=(96, 160))
        np.random.seed(seed)
        np.random.random(3)
        assert _same(first, render_scene(seed, bank=bank, size=(96, 160)))


def test_threads_do_not_change_a_pixel() -> None:
    before = cv2.getNumThreads()
    try:
        scenes = []
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            scenes.append([render_scene(seed, bank="train", size=(192, 256)) for seed in range(5)])
    finally:
        cv2.setNumThreads(before)
    assert all(_same(a, b) for a, b in zip(*scenes, strict=True))


def test_seed_bank_and_size_each_change_the_scene() -> None:
    scene = render_scene(3, bank="train", size=(128, 128))
    assert not _same(scene, render_scene(4, bank="train", size=(128, 128)))
    assert not _same(scene, render_scene(3, bank="test", size=(128, 128)))
    taller = render_scene(3, bank="train", size=(160, 128))
    assert taller.image.shape == (160, 128, 3)
    assert not np.array_equal(scene.image, taller.image[:128])


@pytest.mark.parametrize("bank", BANKS)
@pytest.mark.parametrize("size", [(256, 171), (100, 256), (64, 64)])
def test_every_scene_keeps_its_promises(bank: BankName, size: tuple[int, int]) -> None:
    for seed in range(12):
        scene = render_scene(seed, bank=bank, size=size)
        assert scene.image.shape == (*size, 3)
        assert scene.image.dtype == np.uint8
        assert scene.objects
        for index, thing in enumerate(scene.objects):
            assert thing.mask.shape == size
            assert thing.mask.dtype == np.bool_
            assert thing.mask.sum() >= MIN_VISIBLE_PIXELS
            assert (thing.parent is None) == (thing.level == "whole")
            if thing.parent is not None:
                assert thing.parent < index
                above = scene.objects[thing.parent].mask
                assert not (thing.mask & ~above).any(), "a part leaves its parent"
                assert thing.mask.sum() < above.sum()
        by_parent: dict[int | None, np.ndarray] = {}
        for thing in scene.objects:
            taken = by_parent.setdefault(thing.parent, np.zeros(size, bool))
            assert not (taken & thing.mask).any(), "siblings overlap"
            taken |= thing.mask


def _flat(red: float) -> Material:
    colour = np.array([red, 40.0, 200.0], np.float32)
    return Material(colour=colour, tint=np.ones(3, np.float32))


def _disc(x: float, y: float, radius: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def test_masks_are_exactly_the_pixels_that_show() -> None:
    """A disc with a part with a window, half hidden behind a bar: compared with the colours."""
    bar = np.array([[45.0, -5.0], [60.0, -5.0], [60.0, 90.0], [45.0, 90.0]])
    surfaces = [
        Surface((_disc(40, 35, 30),), _flat(10), "whole", "disc", None),
        Surface((_disc(38, 35, 18),), _flat(20), "part", "inset", 0),
        Surface((_disc(36, 35, 7),), _flat(30), "subpart", "inset", 1),
        Surface((bar,), _flat(40), "whole", "bar", None),
    ]
    canvas = Canvas(np.zeros((70, 110, 3), np.float32))
    regions = paint_surfaces(canvas, surfaces, soft=0.0)
    disc, part, window, front = visible_objects(canvas.owner, surfaces, regions)
    red = canvas.colours[:, :, 0]
    assert np.array_equal(disc.mask, np.isin(red, (10, 20, 30)))
    assert np.array_equal(part.mask, np.isin(red, (20, 30)))
    assert np.array_equal(window.mask, red == 30)
    assert np.array_equal(front.mask, red == 40)
    assert (part.parent, window.parent, front.parent) == (0, 1, None)
    rows, columns = np.mgrid[:70, :110]
    distance = np.hypot(rows - 35, columns - 40)
    free = (columns < 44) | (columns > 61)
    assert disc.mask[free & (distance < 29)].all()
    assert not disc.mask[free & (distance > 31)].any()


def test_a_cut_whole_is_the_union_of_its_visible_sides() -> None:
    found = 0
    for seed in range(60):
        objects = render_scene(seed, bank="train", size=(192, 192)).objects
        for index, thing in enumerate(objects):
            sides = [o.mask for o in objects if o.parent == index and o.kind == "side"]
            others = [o.mask for o in objects if o.parent == index and o.kind != "side"]
            if len(sides) == 2 and not others:
                # Only pixels on the cut itself may belong to neither side.
                rest = thing.mask & ~(sides[0] | sides[1])
                assert rest.sum() <= 0.02 * thing.mask.sum()
                found += 1
    assert found >= 5


def test_hidden_and_tiny_things_are_dropped_with_their_parts() -> None:
    surfaces = [
        Surface((_disc(30, 30, 12),), _flat(10), "whole", "disc", None),
        Surface((_disc(30, 30, 6),), _flat(20), "part", "inset", 0),
        Surface((_disc(30, 30, 14),), _flat(30), "whole", "disc", None),
        Surface((_disc(60, 20, 1.2),), _flat(40), "whole", "disc", None),
    ]
    canvas = Canvas(np.zeros((64, 80, 3), np.float32))
    regions = paint_surfaces(canvas, surfaces, soft=0.0)
    (left,) = visible_objects(canvas.owner, surfaces, regions)
    assert left.mask[30, 30]
    assert 500 < left.mask.sum() < 720


def test_rasterise_clips_at_the_border_and_knows_holes() -> None:
    outer, hole = _disc(2, 3, 10), _disc(2, 3, 4)
    region = rasterise((outer, hole), 20, 30)
    assert region is not None
    assert (region.x, region.y) == (0, 0)
    assert region.bits[3, 2] == 0
    assert region.bits[3, 9] == 1
    assert rasterise((outer - 100,), 20, 30) is None


def test_clipped_keeps_only_the_common_pixels() -> None:
    first = Region(2, 1, np.ones((4, 5), np.uint8))
    second = Region(5, 3, np.ones((9, 9), np.uint8))
    common = clipped(first, second)
    assert common is not None
    assert (common.x, common.y, common.bits.shape) == (5, 3, (2, 2))
    assert clipped(first, Region(7, 1, np.ones((2, 2), np.uint8))) is None


def test_banks_share_neither_shapes_nor_textures() -> None:
    assert not set(TRAIN_FAMILIES) & set(TEST_FAMILIES)
    assert not set(TRAIN_FAMILIES.values()) & set(TEST_FAMILIES.values())
    assert not set(TRAIN_GENERATORS) & set(TEST_GENERATORS)
    train, test = texture_bank("train"), texture_bank("test")
    assert all(p.shape == (SIDE, SIDE) and p.dtype == np.uint8 for p in train + test)
    small = {bank: np.stack([p[::48, ::48].ravel() for p in texture_bank(bank)]) for bank in BANKS}
    distance = np.abs(small["train"][:, None].astype(int) - small["test"][None]).mean(axis=2)
    assert distance.min() > 10


@pytest.mark.long
@pytest.mark.parametrize(("bank", "families"), [("train", TRAIN_FAMILIES), ("test", TEST_FAMILIES)])
def test_scenes_use_only_the_shapes_of_their_bank(
    bank: BankName, families: dict[str, object]
) -> None:
    cuts = {"inset", "side", "band"}
    kinds = {o.kind for s in range(40) for o in render_scene(s, bank=bank, size=(96, 96)).objects}
    assert kinds - cuts <= set(families)
    assert len(kinds - cuts) >= 8


@pytest.mark.parametrize("bank", BANKS)
def test_outlines_are_centred_and_of_unit_size(bank: BankName) -> None:
    rng = np.random.default_rng(0)
    for name, family in (TRAIN_FAMILIES if bank == "train" else TEST_FAMILIES).items():
        for _ in range(20):
            reach = np.abs(np.concatenate(family(rng))).max()
            assert 0.5 < reach < 1.5, name


def test_compositions_are_what_they_say() -> None:
    ground = np.array([90, 90, 90], np.float32)
    style = Stylist(np.random.default_rng(5), "train")
    assert 3 <= sum(s.level == "whole" for s in mixed(style, 128, 200, ground)) <= 12
    assert 1 <= sum(s.level == "whole" for s in nested(style, 128, 200, ground)) <= 3
    counts = [sum(s.level == "whole" for s in crowd(style, 128, 200, ground)) for _ in range(20)]
    assert max(counts) > 40
    assert min(counts) >= 3


def test_the_scenes_have_all_levels_and_very_different_sizes() -> None:
    objects = [o for s in range(40) for o in render_scene(s, bank="train", size=(192, 256)).objects]
    levels = [o.level for o in objects]
    assert min(levels.count(level) for level in ("whole", "part", "subpart")) > 10
    shares = np.array([o.mask.mean() for o in objects])
    assert (shares < 0.01).sum() > 20
    assert (shares > 0.05).sum() > 20


def test_a_size_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 x 32"):
        render_scene(0, bank="train", size=(31, 100))
