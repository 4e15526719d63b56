"""COCO files: what their masks are, and what is refused."""

import copy

import numpy as np
import pytest

from bench.data.readers.coco import Coco
from bench.types import BenchError

from .making import (
    HEIGHT,
    TRUTH,
    WIDTH,
    coco_content,
    open_coco,
    picture,
    rle,
    save,
    site,
    write_coco,
    write_coco_pictures,
    write_coco_set,
)


@pytest.fixture
def content():
    return coco_content()


def opened(folder, content, **options):
    write_coco(folder, content)
    write_coco_pictures(folder)
    return Coco("truth.json", "images", site=site(folder), **options)


def test_masks_are_the_truth_pixel_by_pixel(tmp_path, content):
    sample = opened(tmp_path, content).read("10")
    assert np.array_equal(sample.image, picture())
    assert [target.mask_id for target in sample.targets] == ["0", "1", "2", "3", "4", "5"]
    for target, (name, mask) in zip(sample.targets, TRUTH.items(), strict=True):
        assert np.array_equal(target.mask.dense(), mask), name
        assert target.mask.area == np.count_nonzero(mask), "not the -1 of the file"
        assert target.crowd == (name == "all")
    assert [target.category for target in sample.targets] == ["nut", "bean"] * 3


def test_ids_are_sorted_as_numbers_and_images_without_annotations_are_among_them(tmp_path, content):
    reader = opened(tmp_path, content)
    assert reader.ids() == ["2", "10"]
    assert reader.read("2").targets == []


def test_image_id_zero_text_ids_and_an_annotation_that_writes_the_id_as_text(tmp_path, content):
    content["images"][0]["id"] = 0
    content["images"][1]["id"] = "b"
    for annotation in content["annotations"]:
        annotation["image_id"] = "0"
    reader = opened(tmp_path, content)
    assert reader.ids() == ["0", "b"]
    assert len(reader.read("0").targets) == len(TRUTH)


def test_polygons_and_empty_segmentations_are_targets_all(tmp_path, content):
    wanted = {
        0: [[2, 1, 7, 1, 7, 4, 2, 4], [9, 6, 12, 6, 12, 9, 9, 9]],
        1: [],
        2: [[1, 1, 5, 5]],
        3: None,
    }
    for number, segmentation in wanted.items():
        content["annotations"][number]["segmentation"] = segmentation
    targets = opened(tmp_path, content).read("10").targets
    assert [target.mask.area for target in targets[:4]] == [24, 0, 0, 0]
    assert targets[0].mask.box == (2, 1, 11, 8)
    assert len(targets) == len(TRUTH)


def test_no_iscrowd_no_categories_no_sizes(tmp_path, content):
    del content["categories"], content["images"][0]["width"], content["images"][0]["height"]
    for annotation in content["annotations"]:
        del annotation["iscrowd"], annotation["area"], annotation["bbox"], annotation["category_id"]
    targets = opened(tmp_path, content).read("10").targets
    assert {target.category for target in targets} == {None}
    assert not any(target.crowd for target in targets)


def test_box_and_area_of_the_file_are_kept_beside_the_masks(tmp_path, content):
    annotations = content["annotations"]
    annotations[0] |= {"bbox": [1.5, 2, 10, 4.25], "area": 0.75}
    annotations[1] |= {"bbox": [1, 2, 3], "area": "7"}
    annotations[2] |= {"bbox": [1, 2, float("nan"), 4], "area": None}
    del annotations[3]["bbox"], annotations[3]["area"]
    reader = opened(tmp_path, content)
    found = [(target.file_box, target.file_area) for target in reader.read("10").targets[:5]]
    assert found == [
        ((1.5, 2.0, 11.5, 6.25), 0.75),
        (None, None),
        (None, None),
        (None, None),
        ((0.0, 0.0, 0.0, 0.0), -1.0),
    ]
    told = {each.kind: each.examples for each in reader.oddities()}
    assert told["bbox that is no box, the mask's own in its place"] == ("1", "2")


