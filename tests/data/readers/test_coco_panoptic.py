"""COCO's panoptic format: what its PNGs and JSON say, held against panopticapi's own rule."""

import json

import numpy as np
import pytest

from bench.data.oddities import oddities_of
from bench.types import BenchError, Mask

from .making import (
    HEIGHT,
    PANOPTIC,
    TRUTH,
    WIDTH,
    open_coco_panoptic,
    panoptic_colours,
    panoptic_content,
    save,
    write_coco_panoptic,
)


def change(folder, edit):
    content = panoptic_content()
    edit(content)
    (folder / "panoptic.json").write_text(json.dumps(content))
    return folder


def ids_by_panopticapi(colours):
    """``panopticapi.utils.rgb2id``."""
    colours = colours.astype(np.uint32)
    return colours[:, :, 0] + 256 * colours[:, :, 1] + 256 * 256 * colours[:, :, 2]


def test_segments_are_those_of_panopticapi(tmp_path):
    write_coco_panoptic(tmp_path)
    sample = open_coco_panoptic(tmp_path).read("10")
    ids = ids_by_panopticapi(panoptic_colours())
    (annotation,) = (a for a in panoptic_content()["annotations"] if a["image_id"] == 10)
    assert [t.mask_id for t in sample.targets] == [
        f"10/{info['id']}" for info in annotation["segments_info"]
    ]
    for target, info in zip(sample.targets, annotation["segments_info"], strict=True):
        assert np.array_equal(target.mask.dense(), ids == info["id"])
        assert target.file_area == info["area"] == target.mask.area
    by_name = {name: sample.targets[place] for place, name in enumerate(PANOPTIC)}
    for name in ("border", "hole", "two_parts", "one_pixel"):
        assert np.array_equal(by_name[name].mask.dense(), TRUTH[name]), name
    assert by_name["none"].mask.area == 0
    assert [t.category for t in sample.targets] == ["person", "sky", "person", "sky", "person"]
    kinds = [t.attributes["kind"] for t in sample.targets]
    assert kinds == ["thing", "stuff", "thing", "stuff", "thing"]
    assert [t.crowd for t in sample.targets] == [False, False, True, False, False]
    assert by_name["border"].file_box == (10.0, 0.0, 14.0, 5.0)
    assert np.array_equal(sample.ignore, ids == 0)


def iou_by_panopticapi(ids, segment, prediction):
    """The IoU of ``panopticapi.evaluation.pq_compute_single_core``: void is in no union."""
    intersection = np.sum((ids == segment) & prediction)
    void = np.sum((ids == 0) & prediction)
    return intersection / (np.sum(ids == segment) + np.sum(prediction) - intersection - void)


@pytest.mark.parametrize("void", ["ignore", "background"])
def test_void_counts_in_no_union_as_in_panopticapi(tmp_path, void):
    write_coco_panoptic(tmp_path)
    sample = open_coco_panoptic(tmp_path, void=void).read("10")
    ids = ids_by_panopticapi(panoptic_colours())
    rng = np.random.default_rng(3)
    differ = 0
    for target in sample.targets[:4]:
        prediction = target.mask.dense() | (rng.random((HEIGHT, WIDTH)) < 0.3)
        kept = Mask.from_dense(prediction)
        if sample.ignore is not None:
            kept = kept.without(sample.ignore)
        both = (kept.dense() & target.mask.dense()).sum()
        ours = both / (kept.dense() | target.mask.dense()).sum()
        theirs = iou_by_panopticapi(ids, int(target.mask_id.split("/")[1]), prediction)
        differ += ours != theirs
    assert differ == (0 if void == "ignore" else 4)


def test_stuff_may_be_left_out(tmp_path):
    write_coco_panoptic(tmp_path)
    reader = open_coco_panoptic(tmp_path, stuff=False)
    assert {t.category for i in reader.ids() for t in reader.read(i).targets} == {"person"}
    assert [reader.mask_count(i) for i in reader.ids()] == [1, 2]


