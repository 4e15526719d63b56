"""Bugs that once gave a wrong number without an error, each with the test that would have told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from finished import change_annotations, disk_run
from oddities import random_blob
from PIL import Image

from bench.data.formats.pictures import read_labels
from bench.data.readers.coco import Coco
from bench.prompts import depths, placement
from bench.store.runs import read_runs
from bench.types import BenchError, BoolArray, Site
from bench.types.mask import Mask


def test_equal_depths_are_equal_wherever_the_region_lies() -> None:
    """OpenCV's float32 distances differ in the last bit for equal depths, by alignment and thread.

    The first maximum then was another pixel in a crop than in the full image, or in another run.
    """
    rng = np.random.default_rng(21)
    for _ in range(300):
        region = random_blob(rng, 31, 47)
        alone = depths.deepest(region)
        assert alone is not None
        for top, left in ((1, 0), (0, 1), (3, 5), (7, 2)):
            moved = depths.deepest(np.pad(region, ((top, 2), (left, 9))))
            assert moved == depths.Depth(alone.x + left, alone.y + top, alone.squared)


def bar(width: int, length: int) -> BoolArray:
    region = np.zeros((width + 4, length + 6), dtype=bool)
    region[2:-2, 3:-3] = True
    return region


@pytest.mark.parametrize(("width", "length"), [(9, 31), (2047, 2061), (2600, 2611)])
def test_the_first_of_many_equal_depths_is_taken_in_small_and_in_large_regions(
    width: int, length: int
) -> None:
    """Above some 1,400 pixels a float32 distance no longer tells neighbouring squares apart."""
    depth = depths.deepest(bar(width, length))
    half = (width + 1) // 2
    assert depth == depths.Depth(3 + half - 1, 2 + half - 1, half**2)


def test_a_click_is_no_other_pixel_in_a_larger_image() -> None:
    rng = np.random.default_rng(22)
    none = np.zeros((0, 2), dtype=np.float32)
    for _ in range(200):
        target, predicted = random_blob(rng, 24, 36), random_blob(rng, 24, 36)
        clicks = []
        for shift in (0, 5):
            pad = ((shift, 1), (2 * shift, 3))
            masks = [Mask.from_dense(np.pad(m, pad)) for m in (target, predicted)]
            found = placement.larger_error_distance_max(*masks, None, none, rng)
            clicks.append(found and (found[0][0] - 2 * shift, found[0][1] - shift, found[1]))
        assert clicks[0] == clicks[1]


def test_runs_that_wrap_around_do_not_fill_an_image() -> None:
    """Four runs of 2^62 sum to 0 in 64 bits: an RLE of nonsense was a mask of the image's size."""
    with pytest.raises(ValueError, match="runs sum to 18446744073709551742"):
        Mask.from_rle({"size": [9, 14], "counts": [2**62] * 4 + [126]})


def test_a_png_with_a_flipped_bit_in_its_pixels_is_no_other_mask(tmp_path: Path) -> None:
    """Pillow reads the checksum of no chunk of pixels, and zlib's own is behind the last row."""
    path = tmp_path / "mask.png"
    values = np.random.default_rng(5).integers(0, 3, (40, 60), dtype=np.uint8)
    Image.fromarray(values).save(path, compress_level=0)
    whole = path.read_bytes()
    place = whole.index(b"IDAT") + 100
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(BenchError, match="damaged"):
        read_labels(path)


def test_a_part_with_a_flipped_bit_gives_no_other_rows(coco_folder: Callable[..., Path]) -> None:
    """Parquet has no checksum of its pages unless asked: a changed IoU was read without a word."""
    store = disk_run(coco_folder(images=2, masks=2), "point_1")
    (part,) = store.parts()
    whole = part.read_bytes()
    for place in range(4, len(whole), 97):
        part.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(BenchError, match="damaged part"):
            read_runs([store])


def test_a_crowd_is_what_the_file_says_and_not_what_python_takes_for_true(
    coco_folder: Callable[..., Path],
) -> None:
    """``"iscrowd": "0"`` was a crowd, and the mask was left out."""
    folder = coco_folder(images=1, masks=1)
    change_annotations(folder, lambda document: document["annotations"][0].update(iscrowd="0"))
    with pytest.raises(BenchError, match="'iscrowd' '0', expected 0 or 1"):
        Coco("annotations.json", "images", site=Site(datasets=folder))


def test_a_tiff_upside_down_lies_under_its_mask(tmp_path: Path) -> None:
    """Pillow turns a TIFF by its own orientation when it decodes it, and no other kind of file."""
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(pixels).save(tmp_path / "a.tif", tiffinfo={274: 3})
    assert np.array_equal(read_labels(tmp_path / "a.tif"), pixels)


def test_a_webp_packed_with_loss_makes_no_objects_of_its_noise(tmp_path: Path) -> None:
    labels = np.zeros((32, 48, 3), dtype=np.uint8)
    labels[8:20, 10:30] = 60
    Image.fromarray(labels).save(tmp_path / "a.webp", quality=60)
    assert len(np.unique(np.asarray(Image.open(tmp_path / "a.webp")))) > 2
    with pytest.raises(BenchError, match="packed with loss"):
        read_labels(tmp_path / "a.webp")
