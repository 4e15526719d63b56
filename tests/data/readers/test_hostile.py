"""Files that lie, climb out, unfold or carry programs: refused by name, or read as they are."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from bench.config.composing import load_configs
from bench.data.formats.pictures import read_labels, read_levels, read_picture
from bench.data.formats.segmentation import decode_segmentation
from bench.data.readers.coco import Coco
from bench.data.readers.mask_folder import MaskFolder
from bench.types import BenchError, Site

from .making import picture, save

QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def png(
    path: Path, size: tuple[int, int], raw: bytes, depth: int = 8, kind: int = 0, more: bytes = b""
) -> Path:
    """A PNG whose chunks have right checksums, whatever they say."""
    head = struct.pack(">IIBBBBB", size[1], size[0], depth, kind, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(raw)), (b"IEND", more)]
    packed = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    return path


def told(read: Callable[[], Any]) -> tuple[Any, str]:
    """What is read, or none and the one error that is allowed."""
    try:
        return read(), ""
    except (BenchError, ValueError) as error:
        return None, str(error)


READERS = [read_picture, read_labels, read_levels]


@pytest.mark.parametrize("read", READERS)
def test_a_png_that_says_more_pixels_than_it_has_is_refused(
    tmp_path: Path, read: Callable[[Path], Any]
) -> None:
    rows = b"".join(b"\0" + bytes([value] * 5) for value in (1, 2, 3))
    assert read(png(tmp_path / "a.png", (3, 5), rows)).shape[:2] == (3, 5)
    with pytest.raises(BenchError, match=r"a\.png: .* lacks 12 bytes of its pixels"):
        read(png(tmp_path / "a.png", (5, 5), rows))
    with pytest.raises(BenchError, match="no palette"):
        read(png(tmp_path / "a.png", (3, 5), rows, kind=3))


# Pillow warns from its own limit on, before the bench refuses the picture.
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("size", [(10_000, 10_000), (1, 89_478_486), (60_000, 60_000)])
def test_pixels_beyond_the_limit_are_refused_before_they_are_unpacked(
    tmp_path: Path, read: Callable[[Path], Any], size: tuple[int, int]
) -> None:
    with pytest.raises(BenchError, match="limit of 89478485"):
        read(png(tmp_path / "a.png", size, b"\0"))


def test_the_limit_is_a_setting_of_the_runtime(tmp_path: Path) -> None:
    save(tmp_path / "1" / "image.png", picture(9, 14))
    save(tmp_path / "1" / "mask.png", np.full((9, 14), 255, dtype=np.uint8))
    words = [
        "dataset=mask_folder",
        f"dataset.args.folder={tmp_path}",
        "dataset.args.images='{id}/image.png'",
        "dataset.args.masks='{id}/mask*.png'",
        "model=disk",
    ]
    for most, fits in ((126, True), (125, False)):
        (config,) = load_configs([*words, f"runtime.max_pixels={most}"])
        reader = MaskFolder(**config.dataset.args, site=config.runtime.site())
        if fits:
            assert reader.read("1").shape == (9, 14)
        else:
            with pytest.raises(BenchError, match=r"image\.png: .*14×9 .* raise runtime.max_pixels"):
                reader.read("1")
    with pytest.raises(BenchError, match="at most 178956970"):
        load_configs([*words, "runtime.max_pixels=200000000"])


@pytest.mark.parametrize("begin", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"P7\n"])
def test_a_program_that_calls_itself_a_picture_is_not_opened(tmp_path: Path, begin: bytes) -> None:
    """Pillow hands PostScript to an interpreter, whatever the file's name."""
    (tmp_path / "a.png").write_bytes(begin + b"%%EndComments\n(x) (w) file\nshowpage\n")
    with pytest.raises(BenchError, match=r"a\.png: not a picture of a known kind"):
        read_picture(tmp_path / "a.png")


