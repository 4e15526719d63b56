"""Pixels of a PNG file counted as its standard lays them out."""

import io
import struct
import zlib

import pytest

from bench.data.formats.png import SIGNATURE, check_png

ADAM7 = [
    [1, 6, 4, 6, 2, 6, 4, 6],
    [7, 7, 7, 7, 7, 7, 7, 7],
    [5, 6, 5, 6, 5, 6, 5, 6],
    [7, 7, 7, 7, 7, 7, 7, 7],
    [3, 6, 4, 6, 3, 6, 4, 6],
    [7, 7, 7, 7, 7, 7, 7, 7],
    [5, 6, 5, 6, 5, 6, 5, 6],
    [7, 7, 7, 7, 7, 7, 7, 7],
]
"""In which pass each pixel of a square of 8 × 8 comes."""


def interlaced(width: int, height: int, missing: int = 0) -> io.BytesIO:
    """A grey picture in seven passes, by the drawing of the standard; without its last bytes."""
    data = b""
    for number in range(1, 8):
        for y in range(height):
            row = [x for x in range(width) if ADAM7[y % 8][x % 8] == number]
            data += b"\0" + bytes(len(row)) if row else b""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    body = zlib.compress(data[: len(data) - missing])
    chunks = ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    return io.BytesIO(
        SIGNATURE
        + b"".join(
            struct.pack(">I", len(content)) + name + content
            + struct.pack(">I", zlib.crc32(name + content))
            for name, content in chunks
        )
    )  # fmt: skip


@pytest.mark.parametrize("width", [1, 3, 5, 8, 13])
@pytest.mark.parametrize("height", [1, 2, 5, 8, 9, 20])
def test_an_interlaced_picture_is_whole_with_its_last_byte(width: int, height: int) -> None:
    check_png(interlaced(width, height))
    with pytest.raises(ValueError, match="pixels"):
        check_png(interlaced(width, height, missing=1))