@pytest.mark.parametrize("size", [{"height": None}, {"width": None}, {"height": -1}])
def test_polygons_of_an_image_of_no_known_size_are_not_held_against_it(tmp_path, content, size):
    content["images"][0] |= size
    content["annotations"][0]["segmentation"] = [[500, 500, 600, 500, 600, 600]]
    kinds = [each.kind for each in opened(tmp_path, content).oddities()]
    assert not [kind for kind in kinds if "picture" in kind]


def test_attributes_become_text(tmp_path, content):
    written = {"level": "part", "n": 2, "occluded": True, "none": None, "list": [1, "é"]}
    content["annotations"][0]["attributes"] = written
    targets = opened(tmp_path, content).read("10").targets
    expected = {"level": "part", "n": "2", "occluded": "true", "list": '[1, "é"]'}
    assert targets[0].attributes == expected
    assert targets[1].attributes == {}


def test_a_prefix_of_file_names_is_stripped(tmp_path, content):
    content["images"][0]["file_name"] = "COCO_val2014_sub/a.png"
    with pytest.raises(BenchError, match="COCO_val2014_sub"):
        opened(tmp_path, content).read("10")
    sample = opened(tmp_path, content, strip="COCO_val2014_").read("10")
    assert np.array_equal(sample.image, picture())


def test_absolute_paths_need_no_datasets_folder(tmp_path):
    write_coco_set(tmp_path)
    there = Coco(str(tmp_path / "truth.json"), str(tmp_path / "images"), site=site(tmp_path / "no"))
    assert there.ids() == ["2", "10"]


def test_another_size_is_an_error_of_that_image_alone(tmp_path, content):
    content["images"][0].update(height=14, width=9)
    reader = opened(tmp_path, content)
    with pytest.raises(BenchError, match=r"a\.png: the picture is 9×14 .* 14×9 for image 10"):
        reader.read("10")
    assert reader.read("2").shape == (5, 8)


def test_a_missing_or_broken_picture_is_an_error_of_that_image_alone(tmp_path, content):
    reader = opened(tmp_path, content)
    (tmp_path / "images" / "b.png").write_bytes(b"")
    with pytest.raises(BenchError, match=r"b\.png"):
        reader.read("2")
    (tmp_path / "images" / "b.png").unlink()
    with pytest.raises(BenchError, match=r"b\.png: no such"):
        opened_again(tmp_path).read("2")
    assert len(reader.read("10").targets) == len(TRUTH)


def opened_again(folder):
    return open_coco(folder)


def test_a_broken_segmentation_names_file_and_annotation(tmp_path, content):
    content["annotations"][2]["segmentation"] = rle(TRUTH["hole"].T)
    reader = opened(tmp_path, content)
    with pytest.raises(BenchError, match=r"truth\.json: annotation 2: the RLE is of 14×9"):
        reader.read("10")


def _without(entries, place, key):
    del entries[place][key]


BREAKS = {
    "annotation 3 has the category_id [1]": lambda c: c["annotations"][3].update(category_id=[1]),
    "no list 'images'": lambda c: c.pop("images"),
    "list 'annotations'": lambda c: c.update(annotations={}),
    "'images' is empty": lambda c: c.update(images=[], annotations=[]),
    "annotation 3 refers to image 77": lambda c: c["annotations"][3].update(image_id=77),
    "annotation 3 refers to category 2": lambda c: c["annotations"][3].update(category_id=2),
    "annotation 3 has no 'segmentation'": lambda c: _without(c["annotations"], 3, "segmentation"),
    "id 1 is in 'annotations' more than once": lambda c: c["annotations"][0].update(id="1"),
    "id 10 is in 'images' more than once": lambda c: c["images"][1].update(id=10),
    "'annotations' has a whole number or text 'id'": lambda c: _without(c["annotations"], 0, "id"),
    "'annotations' has a whole number or text 'image_id'": lambda c: _without(
        c["annotations"], 0, "image_id"
    ),
    "'images' has a whole number or text 'id'": lambda c: c["images"][0].update(id=None),
    "image 10 has no 'file_name'": lambda c: _without(c["images"], 0, "file_name"),
    "'categories' has a whole number or text 'id' and 'name'": lambda c: _without(
        c["categories"], 0, "name"
    ),
    "right folder of images": lambda c: [i.update(file_name="no.png") for i in c["images"]],
}


