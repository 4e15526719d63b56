"""The embedded photos: the pictures are those the masks were drawn on, the masks are sound."""

import hashlib
import json
from functools import cache

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from bench.data.formats.pictures import read_picture
from bench.demo.photos import ANNOTATIONS, installed_pictures
from bench.demo.photos.make_masks import build_annotations, draw_masks, fill, read_seeds, write_json

skimage = pytest.importorskip("skimage")


@cache
def annotations():
    return json.loads(ANNOTATIONS.read_text(encoding="utf-8"))


@cache
def pictures():
    return installed_pictures()


def masks_of(file_name):
    image_id = next(i["id"] for i in annotations()["images"] if i["file_name"] == file_name)
    return {
        entry["attributes"]["name"]: coco_mask.decode(entry["segmentation"]).astype(bool)
        for entry in annotations()["annotations"]
        if entry["image_id"] == image_id
    }


def file_names():
    return [image["file_name"] for image in annotations()["images"]]


@pytest.mark.parametrize("image", annotations()["images"], ids=file_names())
def test_picture_is_the_one_the_masks_were_drawn_on(image):
    path = pictures() / image["file_name"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == image["sha256"]
    assert read_picture(path).shape == (image["height"], image["width"], 3)
    assert image["credit"]
    assert image["licence"]


def test_ids_are_unique_and_refer_to_something():
    content = annotations()
    for key in ("images", "categories", "annotations"):
        ids = [entry["id"] for entry in content[key]]
        assert len(set(ids)) == len(ids)
    image_ids = {image["id"] for image in content["images"]}
    category_ids = {category["id"] for category in content["categories"]}
    assert {entry["image_id"] for entry in content["annotations"]} == image_ids
    assert {entry["category_id"] for entry in content["annotations"]} == category_ids


def test_every_mask_has_its_own_area_and_box():
    sizes = {image["id"]: [image["height"], image["width"]] for image in annotations()["images"]}
    for entry in annotations()["annotations"]:
        mask = coco_mask.decode(entry["segmentation"]).astype(bool)
        assert list(mask.shape) == entry["segmentation"]["size"] == sizes[entry["image_id"]]
        assert mask.sum() == entry["area"] > 0
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        x, y, width, height = entry["bbox"]
        assert (x, y) == (columns[0], rows[0])
        assert (x + width - 1, y + height - 1) == (columns[-1], rows[-1])
        assert entry["iscrowd"] == 0


def test_number_of_masks():
    counts = {name: len(masks_of(name)) for name in file_names()}
    assert counts == {
        "coins.png": 24,
        "astronaut.png": 10,
        "chelsea.png": 5,
        "coffee.png": 5,
        "camera.png": 3,
        "rocket.jpg": 2,
        "cell.png": 1,
        "moon.png": 3,
        "brick.png": 16,
        "motorcycle_left.png": 8,
        "ihc.png": 2,
        "retina.jpg": 1,
    }


@pytest.mark.parametrize(("file_name", "count"), [("coins.png", 24), ("brick.png", 16)])
def test_things_side_by_side_do_not_overlap(file_name, count):
    masks = np.stack(list(masks_of(file_name).values()))
    assert len(masks) == count
    assert masks.sum(axis=0).max() == 1


def test_coins_are_round_and_without_holes():
    for mask in masks_of("coins.png").values():
        rows, columns = np.nonzero(mask)
        spread = np.cov(np.stack([columns, rows]))
        # A full ellipse's area is 4π√det of its covariance.
        assert mask.sum() == pytest.approx(4 * np.pi * np.sqrt(np.linalg.det(spread)), rel=0.02)


@pytest.mark.parametrize(
    ("file_name", "inner", "outer"),
    [
        ("astronaut.png", "face", "head"),
        ("astronaut.png", "hair", "head"),
        ("astronaut.png", "head", "person"),
        ("astronaut.png", "name_tag", "person"),
        ("astronaut.png", "patch", "person"),
        ("chelsea.png", "pupil_left", "eye_left"),
        ("chelsea.png", "pupil_right", "eye_right"),
        ("coffee.png", "coffee", "cup"),
        ("coffee.png", "cup", "cup_and_saucer"),
        ("coffee.png", "saucer", "cup_and_saucer"),
        ("coffee.png", "spoon", "cup_and_saucer"),
        ("camera.png", "ear", "person"),
        ("rocket.jpg", "fairing", "rocket"),
    ],
)
def test_parts_lie_in_their_whole(file_name, inner, outer):
    masks = masks_of(file_name)
    assert not (masks[inner] & ~masks[outer]).any()
    assert masks[inner].sum() < masks[outer].sum()


@pytest.mark.parametrize(
    ("file_name", "one", "other"),
    [
        ("astronaut.png", "person", "helmet"),
        ("astronaut.png", "person", "flag"),
        ("astronaut.png", "face", "hair"),
        ("coffee.png", "cup", "saucer"),
        ("coffee.png", "cup", "spoon"),
        ("coffee.png", "saucer", "spoon"),
        ("camera.png", "person", "camera"),
    ],
)
def test_neighbours_do_not_overlap(file_name, one, other):
    masks = masks_of(file_name)
    assert not (masks[one] & masks[other]).any()


@pytest.mark.long
@pytest.mark.parametrize("file_name", file_names())
def test_seeds_give_the_same_masks_again(file_name):
    drawn = draw_masks(
        read_picture(pictures() / file_name), read_seeds()["pictures"][file_name]["masks"]
    )
    kept = masks_of(file_name)
    assert list(drawn) == list(kept)
    for name, mask in drawn.items():
        # Another release of OpenCV may round a colour differently, which moves an edge by a pixel.
        assert (mask & kept[name]).sum() >= 0.99 * (mask | kept[name]).sum(), name


@pytest.mark.long
def test_the_whole_file_is_written_again(tmp_path):
    content = build_annotations(read_seeds(), pictures())
    write_json(content, tmp_path / "annotations.json")
    again = json.loads((tmp_path / "annotations.json").read_text(encoding="utf-8"))
    assert again == content
    for key in ("info", "images", "categories"):
        assert again[key] == annotations()[key]
    ids = [(entry["id"], entry["category_id"]) for entry in annotations()["annotations"]]
    assert [(entry["id"], entry["category_id"]) for entry in again["annotations"]] == ids


def test_fill_takes_the_pixels_whose_centres_are_inside():
    triangle = np.array([[0.5, 0.5], [6.5, 0.5], [0.5, 3.5]])
    expected = np.zeros((5, 9), dtype=bool)
    expected[1, 1:5] = True
    expected[2, 1:3] = True
    expected[3, 1:1] = True
    found = fill(triangle, (5, 9))
    # (5, 1) and (3, 2) are centres on the slanted side itself and may fall either way.
    open_pixels = np.zeros_like(expected)
    open_pixels[1, 5] = open_pixels[2, 3] = open_pixels[3, 1] = True
    assert (found == expected)[~open_pixels].all()


def test_fill_keeps_to_the_picture():
    square = np.array([[-5.0, -5.0], [20.0, -5.0], [20.0, 20.0], [-5.0, 20.0]])
    assert fill(square, (4, 7)).all()
    assert not fill(square + 100, (4, 7)).any()