@QUICK
@given(place=st.integers(8, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_mask_is_another_size_or_an_error(
    tmp_path: Path, place: int, bit: int
) -> None:
    values = (np.arange(23 * 31, dtype=np.uint8) // 7 % 3).reshape(23, 31)
    path = save(tmp_path / "a.png", values)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(bytes(data))
    found, said = told(lambda: read_labels(path))
    assert found is None or np.array_equal(found, values)
    assert found is not None or ("a.png" in said and "\n" not in said)


def document() -> dict[str, Any]:
    encoded: Any = coco_mask.encode(np.asfortranarray(np.eye(9, 14, dtype=np.uint8)))
    rle = {"size": [9, 14], "counts": encoded["counts"].decode()}
    return {
        "images": [{"id": 1, "file_name": "a.png", "height": 9, "width": 14}],
        "annotations": [
            {"id": 7, "image_id": 1, "category_id": 2, "iscrowd": 0, "segmentation": rle},
            {"id": 8, "image_id": 1, "segmentation": [[1, 1, 9, 1, 9, 6, 1, 6]]},
        ],
        "categories": [{"id": 2, "name": "cat"}],
    }


def opened(folder: Path, text: str | bytes, **settings: Any) -> Coco:
    save(folder / "images" / "a.png", picture(9, 14))
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    (folder / "a.json").write_bytes(data)
    return Coco("a.json", "images", site=Site(datasets=folder), **settings)


@pytest.mark.parametrize(
    "name",
    ["../secret.png", "/etc/passwd", "x/../../secret.png", "C:\\a.png", "\\\\h\\s"],
)
def test_a_picture_outside_the_folder_is_not_named(tmp_path: Path, name: str) -> None:
    save(tmp_path / "secret.png", picture(9, 14))
    content = document()
    content["images"][0]["file_name"] = name
    with pytest.raises(BenchError, match=r"a\.json: image 1: 'file_name' .* leads out"):
        opened(tmp_path, json.dumps(content))
    content["images"][0]["file_name"] = "COCO_/etc/passwd"
    with pytest.raises(BenchError, match="leads out"):
        opened(tmp_path, json.dumps(content), strip="COCO_")


def test_names_with_colons_and_folders_are_names(tmp_path: Path) -> None:
    save(tmp_path / "images" / "x" / "12:30.png", picture(9, 14))
    content = document()
    content["images"][0]["file_name"] = "x/12:30.png"
    assert opened(tmp_path, json.dumps(content)).read("1").shape == (9, 14)


def deep(text: str) -> str:
    return text.replace('"id": 7', '"x": ' + "[" * 100_000 + "]" * 100_000 + ', "id": 7')


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (deep, "nested too deeply"),
        (lambda t: t.replace('"id": 7', '"id": 7, "id": 8'), "the key 'id' stands twice"),
        (lambda t: t.replace('"cat"', '"\\ud800"'), "not a JSON file"),
        (lambda t: t.replace('"cat"', '"\ud800"'), "not a JSON file"),
        (lambda t: t.replace('"id": 7', '"id": ' + "7" * 5000), "not a JSON file"),
        (lambda t: t.replace('"iscrowd": 0', '"iscrowd": "0"'), "annotation 7 has 'iscrowd' '0'"),
        (lambda t: t.replace('"category_id": 2', '"category_id": [2]'), "refers to category"),
        (lambda t: t.replace('"category_id": 2', '"category_id": true'), "refers to category"),
        (lambda t: t.replace('"name": "cat"', '"name": null'), "every entry of 'categories'"),
        (lambda t: t.replace('[{"id": 2', '[{"id": 2, "name": "a"}, {"id": 2'), "more than once"),
        (lambda t: "\ufeff\ufeff" + t, "not a JSON file"),
    ],
)
def test_a_file_that_can_be_read_two_ways_is_refused(
    tmp_path: Path, change: Callable[[str], str], says: str
) -> None:
    with pytest.raises(BenchError, match=says) as caught:
        opened(tmp_path, change(json.dumps(document())))
    assert str(caught.value).startswith(f"{tmp_path}/a.json: ")


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from([2**62, 2**64, "../x", [2**62] * 4 + [126], [9, 14], 1e300]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner,
                                                                max_size=3),
    max_leaves=8,
)  # fmt: skip


@QUICK
@given(odd=ODD, way=st.integers(0, 2))
@example(odd=5, way=1)
@example(odd=[2**62] * 4 + [126], way=2)
@example(odd=[0, 1, 126 - 1, True], way=2)
def test_a_segmentation_is_a_mask_or_an_error(odd: Any, way: int) -> None:
    segmentation = (odd, {"size": odd, "counts": [126]}, {"size": [9, 14], "counts": odd})[way]
    found, said = told(lambda: decode_segmentation(segmentation, 9, 14))
    if found is None:
        assert 0 < len(said) < 300
        return
    assert found.shape == (9, 14)
    if isinstance(segmentation, dict) and isinstance(segmentation["counts"], list):
        assert sum(segmentation["counts"]) == 126
        assert found.area == sum(segmentation["counts"][1::2])


@QUICK
@given(odd=ODD, key=st.sampled_from(["id", "image_id", "category_id", "iscrowd", "segmentation"]))
def test_an_odd_annotation_is_read_or_named(tmp_path: Path, odd: Any, key: str) -> None:
    content = document()
    content["annotations"][0][key] = odd
    sample, said = told(lambda: opened(tmp_path, json.dumps(content)).read("1"))
    if sample is None:
        assert "a.json" in said
        return
    for target in sample.targets:
        target.mask_id.encode()
        assert target.category in (None, "cat")


@pytest.mark.parametrize("corners", [4_000, 60])
def test_an_outline_that_would_fill_the_memory_is_refused(corners: int) -> None:
    there_and_back = [0, 0, 900_000, 900_000] * corners
    with pytest.raises(ValueError, match=r"outline is .* pixels long, beyond the 100000"):
        decode_segmentation([there_and_back], 9, 14)


def test_a_size_that_would_fill_the_memory_is_refused() -> None:
    from bench.types.mask import Mask

    side = 1 << 20
    with pytest.raises(ValueError, match="beyond the 268435456 pixels"):
        Mask.from_rle({"size": [side, side], "counts": [0, 1, side * side - 2, 1]})


def test_a_file_name_that_is_no_text_is_named(tmp_path: Path) -> None:
    save(tmp_path / "1" / "image.png", picture(9, 14))
    try:
        os.mkdir(os.fsencode(tmp_path) + b"/\xff\xfe")
    except OSError:
        pytest.skip("this file system takes no such name")
    target = os.fsencode(tmp_path) + b"/\xff\xfe/image.png"
    with open(target, "wb") as file:
        Image.fromarray(picture(9, 14)).save(file, "PNG")
    with pytest.raises(BenchError, match="not UTF-8"):
        MaskFolder(str(tmp_path), "{id}/image.png", "{id}/mask*.png", site=Site())
