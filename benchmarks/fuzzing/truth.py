"""Independent decoders, slow and strict: what a file says, ``None`` where nothing is sure."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def png_values(data: bytes) -> tuple[Array, int] | None:
    """The stored values (H, W, C) of a PNG without interlacing and its colour type."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    place, packed, head, ended = 8, b"", None, False
    while place + 12 <= len(data) and not ended:
        (length,) = struct.unpack(">I", data[place : place + 4])
        name, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        check = data[place + 8 + length : place + 12 + length]
        if len(body) != length or check != struct.pack(">I", zlib.crc32(name + body)):
            return None
        head = body if name == b"IHDR" and head is None else head
        packed += body if name == b"IDAT" else b""
        ended = name == b"IEND"
        place += 12 + length
    if head is None or len(head) != 13 or not ended:
        return None
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    deep = depth in (1, 2, 4) and kind in (0, 3)
    if interlaced or kind not in _CHANNELS or not (deep or depth == 8 or (depth == 16 != kind * 5)):
        return None
    if width == 0 or height == 0 or width * height > 60_000 or (kind == 3 and depth == 16):
        return None
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(packed)
    except zlib.error:
        return None
    channels = _CHANNELS[kind]
    stride, step = -(-width * channels * depth // 8), max(1, channels * depth // 8)
    if len(raw) < height * (stride + 1):
        return None
    rows = _unfiltered(raw, height, stride, step)
    if rows is None:
        return None
    if depth == 16:
        values = rows.reshape(height, -1, 2).astype(np.int64) @ np.array([256, 1])
    elif depth == 8:
        values = rows.astype(np.int64)
    else:
        bits = np.unpackbits(rows, axis=1)[:, : width * depth].reshape(height, width, depth)
        values = bits.astype(np.int64) @ (1 << np.arange(depth - 1, -1, -1))
        if kind == 0 and depth in (2, 4):
            values = values * (255 // (2**depth - 1))
    return values.reshape(height, width, channels), (kind if depth != 1 else kind + 100)


def _unfiltered(raw: bytes, height: int, stride: int, step: int) -> Array | None:
    rows = np.zeros((height, stride), dtype=np.uint8)
    before = bytearray(stride)
    for y in range(height):
        start = y * (stride + 1)
        way, line = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        if way > 4:
            return None
        for x in range(stride if way else 0):
            left = line[x - step] if x >= step else 0
            corner = before[x - step] if x >= step else 0
            guess = (0, left, before[x], (left + before[x]) // 2, _paeth(left, before[x], corner))
            line[x] = (line[x] + guess[way]) & 255
        rows[y] = np.frombuffer(bytes(line), dtype=np.uint8)
        before = line
    return rows


def _paeth(a: int, b: int, c: int) -> int:
    guess = a + b - c
    return min((a, b, c), key=lambda value: abs(guess - value))


def runs_of_text(counts: str) -> list[int] | None:
    """The run lengths of COCO's compressed string, one number after the other."""
    found: list[int] = []
    value = shift = 0
    for character in counts:
        code = ord(character) - 48
        if not 0 <= code < 64:
            return None
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            found.append(value + (found[-2] if len(found) > 2 else 0))
            value = shift = 0
    return None if shift else found


def rle_mask(size: Sequence[int], counts: object) -> Array | None:
    """The (H, W) mask of an RLE; none where it isn't a right one of that size."""
    runs = runs_of_text(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or any(type(n) is not int or n < 0 for n in runs):
        return None
    height, width = size
    if sum(runs) != height * width:
        return None
    flat = np.zeros(height * width, dtype=bool)
    place = 0
    for number, run in enumerate(runs):
        if number % 2:
            flat[place : place + run] = True
        place += run
    return flat.reshape(width, height).T
