"""What every reader promises (``bench.types.Reader``), over every reader there is."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import numpy as np
import pytest
import yaml

import bench.data
from bench.config.component import Component
from bench.data.abilities import CountsMasks, NamesPictures
from bench.data.opening import reader_args
from bench.types import BenchError, Mask

from .kinds import KINDS
from .making import change_nothing

CONF = Path(__file__).parents[3] / "conf" / "dataset"

# Photos hands everything on to Coco; its own test is test_photos.py.
TESTED_ELSEWHERE = {"Photos"}


def reader_classes():
    for module in pkgutil.walk_packages(bench.data.__path__, "bench.data."):
        for name, thing in vars(importlib.import_module(module.name)).items():
            is_own = getattr(thing, "__module__", None) == module.name
            if (
                inspect.isclass(thing)
                and is_own
                and hasattr(thing, "fingerprint")
                and hasattr(thing, "read")
                and hasattr(thing, "ids")
            ):
                yield name


def test_every_reader_is_tested_here():
    assert set(reader_classes()) == set(KINDS) | TESTED_ELSEWHERE


@pytest.fixture(params=sorted(KINDS))
def kind(request):
    return KINDS[request.param]


def test_ids_are_unique_stable_and_match_their_samples(kind, tmp_path):
    reader = kind.make(tmp_path)
    ids = reader.ids()
    assert len(set(ids)) == len(ids) >= 2
    assert list(ids) == list(reader.ids()) == list(kind.make(tmp_path).ids())
    assert all(reader.read(image_id).image_id == image_id for image_id in ids)


def test_a_sample_is_the_same_each_time_and_whatever_was_read_before(kind, tmp_path):
    reader, other = kind.make(tmp_path), kind.make(tmp_path)
    forwards = {image_id: reader.read(image_id) for image_id in reader.ids()}
    backwards = {image_id: other.read(image_id) for image_id in reversed(other.ids())}
    for image_id, one in forwards.items():
        two = backwards[image_id]
        assert np.array_equal(one.image, two.image)
        assert [t.mask_id for t in one.targets] == [t.mask_id for t in two.targets]
        for first, second in zip(one.targets, two.targets, strict=True):
            assert np.array_equal(first.mask.dense(), second.mask.dense())


def test_pictures_and_masks_are_well_formed(kind, tmp_path):
    reader = kind.make(tmp_path)
    seen = []
    for image_id in reader.ids():
        sample = reader.read(image_id)
        assert sample.image.dtype == np.uint8
        assert sample.image.shape == (*sample.shape, 3)
        for target in sample.targets:
            seen.append(target.mask_id)
            assert target.mask.shape == sample.shape
            counts = target.mask.to_rle()
            again = Mask.from_rle({"size": target.mask.shape, "counts": counts})
            assert np.array_equal(again.dense(), target.mask.dense())
            if target.mask.area:
                assert target.mask.bits[0].any()
                assert target.mask.bits[:, -1].any()
    assert seen
    assert len(set(seen)) == len(seen), "a mask_id is unique in its dataset"


def test_what_is_known_without_decoding_is_what_reading_finds(kind, tmp_path):
    reader = kind.make(tmp_path)
    for image_id in reader.ids():
        if isinstance(reader, CountsMasks):
            crowds = [target.crowd for target in reader.read(image_id).targets]
            assert reader.mask_count(image_id) == crowds.count(False)
        if isinstance(reader, NamesPictures):
            assert reader.path(image_id).is_file()


def test_an_unknown_id_is_a_clear_error(kind, tmp_path):
    with pytest.raises(BenchError, match="nowhere"):
        kind.make(tmp_path).read("nowhere")


def test_the_fingerprint_is_stable_does_not_know_the_place_and_notices_changes(kind, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    before = kind.make(here).fingerprint()
    assert before == kind.make(here).fingerprint() == kind.make(there).fingerprint()
    kind.change(here)
    changes = kind.change is not change_nothing
    assert (kind.open(here).fingerprint() != before) == changes


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_yaml_fits_its_reader(path):
    part = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert part["name"] == path.stem
    assert not part["name"][0].isdigit()
    assert isinstance(part["version"], str)
    module, _, name = part["target"].rpartition(".")
    reader = getattr(importlib.import_module(module), name)
    inspect.signature(reader).bind(**reader_args(Component(**part)), site=None)
    # Own data has no title: its `dataset.name` stands in the tables.
    assert {"what", "split", "licence", "citation", "homepage"} <= set(part["about"])
    assert "title" in part["about"] or "???" in part["args"].values()
