"""The checksums of a PNG file, which Pillow leaves unread where the pixels are."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_STEP = 1 << 20


def check_png(file: BinaryIO) -> None:
    """Raises ``ValueError`` where a chunk that pixels come from is cut off or fails its checksum.

    Nothing is decoded and little is kept, so it costs no more than reading the file. What is no PNG
    file passes, as do damaged chunks of words, dates and the like, and what follows the end. The
    file is left where it was.
    """
    before = file.tell()
    try:
        file.seek(0)
        if file.read(len(SIGNATURE)) == SIGNATURE:
            while _check_chunk(file) != b"IEND":
                pass
    finally:
        file.seek(before)


def _check_chunk(file: BinaryIO) -> bytes:
    """The name of the chunk that begins here; the file is left behind it."""
    head = file.read(8)
    if len(head) < 8:
        raise ValueError("the PNG file ends before its end chunk")
    left, name = struct.unpack(">I4s", head)
    found = zlib.crc32(name)
    while left:
        block = file.read(min(left, _STEP))
        if not block:
            raise ValueError(f"the PNG file ends inside its chunk {name!r}")
        found = zlib.crc32(block, found)
        left -= len(block)
    said = file.read(4)
    counts = not name[:1].islower() or name == b"tRNS"
    if counts and said != struct.pack(">I", found):
        raise ValueError(f"the PNG chunk {name!r} is damaged: its checksum does not hold")
    return bytes(name)