def test_images_without_an_annotation_are_left_out_and_told(tmp_path):
    write_coco_panoptic(tmp_path)
    change(tmp_path, lambda c: c["images"].append({"id": 3, "file_name": "c.png"}))
    save(tmp_path / "segments" / "stray.png", panoptic_colours())
    (tmp_path / "images" / "sub" / "a.png").unlink()
    reader = open_coco_panoptic(tmp_path)
    assert list(reader.ids()) == ["2", "10"]
    assert [(o.kind, o.count, o.breaks) for o in oddities_of(reader)] == [
        ("picture is missing", 1, True),
        ("image without annotations, left out", 1, False),
        ("PNG that no annotation names, left out", 1, False),
    ]


def info(content):
    return content["annotations"][0]["segments_info"][0]


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda c: info(c).update(id=0), "'id' is a whole number from 1 to 16777215"),
        (lambda c: info(c).update(id=1 << 24), "'id' is a whole number from 1"),
        (lambda c: info(c).update(id=True), "'id' is a whole number from 1"),
        (lambda c: info(c).update(id=c["annotations"][0]["segments_info"][1]["id"]), "twice"),
        (lambda c: info(c).update(category_id=9), "category 9, which 'categories'"),
        (lambda c: info(c).update(iscrowd=2), "'iscrowd' that isn't 0 or 1"),
        (lambda c: c["annotations"].append(c["annotations"][0]), "image 10 is annotated twice"),
        (lambda c: c["annotations"][0].update(image_id=5), "refers to image 5, which 'images'"),
        (lambda c: c["annotations"][0].update(file_name="../a.png"), "leads out of its folder"),
        (lambda c: c["annotations"][0].pop("file_name"), "has no 'file_name'"),
        (lambda c: c["annotations"][0].pop("segments_info"), "a list 'segments_info'"),
        (lambda c: c["images"][0].update(file_name="/etc/passwd"), "leads out of its folder"),
        (lambda c: c["images"].append(c["images"][0]), "10 is in 'images' more than once"),
        (lambda c: c["categories"][0].pop("isthing"), "category 1 has no 'isthing'"),
        (lambda c: c["categories"].append(c["categories"][0]), "1 is in 'categories' more than"),
        (lambda c: c.pop("categories"), "an object with a list 'categories' of objects"),
        (lambda c: c.pop("annotations"), "found the keys: categories, images"),
        (lambda c: c.update(annotations=[]), "'annotations' is empty"),
        (lambda c: [a.update(file_name=f"x{a['file_name']}") for a in c["annotations"]],
         "none of the first 2 pictures of panoptic.json is here"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_when_opened(tmp_path, edit, says):
    write_coco_panoptic(tmp_path)
    with pytest.raises(BenchError, match=says) as caught:
        open_coco_panoptic(change(tmp_path, edit))
    assert "\n" not in str(caught.value)


def test_a_colour_without_a_segment_and_a_png_without_colours_break_their_image(tmp_path):
    write_coco_panoptic(tmp_path)
    reader = open_coco_panoptic(change(tmp_path, lambda c: c["annotations"][0].update(
        segments_info=c["annotations"][0]["segments_info"][1:])))  # fmt: skip
    with pytest.raises(BenchError, match=r"a\.png: the segment \d+ isn't listed in 'segments_info"):
        reader.read("10")
    assert reader.read("2").targets
    save(tmp_path / "segments" / "b.png", np.zeros((5, 8), np.uint8))
    with pytest.raises(BenchError, match=r"b\.png: segments are the colours .* found PNG L"):
        reader.read("2")
    save(tmp_path / "segments" / "b.png", panoptic_colours())
    with pytest.raises(BenchError, match="its masks are 9×14"):
        reader.read("2")


def test_arguments_are_checked(tmp_path):
    write_coco_panoptic(tmp_path)
    with pytest.raises(BenchError, match="void must be 'ignore' or 'background', found 'skip'"):
        open_coco_panoptic(tmp_path, void="skip")
    with pytest.raises(BenchError, match="there is no annotated image with the id '7'"):
        open_coco_panoptic(tmp_path).read("7")
