"""Folders in the formats of other tools: recognised and read, or what keeps them from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from bench.cli import main
from bench.data.recognise import recognise
from bench.types import BenchError

H, W = 20, 30
NAMES = ("a", "a_1", "17")
SQUARE = [[3.0, 4.0], [15.0, 4.0], [15.0, 9.0]]


def photo(path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (H, W, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, **options)


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def save(path: Path, pixels: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def labelme(folder: Path) -> None:
    for number, name in enumerate(NAMES):
        photo(folder / f"{name}{'.png' if number else '.jpg'}")
        shape = {"label": "bean", "points": SQUARE, "shape_type": "polygon", "group_id": None}
        write(folder / f"{name}.json", {"version": "5.4.1", "shapes": [shape, shape]})


def labelme_apart(folder: Path) -> None:
    for name in NAMES:
        photo(folder / "images" / f"{name}.jpg")
        write(folder / "labels" / f"{name}.json", {"shapes": [{"label": "x", "points": SQUARE}]})


def yolo(folder: Path) -> None:
    for name in NAMES:
        photo(folder / "images" / "val" / f"{name}.jpg")
        write(folder / "labels" / "val" / f"{name}.txt", "1 .1 .1 .6 .1 .6 .6\n0 0 0 1 0 1 1\n")
    write(folder / "data.yaml", yaml.safe_dump({"val": "images/val", "names": ["cat", "dog: 2"]}))


def panoptic(folder: Path, ending: str = ".jpg") -> None:
    images, annotations = [], []
    for number, name in enumerate(NAMES):
        photo(folder / "val2017" / f"{name}{ending}")
        colours = np.zeros((H, W, 3), np.uint8)
        colours[3:9, 4:15], colours[12:] = (7, 1, 0), (0, 0, 3)
        save(folder / "panoptic_val2017" / f"{name}.png", colours)
        infos = [{"id": 7 + 256, "category_id": 1}, {"id": 3 << 16, "category_id": 2}]
        images.append({"id": number, "file_name": f"{name}{ending}"})
        annotations.append({"image_id": number, "file_name": f"{name}.png", "segments_info": infos})
    categories = [{"id": 1, "name": "cat", "isthing": 1}, {"id": 2, "name": "sky", "isthing": 0}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write(folder / "panoptic_val2017.json", content)


def via(folder: Path) -> None:
    shape = {"name": "polygon", "all_points_x": [3, 15, 15], "all_points_y": [4, 4, 9]}
    for name in NAMES:
        photo(folder / "images" / f"{name}.jpg")
    regions = [{"shape_attributes": shape, "region_attributes": {}}]
    entries = {f"{n}.jpg1": {"filename": f"{n}.jpg", "size": 1, "regions": regions} for n in NAMES}
    write(folder / "via.json", {"_via_settings": {}, "_via_img_metadata": entries})


def youtube_vis(folder: Path) -> None:
    for name in NAMES:
        photo(folder / "train" / "v" / f"{name}.jpg")
    video = {"id": 1, "file_names": [f"v/{name}.jpg" for name in NAMES], "height": H, "width": W}
    rle = {"size": [H, W], "counts": [10, 5, H * W - 15]}
    annotation = {"id": 1, "video_id": 1, "category_id": 1, "segmentations": [rle, None, rle]}
    content = {"videos": [video], "annotations": [annotation]}
    write(folder / "ann.json", {**content, "categories": [{"id": 1, "name": "x"}]})


FORMATS: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "labelme": (labelme, "labelme", "6 masks in 3 of 3 images"),
    "labelme_apart": (labelme_apart, "labelme", "3 masks in 3 of 3 images"),
    "yolo": (yolo, "yolo", "6 masks in 3 of 3 images"),
    "panoptic": (panoptic, "coco_panoptic", "6 masks in 3 of 3 images"),
    "via": (via, "via", "3 masks in 3 of 3 images"),
    "youtube_vis": (youtube_vis, "youtube_vis", "2 masks in 3 of 3 images"),
}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_format_is_recognised_written_and_read(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, kind, counted = FORMATS[name]
    make(tmp_path / "data")
    conf = tmp_path / "conf"
    new = ["data", "new", "mine", "--folder", str(tmp_path / "data"), "--config-dir", str(conf)]
    assert main(new) == 0
    assert f"recognised {kind}: " in capsys.readouterr().out
    words = ["--config-dir", str(conf), "dataset=mine", f"runtime.results={tmp_path}/results"]
    assert main(["check", *words]) == 0
    assert f"mine: {counted}" in capsys.readouterr().out


def test_what_is_found_in_a_folder(tmp_path: Path) -> None:
    labelme(tmp_path / "l")
    found = recognise(tmp_path / "l").args
    assert (found["images"], found["annotations"], found["exif"]) == (
        "{id}.*",
        "{id}.json",
        "apply",
    )
    yolo(tmp_path / "y")
    photo(tmp_path / "y" / "images" / "val" / "bare.jpg")
    way = recognise(tmp_path / "y")
    assert (way.args["images"], way.args["labels"]) == (
        "images/val/{id}.jpg",
        "labels/val/{id}.txt",
    )
    assert way.args["categories"] == {"0": "cat", "1": "dog: 2"}
    assert "1 pictures have no label file and count as pictures without objects" in way.assumed
    panoptic(tmp_path / "p", ".png")
    found = recognise(tmp_path / "p").args
    assert found["images"] == str(tmp_path / "p" / "val2017")
    assert found["segments"] == str(tmp_path / "p" / "panoptic_val2017")
    panoptic(tmp_path / "q")
    assert recognise(tmp_path / "q").format == "coco_panoptic"
    assert recognise(tmp_path / "q", "label_image").args["labels"] == "panoptic_val2017/{id}.png"


def test_splits_of_yolo_are_two_ways(tmp_path: Path) -> None:
    yolo(tmp_path)
    for name in ("x", "y"):
        photo(tmp_path / "images" / "train" / f"{name}.jpg")
        write(tmp_path / "labels" / "train" / f"{name}.txt", "1 .1 .1 .6 .1 .6 .6")
    with pytest.raises(
        BenchError, match=r"in 2 ways; .*'yolo:labels/val/\{id\}\.txt'|in 2 ways"
    ) as e:
        recognise(tmp_path)
    assert "yolo:labels/train/{id}.txt" in str(e.value)
    way = recognise(tmp_path, "yolo:labels/train/{id}.txt")
    assert way.args["images"] == "images/train/{id}.jpg"


def test_pictures_that_the_tool_turns_are_said(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(tmp_path / "a.jpg", exif=exif)
    write(tmp_path / "a.json", {"shapes": [{"label": "x", "points": SQUARE}]})
    way = recognise(tmp_path)
    assert "turned by their EXIF orientation, as labelme shows them" in " ".join(way.assumed)


def twins(folder: Path) -> None:
    photo(folder / "images" / "a.jpg")
    photo(folder / "images" / "a.png")
    save(folder / "masks" / "a.png", np.eye(H, W, dtype=np.uint8) * 255)


def jpeg_labels(folder: Path) -> None:
    photo(folder / "images" / "a.png")
    save(folder / "labels" / "a.jpg", np.full((H, W), 100, np.uint8))


def dark_webp_labels(folder: Path) -> None:
    photo(folder / "images" / "a.png")
    save(folder / "labels" / "a.webp", np.repeat(np.eye(H, W, dtype=np.uint8)[..., None], 3, 2))


def float_labels(folder: Path) -> None:
    photo(folder / "images" / "a.png")
    save(folder / "labels" / "a.tif", np.eye(H, W, dtype=np.float32))


def yolo_boxes(folder: Path) -> None:
    photo(folder / "images" / "a.png")
    write(folder / "labels" / "a.txt", "0 .5 .5 .2 .2\n")


def panoptic_without_pngs(folder: Path) -> None:
    panoptic(folder)
    for path in (folder / "panoptic_val2017").iterdir():
        path.unlink()


def coco_boxes(folder: Path) -> None:
    photo(folder / "a.png")
    annotation = {"id": 1, "image_id": 1, "bbox": [1, 1, 2, 2]}
    write(folder / "c.json", {"images": [{"file_name": "a.png"}], "annotations": [annotation]})


def coco_elsewhere(folder: Path) -> None:
    photo(folder / "a.png")
    annotation = {"id": 1, "image_id": 1, "segmentation": [[1, 1, 2, 2, 3, 3]]}
    write(folder / "c.json", {"images": [{"file_name": "b.png"}], "annotations": [annotation]})


def via_elsewhere(folder: Path) -> None:
    via(folder)
    (folder / "images").rename(folder / "other")
    for path in (folder / "other").iterdir():
        path.rename(path.with_name(f"x{path.name}"))


def supervisely(folder: Path) -> None:
    photo(folder / "img" / "a.jpg")
    write(folder / "ann" / "a.jpg.json", {"size": {"height": H, "width": W}, "objects": []})


def label_studio(folder: Path) -> None:
    photo(folder / "a.jpg")
    write(folder / "export.json", [{"id": 1, "annotations": [], "data": {"image": "a.jpg"}}])


def label_studio_min(folder: Path) -> None:
    photo(folder / "a.jpg")
    write(folder / "export.json", [{"id": 1, "image": "a.jpg", "tag": [{"format": "rle"}]}])


def isat(folder: Path) -> None:
    photo(folder / "a.jpg")
    write(folder / "a.json", {"info": {"description": "ISAT"}, "objects": []})


def heic(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))


def arrays(folder: Path) -> None:
    photo(folder / "images" / "a.jpg")
    (folder / "masks").mkdir()
    np.save(folder / "masks" / "a.npy", np.eye(3))


def comma_numbers(folder: Path) -> None:
    photo(folder / "images" / "a.png")
    write(folder / "labels" / "a.txt", "0 0,5 0,5 0,7 0,5 0,7 0,9\n")


def confidences(folder: Path) -> None:
    photo(folder / "images" / "a.png")
    write(folder / "labels" / "a.txt", "0 .5 .5 .7 .5 .7 .9 .87\n")


def voc_xml(folder: Path) -> None:
    photo(folder / "a.jpg")
    write(folder / "a.xml", "<annotation/>")


def broken_json(folder: Path) -> None:
    photo(folder / "a.jpg")
    write(folder / "c.json", "{")


def labelme_alone(folder: Path) -> None:
    write(folder / "a.json", {"shapes": []})


MISSES: list[tuple[Callable[[Path], None], str]] = [
    (twins, "images/a.jpg and images/a.png are two pictures of one name"),
    (jpeg_labels, "labels/a.jpg is a JPEG that isn't black and white: a JPEG packed with loss"),
    (dark_webp_labels, "labels/a.webp is a WEBP that isn't black and white: a WEBP packed with"),
    (
        float_labels,
        "labels/a.tif: the picture can't be read: floating-point values are no labels; save it",
    ),
    (yolo_boxes, "labels/{id}.txt holds boxes (five numbers a line), so there are no masks"),
    (panoptic_without_pngs, "is a COCO panoptic file, but its PNGs of segments are not here, 'a."),
    (coco_boxes, "c.json is a COCO file without segmentations"),
    (coco_elsewhere, "c.json is a COCO file, but none of its pictures, 'b.png' for one, is here"),
    (via_elsewhere, "via.json is a VIA file, but none of its pictures, 'a.jpg' for one, is here"),
    (supervisely, "ann/a.jpg.json looks like Supervisely's, which no reader reads: export it as"),
    (label_studio, "export.json looks like Label Studio's, which no reader reads: export it as"),
    (label_studio_min, "export.json looks like Label Studio's, which no reader reads"),
    (isat, "a.json looks like ISAT's, which no reader reads: export it as COCO"),
    (heic, "a.heic is a HEIC picture; convert it to PNG or JPEG"),
    (arrays, "masks/a.npy is a NumPy array; save it as PNG"),
    (comma_numbers, "labels/{id}.txt holds no lines of numbers, '0 0,5 0,5 0,7 0,5 0,7 0,9' for"),
    (voc_xml, "a.xml is XML (as Pascal VOC, LabelMe and CVAT write), export it as COCO"),
    (broken_json, "c.json is no JSON file that can be read: "),
    (labelme_alone, "a.json is labelme's, but no picture is here (reader labelme)"),
]


@pytest.mark.parametrize(("make", "says"), MISSES, ids=[make.__name__ for make, _ in MISSES])
def test_what_a_folder_nearly_is_is_said(
    make: Callable[[Path], None],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path / "data")
    assert main(["data", "new", "mine", "--folder", str(tmp_path / "data")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"sam-bench: {tmp_path}/data: no format is recognised; ")
    assert says in said
    assert said.count("\n") == 1
    assert said.count(says) == 1


def test_a_confidence_behind_an_outline_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    confidences(tmp_path / "data")
    assert main(["data", "new", "mine", "--folder", str(tmp_path / "data")]) == 2
    said = capsys.readouterr().err
    assert "a.txt: line 1: an outline is three or more pairs of x and y, found 7 numbers" in said
    assert "the last may be a prediction's confidence (save_conf)" in said
