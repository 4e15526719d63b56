"""What every reader refuses: pixels beyond the limit, and names that leave their folder."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image, ImageFile
from scipy.io import savemat

from bench.data.abilities import NamesPictures
from bench.data.readers.photos import Photos
from bench.data.subset import Subset
from bench.types import BenchError, Reader, Site

from . import kinds, making
from .kinds import KINDS, official_kind

RENDERED = {"Shapes"}
"""Readers of no file."""

IN_DOCUMENTS = {
    "Coco", "Labelme", "Sa1b", "SaCo", "Via", "Visor", "WoodScape", "Yolo", "YoutubeVis"
}  # fmt: skip
"""Readers whose masks are polygons or run lengths in a document: they are of the picture's size."""


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """So many pixels are read: as many as the largest of the small pictures has."""
    most = 4 * making.HEIGHT * making.WIDTH

    def site(folder: Path) -> Site:
        return Site(datasets=folder, max_pixels=most)

    monkeypatch.setattr(making, "site", site)
    monkeypatch.setattr(kinds, "site", site)
    return most


def pictures_of(reader: Reader) -> list[Path]:
    whole = reader.whole if isinstance(reader, Subset) else reader
    assert isinstance(whole, NamesPictures)
    return [whole.path(image_id) for image_id in reader.ids()]


def enlarge(path: Path) -> bool:
    """Makes a file of pixels one of more than two thousand; false for other files."""
    if path.suffix in (".png", ".jpg", ".bmp"):
        with Image.open(path) as image:
            larger = image.resize((60, 40), Image.Resampling.NEAREST)
        larger.save(path)
    elif path.suffix == ".hdf5":
        with h5py.File(path, "w") as opened:
            opened["dataset"] = np.zeros((40, 60), dtype=np.int16)
    elif path.suffix == ".mat":
        labels = {"Segmentation": np.ones((2000, 3000), dtype=np.uint8), "Categories": [1]}
        savemat(path, {"GTinst": labels, "groundTruth": labels}, do_compression=True)
        assert path.stat().st_size < 100_000
    else:
        return False
    return True


@pytest.mark.parametrize("name", sorted(KINDS.keys() - RENDERED))
def test_a_picture_beyond_the_limit_is_refused_undecoded(
    name: str, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = KINDS[name].make(tmp_path)
    for path in pictures_of(reader):
        enlarge(path)

    def never(self: ImageFile.ImageFile) -> None:
        pytest.fail(f"{self.filename} is decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    for image_id in reader.ids():
        with pytest.raises(BenchError, match=rf"60×40 pixels .* limit of {limit};"):
            reader.read(image_id)


@pytest.mark.parametrize("name", sorted(KINDS.keys() - RENDERED - IN_DOCUMENTS))
def test_a_file_of_masks_beyond_the_limit_is_refused(name: str, limit: int, tmp_path: Path) -> None:
    reader = KINDS[name].make(tmp_path)
    with_masks = [image_id for image_id in reader.ids() if reader.read(image_id).targets]
    pictures = {path.resolve() for path in pictures_of(reader)}
    others = [path for path in tmp_path.rglob("*.*") if path.resolve() not in pictures]
    assert sum(map(enlarge, others)) > 0
    assert with_masks
    for image_id in with_masks:
        with pytest.raises(BenchError, match=f"limit of {limit};|more than|its masks are 40×60"):
            reader.read(image_id)


def test_the_photos_know_the_limit() -> None:
    reader = Photos(site=Site(max_pixels=100))
    with pytest.raises(BenchError, match="limit of 100;"):
        reader.read(reader.ids()[0])


@pytest.mark.parametrize(
    ("dataset", "file", "name", "other"),
    [
        ("coco_val2017", "*.json", '"file_name": "', '"file_name": "../'),
        ("lvis_v1_val", "*.json", "/val2017/", "/../../val2017/"),
        ("ovis", "*.json", '"file_names": ["', '"file_names": ["/'),
        ("ndd20", "*.json", '"filename": "', '"filename": "C:\\\\'),
        ("streets", "*.json", '"filename": "', '"filename": "x/../../'),
        ("visor", "*.json", '"name": "P01', '"name": "../../../../P01'),
        ("visor", "*.json", '"video": "P01', '"video": "../P01'),
        ("open_images_miap", "test-ann*.csv", ",aa,", ",../aa,"),
        ("open_images_miap", "test-ann*.csv", "\naa_", "\n../aa_"),
        ("sbd", "val.txt", "2008", "../2008"),
        ("pascal_voc", "val.txt", "2007", "/2007"),
        ("dram", "*.txt", "unseen/", "unseen/../../"),
        ("davis_2016", "val.txt", "blackswan", ".."),
        ("saco_gold_metaclip", "*.json", '"1/', '"../1/'),
    ],
)
def test_a_name_in_a_file_does_not_leave_the_folder(
    dataset: str, file: str, name: str, other: str, tmp_path: Path
) -> None:
    kind = official_kind(dataset)
    kind.make(tmp_path)
    changed = 0
    for path in tmp_path.rglob(file):
        text = path.read_text(encoding="utf-8")
        changed += text.count(name)
        path.write_text(text.replace(name, other), encoding="utf-8")
    assert changed
    with pytest.raises(BenchError, match="leads out of its folder"):
        kind.open(tmp_path)


def test_numbers_of_another_file_are_not_read(tmp_path: Path) -> None:
    kind = official_kind("hypersim")
    reader = kind.make(tmp_path)
    image_id = reader.ids()[0]
    labels = next(tmp_path.rglob("ai_001*/**/*.hdf5"))
    size = making.HEIGHT, making.WIDTH
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(2 * making.HEIGHT * making.WIDTH))
    with h5py.File(tmp_path / "secret.hdf5", "w") as opened:
        opened["dataset"] = np.zeros(size, dtype=np.int16)
    with h5py.File(labels, "w") as opened:
        opened["dataset"] = h5py.ExternalLink(str(tmp_path / "secret.hdf5"), "dataset")
    with pytest.raises(BenchError, match="is a link to another place"):
        reader.read(image_id)
    with h5py.File(labels, "w") as opened:
        opened.create_dataset("dataset", size, "i2", external=[(str(secret), 0, 1 << 12)])
    with pytest.raises(BenchError, match="lie in another file"):
        reader.read(image_id)
    layout = h5py.VirtualLayout(size, dtype="i2")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.hdf5"), "dataset", shape=size)
    with h5py.File(labels, "w") as opened:
        opened.create_virtual_dataset("dataset", layout)
    with pytest.raises(BenchError, match="lie in another file"):
        reader.read(image_id)
