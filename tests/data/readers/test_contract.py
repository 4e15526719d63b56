"""What every reader promises (``bench.types.Reader``), over every reader there is."""

import importlib
import inspect
import os
import pkgutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import bench.data
from bench.config.component import Component
from bench.data.abilities import CountsMasks, NamesFiles, NamesPictures
from bench.data.opening import reader_args
from bench.data.origins import Origins
from bench.data.subset import Subset
from bench.types import BenchError, Mask

from .kinds import KINDS
from .making import change_nothing

CONF = Path(__file__).parents[3] / "conf" / "dataset"

# Photos hands everything on to Coco; its own test is test_photos.py.
TESTED_ELSEWHERE = {"InMemory", "Photos"}


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


class Opened:
    """The files that this process opens in Python while it listens, as an audit hook tells."""

    def __init__(self):
        self.paths, self.listening = set(), False
        sys.addaudithook(self.hear)

    def hear(self, event, args):
        if self.listening and event == "open" and isinstance(args[0], str | Path):
            self.paths.add(Path(args[0]).resolve())


OPENED = Opened()


def whole(reader):
    return reader.whole if isinstance(reader, Subset) else reader


def test_the_files_that_are_named_for_an_image_are_those_that_it_is_read_from(kind, tmp_path):
    reader = whole(kind.make(tmp_path))
    if not isinstance(reader, NamesFiles):
        assert kind.change is change_nothing, "what lies on a disk has files"
        return
    for image_id in reader.ids():
        OPENED.paths, OPENED.listening = set(), True
        try:
            reader.read(image_id)
        finally:
            OPENED.listening = False
        named = [path.resolve() for path in reader.files_of(image_id)]
        assert all(path.is_file() for path in named)
        opened = {path for path in OPENED.paths if path.is_relative_to(tmp_path.resolve())}
        assert opened <= set(named)
        assert reader.path(image_id).resolve() in named


def test_content_that_changes_under_its_size_is_noticed_and_a_copy_is_not(kind, tmp_path):
    reader = whole(kind.make(tmp_path))
    if not isinstance(reader, NamesFiles):
        return
    ids, noted = list(reader.ids()), Origins(reader)
    for image_id in ids:
        noted.note(image_id)
    known = noted.of(ids)
    assert list(known) == ids
    assert Origins(reader).changed(known) is None
    for path in tmp_path.rglob("*.*"):
        os.utime(path)
    assert Origins(reader).changed(known) is None, "times alone are no change"
    for path in reader.files_of(ids[-1]):
        data, stat = path.read_bytes(), path.stat()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        sharing = [i for i in ids if path in reader.files_of(i)]
        assert Origins(reader).changed(known) == sharing[0]
        assert noted.changed(known) == sharing[0], "though it has seen the image before"
        path.write_bytes(data)
        assert Origins(reader).changed(known) is None


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
