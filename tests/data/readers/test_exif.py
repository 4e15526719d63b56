"""Each reader turns pictures by their EXIF orientation when told to, and its masks never."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data.abilities import TurnsPictures
from bench.data.formats.pictures import Exif
from bench.data.readers.coco import Coco
from bench.data.readers.label_image import LabelImage
from bench.data.readers.mask_folder import MaskFolder
from bench.data.recognise import recognise
from bench.types import BenchError, Reader

from .kinds import KINDS
from .making import HEIGHT, TRUTH, WIDTH, picture, rle, save, site, write_coco

UPRIGHT = np.rot90(TRUTH["border"], k=-1)
"""The mask on the turned picture: (WIDTH, HEIGHT)."""


def coco(folder: Path, exif: Exif) -> Reader:
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"id": 1, "image_id": 1, "segmentation": rle(UPRIGHT)}],
    }
    write_coco(folder, content)
    return Coco("truth.json", "images", site=site(folder), exif=exif)


def mask_folder(folder: Path, exif: Exif) -> Reader:
    save(folder / "masks" / "a.png", UPRIGHT.astype(np.uint8))
    return MaskFolder(".", "images/{id}.png", "masks/{id}.png", site=site(folder), exif=exif)


def label_image(folder: Path, exif: Exif) -> Reader:
    save(folder / "masks" / "a.png", UPRIGHT.astype(np.uint8))
    return LabelImage(".", "images/{id}.png", "masks/{id}.png", site=site(folder), exif=exif)


@pytest.mark.parametrize("make", [coco, mask_folder, label_image])
def test_a_picture_is_turned_only_when_told_to(
    make: Callable[[Path, Exif], Reader], tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "images" / "a.png", picture(), exif=exif)
    reader = make(tmp_path, "apply")
    (image_id,) = reader.ids()
    sample = reader.read(image_id)
    assert sample.shape == (WIDTH, HEIGHT)
    assert np.array_equal(sample.image, np.rot90(picture(), k=-1))
    assert np.array_equal(sample.targets[0].mask.dense(), UPRIGHT)
    with pytest.raises((BenchError, ValueError), match=f"{WIDTH}×{HEIGHT}"):
        make(tmp_path, "ignore").read(image_id)


@pytest.mark.parametrize("make", [mask_folder, label_image])
@pytest.mark.parametrize(("exif", "remedy"), [("ignore", "apply"), ("apply", "ignore")])
def test_sizes_that_differ_by_a_turn_name_what_mends_them(
    make: Callable[[Path, Exif], Reader], exif: Exif, remedy: str, tmp_path: Path
) -> None:
    turned = Image.Exif()
    turned[0x0112] = 8
    save(tmp_path / "images" / "a.png", picture(), exif=turned)
    reader = make(tmp_path, exif)
    if exif == "apply":
        save(tmp_path / "masks" / "a.png", TRUTH["border"].astype(np.uint8))
    with pytest.raises(BenchError) as caught:
        reader.read("a")
    assert f"the EXIF orientation 8: set dataset.args.exif={remedy}" in str(caught.value)
    save(tmp_path / "images" / "a.png", np.transpose(picture(), (1, 0, 2)))
    save(tmp_path / "masks" / "a.png", TRUTH["border"].astype(np.uint8))
    with pytest.raises(BenchError) as caught:  # a turn that no orientation explains
        reader.read("a")
    assert "EXIF" not in str(caught.value)


def shown(folder: Path, size: tuple[int, int], exif: Exif, segmentation: object) -> Coco:
    """Annotations of a picture that is shown turned, with the (H, W) that the JSON says."""
    turned = Image.Exif()
    turned[0x0112] = 6
    save(folder / "images" / "a.png", picture(), exif=turned)
    image = {"id": 1, "file_name": "a.png", "height": size[0], "width": size[1]}
    annotation = {"id": 7, "image_id": 1, "segmentation": segmentation}
    write_coco(folder, {"images": [image], "annotations": [annotation]})
    return Coco("truth.json", "images", site=site(folder), exif=exif)


AS_SHOWN = [[2, 3, 8, 3, 8, 13, 2, 13]]
"""A polygon that leaves the picture as stored, HEIGHT × WIDTH, and lies in the one shown."""


def test_polygons_drawn_as_shown_are_read_with_either_size(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"EXIF orientation 6: set dataset\.args\.exif=apply"):
        shown(tmp_path, (WIDTH, HEIGHT), "ignore", AS_SHOWN).read("1")
    for size in ((WIDTH, HEIGHT), (HEIGHT, WIDTH)):
        reader = shown(tmp_path, size, "apply", AS_SHOWN)
        (target,) = reader.read("1").targets
        assert target.mask.shape == (WIDTH, HEIGHT)
        assert target.mask.box == (2, 3, 7, 12)
        assert reader.oddities() == []


def test_run_lengths_of_the_stored_size_do_not_fit_the_turned_picture(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=f"RLE is of {HEIGHT}×{WIDTH}, the image of"):
        shown(tmp_path, (HEIGHT, WIDTH), "apply", rle(TRUTH["border"])).read("1")


def test_another_size_than_the_stored_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"is 14×9 .* says 9×15"):
        shown(tmp_path, (HEIGHT, WIDTH + 1), "apply", AS_SHOWN).read("1")


@pytest.mark.parametrize(("size", "exif"), [((WIDTH, HEIGHT), "apply"), ((HEIGHT, WIDTH), "apply")])
def test_data_new_turns_pictures_whose_masks_were_drawn_as_shown(
    size: tuple[int, int], exif: Exif, tmp_path: Path
) -> None:
    shown(tmp_path, size, "ignore", AS_SHOWN)
    assert recognise(tmp_path).args["exif"] == exif


def test_data_new_leaves_pictures_whose_masks_lie_as_stored(tmp_path: Path) -> None:
    shown(tmp_path, (HEIGHT, WIDTH), "ignore", [[3, 2, 13, 2, 13, 8, 3, 8]])
    assert recognise(tmp_path).args["exif"] == "ignore"


@pytest.mark.parametrize("name", ["CocoPanoptic", "Labelme", "Yolo"])
def test_a_reader_that_turns_pictures_says_so(name, tmp_path):
    assert isinstance(KINDS[name].make(tmp_path), TurnsPictures)
