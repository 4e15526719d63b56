"""Folders of pictures and masks as people have them, recognised, written and run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import yaml
from PIL import Image, ImageFilter

from bench.cli import main
from bench.config.component import Component
from bench.config.composing import load_configs
from bench.data.opening import open_whole
from bench.data.recognise import Recognised, recognise
from bench.data.recognise.patterns import id_in, image_ids, pattern_of
from bench.data.recognise.writing import to_yaml, write_yaml
from bench.types import BenchError, Site

H, W = 20, 30
NAMES = ("a", "a_1", "b 2", "17")


def photo(path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (H, W, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, **options)


def save(path: Path, pixels: npt.NDArray[Any], **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def box(value: int = 255, dtype: Any = np.uint8) -> npt.NDArray[Any]:
    mask = np.zeros((H, W), dtype=dtype)
    mask[3:9, 4:15] = value
    return mask


def labels(*values: int, dtype: Any = np.uint8) -> npt.NDArray[Any]:
    """A box for each value, side by side."""
    image = np.zeros((H, W), dtype=dtype)
    for place, value in enumerate(values):
        image[2:12, 1 + 6 * place : 6 + 6 * place] = value
    return image


def make_two_folders(folder: Path) -> None:
    for name in NAMES:
        photo(folder / "images" / f"{name}.jpg")
        save(folder / "masks" / f"{name}.png", box())


def make_suffix(folder: Path) -> None:
    for name in NAMES:
        photo(folder / f"{name}.jpg")
        save(folder / f"{name}_mask.png", box())


def make_same_folder(folder: Path) -> None:
    for name in NAMES:
        photo(folder / f"{name}.jpg")
        save(folder / f"{name}.png", box(1))


def make_bbbc(folder: Path) -> None:
    for name in NAMES:
        photo(folder / "train" / name / "images" / f"{name}.png")
        for number in range(3):
            save(folder / "train" / name / "masks" / f"{number}f3a.png", box())


def make_folder_per_mask(folder: Path) -> None:
    for name in NAMES:
        photo(folder / "photos" / f"{name}.tif")
        for number in range(2):
            save(folder / "masks" / name / f"object{number}.png", box())


def make_numbered(folder: Path) -> None:
    for name in NAMES:
        photo(folder / "images" / f"{name}.jpg")
        for number in range(2):
            save(folder / "masks" / f"{name}-{number}.png", box())


def make_same_name(folder: Path) -> None:
    for name in NAMES:
        photo(folder / name / "image.jpg")
        save(folder / name / "mask.png", box())


def make_labels_8(folder: Path) -> None:
    for name in NAMES:
        photo(folder / "images" / f"{name}.jpg")
        save(folder / "labels" / f"{name}.png", labels(1, 2, 7))


def make_labels_16(folder: Path) -> None:
    for name in NAMES:
        photo(folder / "image" / f"{name}.jpg")
        save(folder / "instance_map" / f"{name}.png", labels(300, 2, 7, dtype=np.uint16))


def make_palette(folder: Path) -> None:
    for name in NAMES:
        photo(folder / "JPEGImages" / f"{name}.jpg")
        image = Image.fromarray(labels(1, 2, 255))
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, *([7] * 750)])
        path = folder / "SegmentationObject" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)


def make_rgb(folder: Path) -> None:
    for name in NAMES:
        photo(folder / "rgb" / f"{name}.jpg")
        colours = np.zeros((H, W, 3), dtype=np.uint8)
        colours[2:9, 3:9], colours[2:9, 12:20] = (200, 0, 10), (0, 90, 10)
        save(folder / "gt" / f"{name}.png", colours)


def make_jpeg_masks(folder: Path) -> None:
    for name in NAMES:
        photo(folder / "images" / f"{name}.jpg")
        save(folder / "masks" / f"{name}.jpg", box())


def make_gif_masks(folder: Path) -> None:
    for name in NAMES:
        photo(folder / "images" / f"{name}.jpg")
        save(folder / "masks" / f"{name}_mask.gif", box())


LAYOUTS: dict[str, tuple[Callable[[Path], None], str, str, str, int]] = {
    "two_folders": (make_two_folders, "mask_folder", "images/{id}.jpg", "masks/{id}.png", 4),
    "suffix": (make_suffix, "mask_folder", "{id}.jpg", "{id}_mask.png", 4),
    "same_folder": (make_same_folder, "mask_folder", "{id}.jpg", "{id}.png", 4),
    "bbbc": (make_bbbc, "mask_folder", "train/{id}/images/{id}.png", "train/{id}/masks/*.png", 12),
    "per_mask": (make_folder_per_mask, "mask_folder", "photos/{id}.tif", "masks/{id}/*.png", 8),
    "numbered": (make_numbered, "mask_folder", "images/{id}.jpg", "masks/{id}-*.png", 8),
    "same_name": (make_same_name, "mask_folder", "{id}/image.jpg", "{id}/mask.png", 4),
    "labels_8": (make_labels_8, "label_image", "images/{id}.jpg", "labels/{id}.png", 12),
    "labels_16": (make_labels_16, "label_image", "image/{id}.jpg", "instance_map/{id}.png", 12),
    "palette": (make_palette, "label_image", "JPEGImages/{id}.jpg",
                "SegmentationObject/{id}.png", 8),
    "rgb": (make_rgb, "label_image", "rgb/{id}.jpg", "gt/{id}.png", 8),
    "gif_masks": (make_gif_masks, "mask_folder", "images/{id}.jpg", "masks/{id}_mask.gif", 4),
    "jpeg_masks": (make_jpeg_masks, "mask_folder", "images/{id}.jpg", "masks/{id}.jpg", 4),
}  # fmt: skip


RUN = ("bbbc", "rgb")
"""Of each kind of reader one; what the others wrote is read by `check`."""


def test_a_folder_called_as_a_pattern_is_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "[a-c]* {id} (1)"
    make_two_folders(folder)
    make_two_folders(tmp_path / "b {id} (1)")
    way = recognise(folder)
    assert way.folder == folder
    reader = open_whole(Component("mine", "1", way.target, dict(way.args)), Site())
    assert list(reader.ids()) == sorted(NAMES)
    assert [reader.read(image_id).shape for image_id in reader.ids()] == [(H, W)] * 4


@pytest.mark.long
@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_layout_is_recognised_written_checked_and_run(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, kind, images, masks, number = LAYOUTS[layout]
    make(tmp_path / "data")
    conf = tmp_path / "conf"
    new = ["data", "new", "mine", "--folder", str(tmp_path / "data"), "--config-dir", str(conf)]
    assert main(new) == 0
    out = capsys.readouterr().out
    assert f"recognised {kind}" in out
    assert "assumed: " in out
    written = yaml.safe_load((conf / "dataset" / "mine.yaml").read_text())
    assert written["args"]["images"] == images
    assert written["args"]["masks" if kind == "mask_folder" else "labels"] == masks
    words = ["--config-dir", str(conf), "dataset=mine", f"runtime.results={tmp_path}/results"]
    assert main(["check", *words]) == 0
    assert f"mine: {number} masks in 4 of 4 images" in capsys.readouterr().out
    if layout not in RUN:
        return
    run = ["run", *words, "model=disk", "prompt=point_1", "runtime.device=cpu"]
    assert main(run) == 0
    assert "mine" in capsys.readouterr().out


def test_a_coco_file_is_recognised_and_run(
    coco_folder: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = coco_folder(images=3, masks=2)
    conf = tmp_path / "conf"
    (folder / "notes.json").write_text("[1, 2]")
    (folder / "broken.json").write_text("{")
    new = ["data", "new", "mine", "--folder", str(folder), "--config-dir", str(conf)]
    assert main(new) == 0
    assert "annotations.json, 6 annotations; 3 images are in images" in capsys.readouterr().out
    words = ["--config-dir", str(conf), "dataset=mine", f"runtime.results={tmp_path}/results"]
    run = ["run", *words, "model=disk", "prompt=point_1", "runtime.device=cpu"]
    assert main(run) == 0
    assert main(new) == 0, "the same again changes nothing"
    path = conf / "dataset" / "mine.yaml"
    path.write_text(path.read_text() + "# mine\n")
    assert main(new) == 2, "an existing YAML is not overwritten"
    assert "there already" in capsys.readouterr().err
    assert path.read_text().endswith("# mine\n")


def test_a_yaml_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = "bench.data.readers.coco.Coco"
    found = Recognised("coco", "", target, tmp_path, {}, "3 images", (), ())
    (tmp_path / "dataset" / "mine.yaml").mkdir(parents=True)
    with pytest.raises(BenchError, match=r"mine\.yaml is there already"):
        write_yaml("mine", found, tmp_path)
    assert [path.name for path in (tmp_path / "dataset").iterdir()] == ["mine.yaml"]
    left = tmp_path / "dataset" / f".more.yaml.{'0' * 32}"
    left.write_text("half")
    os.utime(left, (0, 0))
    path = write_yaml("more", found, tmp_path)
    assert path.read_bytes() == to_yaml("more", found).encode()
    assert not left.exists()


@pytest.mark.parametrize("name", ["two\nlines", "${model.name}", "it's: #1 [x]", 'quo"te\\s'])
def test_a_folder_of_any_name_is_written_so_that_it_is_read_again(
    name: str, coco_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / name
    coco_folder(images=2, masks=1).rename(folder)
    conf = tmp_path / "conf"
    assert main(["data", "new", "mine", "--folder", str(folder), "--config-dir", str(conf)]) == 0
    (config,) = load_configs(["dataset=mine"], conf)
    assert config.dataset.args["images"] == str(folder / "images")
    assert main(["check", "--config-dir", str(conf), "dataset=mine"]) == 0


def test_half_a_download_is_recognised_and_said(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(images=3, masks=2)
    (folder / "images" / "001.png").unlink()
    with pytest.raises(BenchError, match=r"looks like coco:annotations\.json, but .*001\.png"):
        recognise(folder)


def two_annotations(coco_folder: Callable[..., Path]) -> Path:
    folder = coco_folder(images=3, masks=2)
    (folder / "more.json").write_text((folder / "annotations.json").read_text())
    return folder


def test_several_ways_are_listed_and_one_can_be_chosen(coco_folder: Callable[..., Path]) -> None:
    folder = two_annotations(coco_folder)
    says = r"in 2 ways; say which: --format coco:annotations\.json or --format coco:more\.json"
    with pytest.raises(BenchError, match=says):
        recognise(folder)
    with pytest.raises(BenchError, match="in 2 ways"):
        recognise(folder, "coco")
    assert recognise(folder, "coco:more.json").args["annotations"] == str(folder / "more.json")
    with pytest.raises(BenchError, match=r"can't be read as label_image; say which"):
        recognise(folder, "label_image")


def test_object_and_class_labels_are_two_ways(tmp_path: Path) -> None:
    make_palette(tmp_path)
    for name in NAMES:
        source = tmp_path / "SegmentationObject" / f"{name}.png"
        target = tmp_path / "SegmentationClass" / f"{name}.png"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())
    with pytest.raises(BenchError, match="in 2 ways") as caught:
        recognise(tmp_path)
    label = "label_image:SegmentationObject/{id}.png"
    assert f"--format {label}" in str(caught.value)
    way = recognise(tmp_path, label)
    assert way.args["ignore"] == [255]
    assert "the value 255 is no object" in " ".join(way.assumed)


def test_splits_are_two_ways(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in NAMES:
            photo(tmp_path / "images" / split / f"{name}{split}.jpg")
            save(tmp_path / "masks" / split / f"{name}{split}.png", box())
    with pytest.raises(BenchError, match="in 2 ways") as caught:
        recognise(tmp_path)
    assert "mask_folder:masks/val/{id}.png" in str(caught.value)


def test_masks_that_the_pictures_own_pattern_finds_too_are_no_guess(tmp_path: Path) -> None:
    for name in NAMES:
        photo(tmp_path / f"{name}.png")
        save(tmp_path / f"{name}_mask.png", box())
    with pytest.raises(BenchError, match="no format is recognised"):
        recognise(tmp_path)


def test_soft_edges_may_be_labels_and_are_not_guessed(tmp_path: Path) -> None:
    mask = box()
    mask[3, 4:15] = 90
    for name in NAMES:
        photo(tmp_path / "images" / f"{name}.jpg")
        save(tmp_path / "masks" / f"{name}.png", mask)
    with pytest.raises(BenchError, match="in 2 ways; say which: --format label_image or "):
        recognise(tmp_path)
    assert recognise(tmp_path, "mask_folder").args["threshold"] == 127


def disc(place: int) -> npt.NDArray[np.uint8]:
    rows, columns = np.mgrid[:200, :300]
    radius = 40 + 10 * place
    return (((rows - 90) ** 2 + (columns - 140) ** 2 < radius**2) * 255).astype(np.uint8)


def resized(place: int) -> npt.NDArray[Any]:
    small = Image.fromarray(disc(place)).resize((W * 3, H * 3), Image.Resampling.BICUBIC)
    return (np.asarray(small) * 0.99).astype(np.uint8)


def blurred(place: int) -> npt.NDArray[Any]:
    small = Image.fromarray(disc(place)).resize((W * 3, H * 3))
    return np.asarray(small.filter(ImageFilter.GaussianBlur(2)))


def probability(place: int) -> npt.NDArray[Any]:
    return (blurred(place).astype(np.uint16) * 200 + 900).astype(np.uint16)


@pytest.mark.parametrize(
    ("make", "threshold"), [(resized, 127), (blurred, 127), (probability, (900 + 51900) // 2)]
)
def test_levels_that_nest_are_masks_and_no_labels(
    make: Callable[[int], npt.NDArray[Any]], threshold: int, tmp_path: Path
) -> None:
    for place, name in enumerate(NAMES):
        picture = np.random.default_rng(place).integers(0, 255, (H * 3, W * 3, 3), np.uint8)
        save(tmp_path / "images" / f"{name}.png", picture)
        save(tmp_path / "masks" / f"{name}.png", make(place))
    found = recognise(tmp_path)
    assert (found.format, found.args["threshold"]) == ("mask_folder", threshold)
    assert found.doubts == ()
    reader = open_whole(Component("new", "1", found.target, dict(found.args)), Site())
    for place, name in enumerate(NAMES):
        (target,) = reader.read(name).targets
        expected = np.pi * ((40 + 10 * place) * 0.3) ** 2
        assert 0.9 < target.mask.area / expected < 1.1


def test_two_values_of_which_none_is_black_are_two_ways(tmp_path: Path) -> None:
    for name in NAMES:
        photo(tmp_path / "images" / f"{name}.jpg")
        save(tmp_path / "masks" / f"{name}.png", box(230) + np.uint8(12))
    with pytest.raises(BenchError, match="in 2 ways; say which: --format label_image or "):
        recognise(tmp_path)
    assert recognise(tmp_path, "mask_folder").args["threshold"] == 127


@pytest.mark.parametrize(
    ("values", "dtype", "ignore"),
    [
        ((1, 2, 255), np.uint8, [255]),
        ((1, 2, 65535), np.uint16, [65535]),
        ((1, 2, -1), np.int32, [-1]),
        ((1, 240, 255), np.uint8, []),
    ],
)
def test_what_minus_one_becomes_is_no_object(
    values: tuple[int, ...], dtype: Any, ignore: list[int], tmp_path: Path
) -> None:
    for name in NAMES:
        photo(tmp_path / "images" / f"{name}.jpg")
        save(tmp_path / "labels" / f"{name}.tif", labels(*values, dtype=dtype))
    found = recognise(tmp_path, "label_image")
    assert found.args["ignore"] == ignore
    reader = open_whole(Component("new", "1", found.target, dict(found.args)), Site())
    assert len(reader.read("a").targets) == 3 - len(ignore)


def test_pictures_without_masks_are_said(tmp_path: Path) -> None:
    make_two_folders(tmp_path / "a")
    photo(tmp_path / "a" / "images" / "lonely.jpg")
    assert "1 pictures have no mask" in " ".join(recognise(tmp_path / "a").assumed)
    make_labels_8(tmp_path / "b")
    photo(tmp_path / "b" / "images" / "lonely.jpg")
    assert "1 pictures without a label image are left out" in " ".join(
        recognise(tmp_path / "b").assumed
    )


def turned(folder: Path, shape: tuple[int, int]) -> Recognised:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in NAMES:
        photo(folder / "images" / f"{name}.jpg", exif=exif)
        save(folder / "masks" / f"{name}.png", np.eye(*shape, dtype=np.uint8))
    return recognise(folder)


def test_the_masks_say_whether_pictures_are_turned(tmp_path: Path) -> None:
    assert turned(tmp_path / "a", (W, H)).args["exif"] == "apply"
    stored = turned(tmp_path / "b", (H, W))
    assert stored.args["exif"] == "ignore"
    assert "4 of the first 4 pictures have an EXIF orientation" in " ".join(stored.assumed)


def test_a_coco_file_says_whether_pictures_are_turned(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(images=2, masks=1)
    exif = Image.Exif()
    exif[0x0112] = 8
    document = json.loads((folder / "annotations.json").read_text())
    for image in document["images"]:
        path = folder / "images" / image["file_name"]
        upright = Image.open(path)
        upright.rotate(-90, expand=True).save(path, exif=exif)
    assert recognise(folder).args["exif"] == "apply"


@pytest.mark.parametrize("content", ["nothing", "pictures", "text"])
def test_what_is_not_recognised_says_what_would_be(tmp_path: Path, content: str) -> None:
    if content == "pictures":
        photo(tmp_path / "a.jpg")
    if content == "text":
        (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(BenchError, match="no format is recognised; expected a COCO file"):
        recognise(tmp_path)


@pytest.mark.parametrize(
    ("name", "says"),
    [("7up", "no digit first"), ("a-b", "letters"), ("no", "letters"), ("shapes", "of the bench")],
)
def test_a_name_that_cant_be_is_refused(
    name: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_two_folders(tmp_path / "data")
    new = ["data", "new", name, "--folder", str(tmp_path / "data")]
    assert main([*new, "--config-dir", str(tmp_path / "conf")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "conf").exists()


def test_a_folder_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "new", "mine", "--folder", "/no/such/folder"]) == 2
    assert capsys.readouterr().err == "sam-bench: /no/such/folder: no such folder (--folder)\n"


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ({"m/a.png": "a", "m/b.png": "b"}, "m/{id}.png"),
        ({"m/a.png": "a", "m/b.jpg": "b"}, "m/{id}.*"),
        ({"m/mask_a.png": "a", "m/mask_b.png": "b"}, "m/mask_{id}.png"),
        ({"m/a_x.png": "a", "m/a_y.png": "a", "m/b_x.png": "b"}, "m/{id}_*.png"),
        ({"x_a.png": "a", "y_a.png": "a", "x_b.png": "b"}, "*_{id}.png"),
        ({"m/a/1.png": "a", "n/b/1.png": "b"}, None),
        ({"[m]/a.png": "a", "[m]/b.png": "b"}, None),
    ],
)
def test_patterns(paths: dict[str, str], expected: str | None) -> None:
    assert pattern_of(paths) == expected


def test_ids() -> None:
    assert image_ids(["a/1.jpg", "b/1.jpg", "b/2.jpg"]) == {}
    assert id_in("masks/other.png", {"a"}) is None
    assert id_in("masks/mask_a.png", {"a"}) == "a"
