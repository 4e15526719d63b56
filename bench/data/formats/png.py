"""What Pillow leaves unread in a PNG file: whether its pixels are all there, and as written.

Pillow takes no notice of the checksum of the pixels, and where they end too early it leaves the
rest black. Either gives a picture or a mask that nobody drew, without a word.
"""

from __future__ import annotations

import struct
import zlib
from typing import IO, BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_STEP = 1 << 20
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
           (0, 1, 1, 2))  # fmt: skip
"""Adam7's passes: the first x and y, and the steps of x and y."""


def check_png(file: BinaryIO) -> None:
    """Raises ``ValueError`` where a chunk that pixels come from is cut off or fails its checksum.

    So it does where pixels or their palette are missing. Nothing is kept, so it takes little
    memory, and less time than decoding. What is no PNG file passes, as do damaged chunks of words,
    dates and the like, and what follows the end. The file is left where it was.
    """
    before = file.tell()
    try:
        file.seek(0)
        if file.read(len(SIGNATURE)) == SIGNATURE:
            _check(file)
    finally:
        file.seek(before)


def turns_late(file: IO[bytes]) -> bool:
    """Whether a PNG file says behind its pixels how it is to be turned.

    In EXIF's own chunk, or in the words that older tools write for it. No chunk is read whole, so
    that a picture of any size is looked through at once; what is no PNG file has none. The file is
    left where it was.
    """
    before = file.tell()
    try:
        file.seek(0)
        return file.read(len(SIGNATURE)) == SIGNATURE and _turns_late(file)
    finally:
        file.seek(before)


def _turns_late(file: IO[bytes]) -> bool:
    behind = False
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        behind |= name == b"IDAT"
        if behind and name == b"eXIf":
            return True
        words = name in (b"tEXt", b"zTXt", b"iTXt")
        begun = file.read(min(length, _LONGEST_WORD)) if words else b""
        if behind and begun.startswith(_WORDS):
            return True
        file.seek(length - len(begun) + 4, 1)
    return False


_LONGEST_WORD = 80
_WORDS = (b"Raw profile type exif\0", b"Raw profile type APP1\0", b"XML:com.adobe.xmp\0")
"""The keywords under which Pillow looks for EXIF and for an orientation in XMP."""


def _check(file: BinaryIO) -> None:
    pixels, left, coloured, name = zlib.decompressobj(), 0, True, b""
    while name != b"IEND":
        head = file.read(8)
        if len(head) < 8:
            raise ValueError("the PNG file ends before its end chunk")
        length, name = struct.unpack(">I4s", head)
        found = zlib.crc32(name)
        while length:
            block = file.read(min(length, _STEP))
            if not block:
                raise ValueError(f"the PNG file ends inside its chunk {name!r}")
            found = zlib.crc32(block, found)
            length -= len(block)
            if name == b"IHDR":
                left, coloured = _bytes_of(block), block[9:10] != b"\x03"
            elif name == b"PLTE":
                coloured = True
            elif name == b"IDAT":
                left -= _unpacked(pixels, block, left)
        counts = not name[:1].islower() or name == b"tRNS"
        if file.read(4) != struct.pack(">I", found) and counts:
            raise ValueError(f"the PNG chunk {name!r} is damaged: its checksum does not hold")
    if not coloured:
        raise ValueError("the PNG file has no palette for its values")
    if left > 0:
        raise ValueError(f"the PNG file lacks {left} bytes of its pixels")


def _unpacked(pixels: zlib._Decompress, block: bytes, most: int) -> int:
    """How many bytes a block of compressed pixels gives, counted up to ``most``."""
    count = 0
    while block and count < most and not pixels.eof:
        try:
            count += len(pixels.decompress(block, min(_STEP, most - count)))
        except zlib.error as error:
            raise ValueError(f"the PNG file's pixels are damaged: {error}") from None
        block = pixels.unconsumed_tail
    return count


def _bytes_of(header: bytes) -> int:
    """How many bytes the pixels of a header take, filter bytes included; 0 for no right header."""
    if len(header) != 13:
        return 0
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    bits = depth * _CHANNELS.get(kind, 0)
    if not interlaced:
        return int(height * (1 + -(-width * bits // 8)))
    total = 0
    for x, y, across, down in _PASSES:
        columns, rows = -(-max(0, width - x) // across), -(-max(0, height - y) // down)
        total += rows * (1 + -(-columns * bits // 8)) if columns else 0
    return total
