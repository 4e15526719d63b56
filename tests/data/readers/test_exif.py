"""Each reader turns pictures by their EXIF orientation when told to, and its masks never."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data.formats.pictures import Exif
from bench.data.readers.coco import Coco
from bench.data.readers.label_image import LabelImage
from bench.data.readers.mask_folder import MaskFolder
from bench.types import BenchError, Reader

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
