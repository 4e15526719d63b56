"""Rendered scenes as a dataset."""

import numpy as np
import pytest

from bench.data.readers.shapes import Shapes, scene_seed
from bench.demo.scenes.scene import render_scene
from bench.types import BenchError, Site

SITE = Site()


def test_a_sample_is_the_renderers_scene():
    reader = Shapes(count=4, seed=11, sizes=[[48, 64], [64, 40]], site=SITE)
    assert reader.ids() == ["scene_00000", "scene_00001", "scene_00002", "scene_00003"]
    sample = reader.read("scene_00003")
    scene = render_scene(scene_seed(11, 3), bank="test", size=(64, 40))
    assert np.array_equal(sample.image, scene.image)
    assert len(sample.targets) == len(scene.objects)
    for place, (target, thing) in enumerate(zip(sample.targets, scene.objects, strict=True)):
        assert target.mask_id == f"scene_00003/{place:03d}"
        assert np.array_equal(target.mask.dense(), thing.mask)
        assert (target.category, target.attributes) == (thing.kind, {"level": thing.level})


def test_sizes_take_turns_and_a_larger_count_leaves_the_first_scenes():
    sizes = [[48, 64], [64, 40], [40, 40]]
    few = Shapes(count=2, seed=3, sizes=sizes, site=SITE)
    many = Shapes(count=5, seed=3, sizes=sizes, site=SITE)
    assert [many.read(i).shape for i in many.ids()] == [
        (48, 64),
        (64, 40),
        (40, 40),
        (48, 64),
        (64, 40),
    ]
    for image_id in few.ids():
        assert np.array_equal(few.read(image_id).image, many.read(image_id).image)


def test_seeds_are_these_for_ever():
    """Another value is another dataset: raise the version in conf/dataset/shapes.yaml."""
    assert [scene_seed(20260101, i) for i in (0, 1, 199)] == [2710873694, 2766772472, 2884280689]


def test_scenes_seeds_and_banks_differ():
    def first(**options):
        return Shapes(count=2, sizes=[[48, 64]], site=SITE, **options).read("scene_00000").image

    one = first(seed=1)
    assert not np.array_equal(one, first(seed=2))
    assert not np.array_equal(one, first(seed=1, bank="train"))
    assert not np.array_equal(
        one, Shapes(count=2, seed=1, sizes=[[48, 64]], site=SITE).read("scene_00001").image
    )


def test_the_fingerprint_knows_the_arguments():
    made = [
        Shapes(count=2, seed=1, sizes=[[48, 64]], site=SITE),
        Shapes(count=3, seed=1, sizes=[[48, 64]], site=SITE),
        Shapes(count=2, seed=2, sizes=[[48, 64]], site=SITE),
        Shapes(count=2, seed=1, bank="train", sizes=[[48, 64]], site=SITE),
        Shapes(count=2, seed=1, sizes=[[48, 64], [64, 48]], site=SITE),
    ]
    assert len({reader.fingerprint() for reader in made}) == len(made)


@pytest.mark.parametrize(
    "image_id", ["scene_00002", "scene_0", "scene_-0001", "00000", "scene_000000"]
)
def test_other_ids_are_refused(image_id):
    with pytest.raises(BenchError, match="no image"):
        Shapes(count=2, site=SITE).read(image_id)


@pytest.mark.parametrize(
    "options",
    [
        {"count": 0},
        {"count": 100_001},
        {"seed": -1},
        {"bank": "all"},
        {"sizes": []},
        {"sizes": [[64]]},
        {"sizes": [[16, 64]]},
    ],
)
def test_wrong_arguments_are_refused_when_opened(options):
    with pytest.raises(BenchError, match="shapes: "):
        Shapes(site=SITE, **options)


def test_the_ends_of_the_ranges_are_allowed():
    for count in (1, 100_000):
        reader = Shapes(count=count, seed=0, objects=1, sizes=[[32, 32]], site=SITE)
        assert len(reader.ids()) == count


def test_at_most_so_many_objects_of_a_scene_count():
    whole, few = Shapes(6, objects=1000, site=Site()), Shapes(6, objects=3, site=Site())
    numbers = []
    for image_id in whole.ids():
        every = {target.mask_id for target in whole.read(image_id).targets}
        kept = [target.mask_id for target in few.read(image_id).targets]
        assert set(kept) <= every
        assert kept == sorted(kept)
        assert len(kept) == min(3, len(every))
        assert kept == [target.mask_id for target in few.read(image_id).targets]
        numbers.append(len(every))
    assert max(numbers) > 3
    assert whole.fingerprint() != few.fingerprint()
