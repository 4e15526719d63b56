"""Label images of all kinds of values."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from bench.data.formats.labels import components
from bench.data.readers.label_image import LabelImage
from bench.types import BenchError, Mask

from .making import TRUTH, open_label_image, picture, save, site, write_label_image

LABELS = np.array([[0, 0, 7, 7, 255], [3, 0, 7, 0, 255], [3, 0, 0, 0, 3]], dtype=np.uint8)


def opened(folder, labels, **options):
    save(folder / "images" / "a.png", picture(3, 5))
    if isinstance(labels, Image.Image):
        (folder / "labels").mkdir()
        labels.save(folder / "labels" / "a.png")
    else:
        save(folder / "labels" / "a.png", labels)
    return LabelImage("", "images/{id}.png", "labels/{id}.png", site=site(folder), **options)


def masks(reader):
    return {target.mask_id: target.mask.dense() for target in reader.read("a").targets}


def test_sixteen_bit_values_are_targets_by_rising_value(tmp_path):
    write_label_image(tmp_path)
    found = masks(open_label_image(tmp_path))
    assert list(found) == ["a/2", "a/7", "a/300", "a/65535"]
    assert np.array_equal(found["a/2"], TRUTH["hole"])
    assert np.array_equal(found["a/7"], TRUTH["two_parts"])
    assert np.array_equal(found["a/300"], TRUTH["border"])
    assert np.array_equal(found["a/65535"], TRUTH["one_pixel"])


def test_only_background_gives_no_target(tmp_path):
    write_label_image(tmp_path)
    assert open_label_image(tmp_path).read("b").targets == []


def test_one_value_everywhere(tmp_path):
    found = masks(opened(tmp_path, np.full((3, 5), 4, dtype=np.uint8)))
    assert list(found) == ["a/4"]
    assert found["a/4"].all()


def test_eight_bits_background_ignore_and_names(tmp_path):
    reader = opened(tmp_path, LABELS, background=[0], ignore=[255], categories={"7": "leaf"})
    sample = reader.read("a")
    assert [t.mask_id for t in sample.targets] == ["a/3", "a/7"]
    assert [t.category for t in sample.targets] == [None, "leaf"]
    for target, value in zip(sample.targets, (3, 7), strict=True):
        assert np.array_equal(target.mask.dense(), value == LABELS)
    assert np.array_equal(sample.ignore, LABELS == 255)


def test_without_ignored_values_there_is_no_ignored_region(tmp_path):
    reader = opened(tmp_path, LABELS, background=[])
    assert reader.read("a").ignore is None
    assert list(masks(reader)) == ["a/0", "a/3", "a/7", "a/255"]


def test_palette_indices_not_colours(tmp_path):
    image = Image.fromarray(LABELS)
    image.putpalette([5, 5, 5] * 256)  # one colour for all
    found = masks(opened(tmp_path, image))
    assert list(found) == ["a/3", "a/7", "a/255"]
    assert np.array_equal(found["a/7"], LABELS == 7)


@pytest.mark.parametrize("white", ["255,255,255", [255, 255, 255], 0xFFFFFF])
def test_colours(tmp_path, white):
    colours = np.full((3, 5, 3), 255, dtype=np.uint8)
    colours[0, 1:3] = (10, 0, 0)
    colours[2, 4] = (0, 10, 0)
    options = {"background": [white], "categories": {"10,0,0": "red"}}
    reader = opened(tmp_path, colours, **options)
    targets = {t.mask_id: t for t in reader.read("a").targets}
    assert list(targets) == ["a/2560", "a/655360"]
    assert targets["a/655360"].mask.box == (1, 0, 2, 0)
    assert targets["a/655360"].category == "red"


def test_split_components_are_ordered_by_their_first_pixels(tmp_path):
    found = masks(opened(tmp_path, LABELS, ignore=[255], split_components=True))
    assert list(found) == ["a/3.0", "a/3.1", "a/7.0"]
    assert np.argwhere(found["a/3.0"]).tolist() == [[1, 0], [2, 0]]
    assert np.argwhere(found["a/3.1"]).tolist() == [[2, 4]]


def test_components_touch_over_corners_and_keep_their_holes():
    corner = np.array([[1, 0, 0], [0, 1, 0]], dtype=bool)
    assert len(components(Mask.from_dense(corner))) == 1
    parts = components(Mask.from_dense(TRUTH["two_parts"]))
    assert [part.box for part in parts] == [(0, 0, 1, 1), (9, 6, 11, 8)]
    (hole,) = components(Mask.from_dense(TRUTH["hole"]))
    assert np.array_equal(hole.dense(), TRUTH["hole"])
    assert components(Mask.from_dense(TRUTH["none"])) == []


def test_a_threshold_makes_one_object_of_soft_files_or_one_of_each_part(tmp_path):
    soft = np.array([[0, 90, 140, 0, 0], [0, 0, 255, 0, 0], [0, 0, 0, 0, 200]], dtype=np.uint8)
    reader = opened(tmp_path, soft, threshold=127)
    assert {name: mask.tolist() for name, mask in masks(reader).items()} == {
        "a/1": (soft > 127).tolist()
    }
    apart = LabelImage(
        "", "images/{id}.png", "labels/{id}.png", site=site(tmp_path),
        threshold=127, split_components=True,
    )  # fmt: skip
    assert {name: mask.sum() for name, mask in masks(apart).items()} == {"a/1.0": 2, "a/1.1": 1}


def test_the_ids_are_what_has_labels(tmp_path):
    save(tmp_path / "images" / "unlabelled.png", picture(3, 5))
    assert opened(tmp_path, LABELS).ids() == ["a"]


def test_labels_without_a_picture_are_refused_when_opened(tmp_path):
    save(tmp_path / "labels" / "lonely.png", LABELS)
    with pytest.raises(BenchError, match=r"lonely\.png: .* \(1 of 2 have none\)"):
        opened(tmp_path, LABELS)


def test_another_size_is_named(tmp_path):
    with pytest.raises(BenchError, match=r"a\.png: the label image is 5×3 .* 3×5"):
        opened(tmp_path, LABELS.T).read("a")


@pytest.mark.parametrize("value", ["red", "1,2", [1, 2, 300], None, 1.5, "1,2,3,4"])
def test_what_is_no_value_is_refused(tmp_path, value):
    with pytest.raises(BenchError, match="a label value is"):
        opened(tmp_path, LABELS, background=[value])


def test_nothing_found(tmp_path):
    save(tmp_path / "a.png", LABELS)
    with pytest.raises(BenchError, match="no label image matches"):
        LabelImage("", "{id}.png", "labels/{id}.png", site=site(tmp_path))


def write_below_zero(folder, dtype=np.int32):
    values = np.array([[-1, -1, 0, 3], [-1, 2, 2, 3]], dtype=dtype)
    save(folder / "i" / "a.png", picture(2, 4))
    return save(folder / "l" / "a.tif", values)


@pytest.mark.parametrize("dtype", [np.int32, np.int16])
def test_a_value_below_zero_is_no_object_unsaid(tmp_path, dtype):
    file = write_below_zero(tmp_path, dtype)
    opened = partial(LabelImage, "", "i/{id}.png", "l/{id}.tif", site=site(tmp_path))
    with pytest.raises(BenchError, match=r"a\.tif: the value -1 is below 0"):
        opened().read("a")
    assert file.is_file()
    for told in ({"ignore": [-1]}, {"background": [0, -1]}):
        targets = opened(**told).read("a").targets
        assert [target.mask_id for target in targets] == ["a/2", "a/3"]
    named = opened(categories={-1: "other"}).read("a").targets
    assert [target.mask_id for target in named] == ["a/-1", "a/2", "a/3"]
