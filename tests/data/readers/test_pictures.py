"""Picture files of every kind, read as RGB, as labels and as levels."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from bench.data.formats.pictures import Stored, look_at, read_labels, read_levels, read_picture
from bench.types import BenchError

from .making import picture, save

H, W = 5, 8


def grey():
    return (np.arange(H * W, dtype=np.uint8) * 6).reshape(H, W)


def thrice(values):
    return np.repeat(values[..., None], 3, axis=2)


def palette_image():
    """Indices 0, 1, 2 whose colours are not their indices."""
    indices = (np.arange(H * W, dtype=np.uint8) % 3).reshape(H, W)
    image = Image.fromarray(indices)
    image.putpalette([9, 9, 9, 200, 0, 50, 0, 77, 255])
    colours = np.array([[9, 9, 9], [200, 0, 50], [0, 77, 255]], dtype=np.uint8)
    return image, indices, colours[indices]


def test_rgb_keeps_rows_columns_and_channels(tmp_path):
    image = read_picture(save(tmp_path / "a.png", picture(H, W)))
    assert image.dtype == np.uint8
    assert np.array_equal(image, picture(H, W))


def test_grey_and_grey_with_alpha(tmp_path):
    save(tmp_path / "l.png", grey())
    alpha = np.full((H, W), 3, dtype=np.uint8)
    Image.fromarray(np.stack([grey(), alpha], axis=2)).save(tmp_path / "la.png")
    for name in ("l.png", "la.png"):
        assert np.array_equal(read_picture(tmp_path / name), thrice(grey()))
        assert np.array_equal(read_levels(tmp_path / name), grey())
        assert np.array_equal(read_labels(tmp_path / name), grey())


def test_alpha_is_dropped_and_never_composited(tmp_path):
    alpha = np.zeros((H, W, 1), dtype=np.uint8)
    save(tmp_path / "a.png", np.concatenate([picture(H, W), alpha], axis=2))
    assert np.array_equal(read_picture(tmp_path / "a.png"), picture(H, W))


@pytest.mark.parametrize("options", [{}, {"transparency": b"\x00\x40\xff"}, {"transparency": 1}])
def test_a_palette_gives_colours_indices_and_levels(tmp_path, options):
    image, indices, colours = palette_image()
    image.save(tmp_path / "a.png", **options)
    assert np.array_equal(read_picture(tmp_path / "a.png"), colours)
    assert np.array_equal(read_labels(tmp_path / "a.png"), indices)
    assert np.array_equal(read_levels(tmp_path / "a.png"), colours.max(axis=2))


def test_one_bit(tmp_path):
    bits = grey() % 4 == 0
    Image.fromarray(bits).save(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png"), thrice(bits.astype(np.uint8) * 255))
    assert np.array_equal(read_labels(tmp_path / "a.png"), bits.astype(int))
    assert np.array_equal(read_levels(tmp_path / "a.png"), bits * 255)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_give_the_high_byte_and_exact_labels(tmp_path, suffix):
    values = np.array([[0, 255, 256], [4095, 26000, 65535]], dtype=np.uint16)
    path = save(tmp_path / f"a.{suffix}", values)
    assert read_picture(path)[..., 1].tolist() == [[0, 0, 1], [15, 101, 255]]
    assert np.array_equal(read_labels(path), values)
    assert np.array_equal(read_levels(path), values)


def test_sixteen_bit_big_endian_tiff(tmp_path):
    values = np.array([[0, 255, 256], [4095, 26000, 65535]], dtype=">u2")
    Image.frombytes("I;16B", (3, 2), values.tobytes()).save(tmp_path / "a.tif")
    assert read_labels(tmp_path / "a.tif").tolist() == values.tolist()


def test_cmyk(tmp_path):
    Image.new("CMYK", (W, H), (255, 0, 0, 0)).save(tmp_path / "a.tif")
    assert read_picture(tmp_path / "a.tif")[0, 0].tolist() == [0, 255, 255]


def test_a_cmyk_jpeg_is_no_negative(tmp_path):
    for ink, colour in (((255, 0, 0, 0), [0, 255, 255]), ((0, 0, 0, 255), [0, 0, 0])):
        Image.new("CMYK", (W, H), ink).save(tmp_path / "a.jpg")
        found = read_picture(tmp_path / "a.jpg")[2, 3].astype(int)
        assert np.abs(found - colour).max() <= 3


def test_sixteen_bit_colours_give_their_high_bytes(tmp_path):
    cv2 = pytest.importorskip("cv2")
    values = picture(H, W).astype(np.uint16) * 256 + 200
    cv2.imwrite(str(tmp_path / "a.png"), values[..., ::-1])
    assert np.array_equal(read_picture(tmp_path / "a.png"), picture(H, W))


def test_what_a_files_head_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    assert look_at(save(tmp_path / "a.jpg", picture(H, W), exif=exif)) == Stored(
        "JPEG RGB", 8, (H, W), lossy=True
    )
    assert look_at(save(tmp_path / "b.png", grey())) == Stored("PNG L", 1, (H, W))
    exif[0x0112] = 99
    assert look_at(save(tmp_path / "c.jpg", picture(H, W), exif=exif)).orientation == 1
    with pytest.raises(BenchError, match=r"none\.png"):
        look_at(tmp_path / "none.png")


def chunk(name, content):
    whole = name + content
    return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("kind", ["eXIf", "zTXt", "tEXt", "none"])
def test_a_pngs_head_is_read_without_its_pixels(tmp_path, monkeypatch, kind, behind):
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = exif.tobytes()
    words = f"\nexif\n{len(raw):8d}\n{raw.hex()}\n".encode()
    said = {
        "eXIf": chunk(b"eXIf", raw.removeprefix(b"Exif\0\0")),
        "tEXt": chunk(b"tEXt", b"Raw profile type exif\0" + words),
        "zTXt": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(words)),
        "none": chunk(b"tEXt", b"date:create\0today"),
    }[kind]
    file = save(tmp_path / "a.png", picture(H, W))
    written = file.read_bytes()
    place = written.index(b"IEND" if behind else b"IDAT") - 4
    file.write_bytes(written[:place] + said + written[place:])
    with Image.open(file) as image:
        assert image.getexif().get(0x0112, 1) == (1 if kind == "none" else 6)
    decoded = []
    load = ImageFile.ImageFile.load
    monkeypatch.setattr(
        ImageFile.ImageFile, "load", lambda self: (decoded.append(1), load(self))[1]
    )
    assert look_at(file).orientation == (1 if kind == "none" else 6)
    assert not decoded or (behind and kind != "none")


def test_colour_labels_are_packed(tmp_path):
    pixels = np.array([[[1, 2, 3], [0, 0, 0]], [[255, 255, 255], [0, 1, 0]]], dtype=np.uint8)
    assert read_labels(save(tmp_path / "a.png", pixels)).tolist() == [[66051, 0], [16777215, 256]]


def test_the_orientation_is_ignored_unless_asked_for(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    stored = picture(H, W)
    path = save(tmp_path / "a.png", stored, exif=exif)
    assert np.array_equal(read_picture(path), stored)
    assert np.array_equal(read_picture(path, exif="apply"), np.rot90(stored, k=-1))
    with pytest.raises(BenchError, match="'apply'"):
        read_picture(path, exif="yes")


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_no_more_than_others(tmp_path, orientation, compression):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored, labels = picture(H, W), np.arange(H * W, dtype=np.uint8).reshape(H, W)
    png = save(tmp_path / "a.png", stored, exif=exif)
    options = {"tiffinfo": {274: orientation}, "compression": compression}
    tif = save(tmp_path / "a.tif", stored, **options)
    assert np.array_equal(read_picture(tif), stored)
    assert np.array_equal(read_picture(tif, exif="apply"), read_picture(png, exif="apply"))
    assert look_at(tif) == Stored("TIFF RGB", orientation, (H, W))
    for read in (read_labels, read_levels):
        assert np.array_equal(read(save(tmp_path / "l.tif", labels, **options)), labels)


@pytest.mark.parametrize("read", [read_picture, read_labels, read_levels])
def test_broken_files_are_named(tmp_path, read):
    whole = save(
        tmp_path / "whole.png", np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    )
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[:3000])
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    empty = tmp_path / "empty.png"
    empty.touch()
    for path in (cut, text, empty, tmp_path / "missing.png", tmp_path):
        with pytest.raises(BenchError) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_truncated_jpeg_is_an_error(tmp_path):
    whole = save(
        tmp_path / "whole.jpg", np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    )
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(BenchError, match=r"cut\.jpg"):
        read_picture(cut)


def test_too_many_pixels_are_refused_before_decoding(tmp_path):
    path = save(tmp_path / "a.png", picture(H, W))
    path.write_bytes(path.read_bytes()[:60])  # the head alone: decoding would fail otherwise
    with pytest.raises(BenchError, match="8×5 pixels"):
        read_picture(path, pixel_limit=H * W - 1)
    assert read_picture(save(path, picture(H, W)), pixel_limit=H * W).shape == (H, W, 3)


def test_values_without_a_fixed_range_are_refused(tmp_path):
    save(tmp_path / "f.tif", np.zeros((H, W), dtype=np.float32))
    save(tmp_path / "i.tif", np.full((H, W), 70_000, dtype=np.int32))
    for name in ("f.tif", "i.tif"):
        with pytest.raises(BenchError, match="no fixed range"):
            read_picture(tmp_path / name)
    assert read_labels(tmp_path / "i.tif").max() == 70_000


@pytest.mark.parametrize(
    ("name", "options", "exact"),
    [
        ("a.jpg", {"quality": 100}, False),
        ("a.webp", {"quality": 100}, False),
        ("a.webp", {"quality": 100, "exif": b"Exif\0\0"}, False),
        ("a.webp", {"lossless": True}, True),
        ("a.jp2", {"irreversible": True}, False),
        ("a.j2k", {"irreversible": True}, False),
        ("a.jp2", {}, True),
        ("a.tif", {"compression": "jpeg"}, False),
        ("a.tif", {"compression": "tiff_lzw"}, True),
        ("a.png", {}, True),
    ],
)
def test_labels_are_read_only_where_values_are_exact(tmp_path, name, options, exact):
    labels = np.zeros((H, W, 3), dtype=np.uint8)
    labels[1:3, 2:5], labels[3:, 6:] = 1, 2
    path = save(tmp_path / name, labels, **options)
    assert look_at(path).lossy is not exact
    if exact:
        assert np.array_equal(read_labels(path), labels[..., 0].astype(np.int32) * 0x10101)
    else:
        with pytest.raises(BenchError, match="packed with loss can't hold labels"):
            read_labels(path)


def test_labels_are_not_read_from_what_cant_hold_them(tmp_path):
    with pytest.raises(BenchError, match="JPEG"):
        read_labels(save(tmp_path / "a.jpg", picture(H, W)))
    cv2 = pytest.importorskip("cv2")
    deep = tmp_path / "deep.png"
    cv2.imwrite(str(deep), picture(H, W).astype(np.uint16) * 256)
    with pytest.raises(BenchError, match="16 bits"):
        read_labels(deep)
    assert read_picture(deep).shape == (H, W, 3)


def tiff(path, values, sample_format):
    """A TIFF of 32 bits as other tools write it; Pillow itself writes them with a sign alone."""
    height, width = values.shape
    pixels = values.tobytes()
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, 32), (259, 3, 1), (262, 3, 1), (273, 4, 8),
        (277, 3, 1), (278, 4, height), (279, 4, len(pixels)),
    ]  # fmt: skip
    tags += [] if sample_format is None else [(339, 3, sample_format)]
    listed = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<I", 8 + len(pixels))
    path.write_bytes(head + pixels + struct.pack("<H", len(tags)) + listed + bytes(4))
    return path


@pytest.mark.parametrize("read", [read_labels, read_levels])
def test_32_bits_without_a_sign_never_become_negative(tmp_path, read):
    fitting = np.array([[1, 2**31 - 1, 0], [7, 8, 9]], np.uint32)
    for sample_format in (1, None):
        assert np.array_equal(read(tiff(tmp_path / "a.tif", fitting, sample_format)), fitting)
        for number in (2**31, 2**32 - 1):
            beyond = fitting.copy()
            beyond[1, 2] = number
            with pytest.raises(BenchError, match=f"at most 2147483647, found {number}"):
                read(tiff(tmp_path / "a.tif", beyond, sample_format))
    negative = np.array([[1, -1, 0], [7, -(2**31), 9]], np.int32)
    assert np.array_equal(read(tiff(tmp_path / "a.tif", negative, 2)), negative)