@pytest.mark.parametrize("message", BREAKS)
def test_a_broken_file_is_refused_when_opened(tmp_path, content, message):
    before = copy.deepcopy(content)
    BREAKS[message](content)
    assert content != before
    with pytest.raises(BenchError) as caught:
        opened(tmp_path, content)
    said = str(caught.value)
    assert message.removeprefix("no ") in said
    assert "\n" not in said
    assert str(tmp_path) in said


@pytest.mark.parametrize("text", ["{", "[]", "", '"text"', "\xff"])
def test_what_is_not_a_coco_file(tmp_path, text):
    write_coco_set(tmp_path)
    (tmp_path / "truth.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BenchError, match=r"truth\.json: (not a JSON|a COCO file is an object)"):
        open_coco(tmp_path)


def test_missing_file_and_folder_say_what_was_looked_for_and_what_to_set(tmp_path):
    with pytest.raises(BenchError, match=r"truth\.json: no such file; .*runtime\.datasets=PATH"):
        open_coco(tmp_path)
    write_coco(tmp_path, coco_content())
    (tmp_path / "images").rmdir()
    with pytest.raises(BenchError, match=r"images: no such folder; .*runtime\.datasets=PATH"):
        open_coco(tmp_path)


def test_the_fingerprint_notices_another_picture(tmp_path):
    write_coco_set(tmp_path)
    before = open_coco(tmp_path).fingerprint()
    save(tmp_path / "images" / "b.png", picture(5, 8)[::-1, ::-1] // 3)
    assert open_coco(tmp_path).fingerprint() != before
    (tmp_path / "images" / "b.png").unlink()
    assert open_coco(tmp_path).fingerprint() != before


def test_twins_and_strays_are_counted_where_they_are_refused(tmp_path, content):
    twins, strays = copy.deepcopy(content), copy.deepcopy(content)
    for annotation in twins["annotations"]:
        annotation["id"] = 1
    with pytest.raises(BenchError, match=rf"\({len(twins['annotations']) - 1} such entries\)$"):
        opened(tmp_path / "twins", twins)
    for annotation in strays["annotations"][:2]:
        annotation["image_id"] = 77
    with pytest.raises(BenchError, match=r"does not list \(2 such annotations\)$"):
        opened(tmp_path / "strays", strays)


@pytest.mark.parametrize(
    ("segmentation", "says", "odd"),
    [
        ([[1, 2, 5, 4]], "annotation 7: its segmentation is its bbox", "bbox in the place of"),
        ([1, 2, 5, 4], "annotation 7: its segmentation is its bbox", "bbox in the place of"),
        ([[1, 2], [6, 2], [6, 6]], r"annotation 7: .* found 3 pairs", "polygon written as pairs"),
        ([[0.1, 0.2, 0.6, 0.2, 0.6, 1]], "annotation 7: .* as shares", "polygon as shares"),
    ],
)
def test_what_is_no_outline_is_refused_and_told(tmp_path, segmentation, says, odd):
    save(tmp_path / "images" / "a.png", picture())
    annotation = {"id": 7, "image_id": 1, "bbox": [1, 2, 5, 4], "segmentation": segmentation}
    images = [{"id": 1, "file_name": "a.png", "height": HEIGHT, "width": WIDTH}]
    write_coco(tmp_path, {"images": images, "annotations": [annotation]})
    reader = Coco("truth.json", "images", site=site(tmp_path))
    with pytest.raises(BenchError, match=says):
        reader.read("1")
    (told,) = reader.oddities()
    assert told.kind.startswith(odd)
    assert told.breaks
