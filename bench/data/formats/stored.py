"""How a picture file stores its pixels: turned, as its orientation says, and with or without loss.

Pillow turns a TIFF by its orientation whenever it decodes it, and no other kind of file. Whoever
takes pixels as stored turns them back. Labels need files that keep values exactly, photographs
don't.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from bench.data.formats.png import turns_late

_ORIENTATION, _WIDTH, _HEIGHT = 0x0112, 256, 257

_BACKWARDS = {
    2: (False, True), 3: (True, True), 4: (True, False), 5: (False, False), 6: (True, False),
    7: (True, True), 8: (False, True),
}  # fmt: skip
"""Whether rows and columns run backwards once height and width are as stored, by orientation."""

Kind = TypeVar("Kind", bound=np.generic)

_COMPRESSION = 259
_LOSSY_IN_TIFF = (6, 7, 34712, 50001)
"""JPEG of two kinds, JPEG 2000 and WebP, as a TIFF's tag of its compression calls them."""

_HEAD = 1 << 16
"""Bytes in which a file says how it is packed, at most."""


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where the file says none, or none that there is."""
    orientation = _exif_of(image).get(_ORIENTATION, 1)
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _exif_of(image: Image.Image) -> Image.Exif:
    """What the file says of its picture; decoded only where that stands behind the pixels."""
    file = getattr(image, "fp", None)
    if image.format == "PNG" and file is not None and not turns_late(file):
        return Image.Image.getexif(image)  # a PNG's own decodes the picture first
    return image.getexif()


def stored_shape(image: ImageFile.ImageFile) -> tuple[int, int]:
    """The (H, W) as stored, of a file that isn't decoded yet."""
    tags = getattr(image, "tag_v2", None)  # a TIFF's, of which Pillow gives the size as shown
    if tags is not None and _WIDTH in tags and _HEIGHT in tags:
        return int(tags[_HEIGHT]), int(tags[_WIDTH])
    return image.height, image.width


def turned_when_decoded(image: ImageFile.ImageFile) -> int:
    """The orientation that decoding applies by itself, asked before; 1 where it does not."""
    return orientation_of(image) if image.format == "TIFF" else 1


def turned_back(pixels: npt.NDArray[Kind], orientation: int) -> npt.NDArray[Kind]:
    """The pixels (H, W, …) as stored, of those that an orientation was applied to.

    >>> turned_back(np.array([[1, 2, 3]]), 6).tolist()
    [[3], [2], [1]]
    """
    if orientation == 1:
        return pixels
    turned: npt.NDArray[Any] = pixels if orientation < 5 else pixels.swapaxes(0, 1)
    rows, columns = _BACKWARDS[orientation]
    return np.ascontiguousarray(turned[:: -1 if rows else 1, :: -1 if columns else 1])


def is_lossy(image: ImageFile.ImageFile) -> bool:
    """Whether a file that is opened, not decoded yet, may give other values than were stored.

    So are JPEG, WebP unless it is lossless, JPEG 2000 with the irreversible wavelet, and a TIFF
    packed as one of them.
    """
    if image.format in ("JPEG", "MPO"):
        return True
    if image.format == "TIFF":
        return getattr(image, "tag_v2", {}).get(_COMPRESSION) in _LOSSY_IN_TIFF
    if image.format == "WEBP":
        return b"VP8 " in _chunks(_head(image))
    if image.format == "JPEG2000":
        return _is_irreversible(_head(image))
    return False


def _head(image: ImageFile.ImageFile) -> bytes:
    file = image.fp
    if file is None:
        return b""
    place = file.tell()
    file.seek(0)
    head = file.read(_HEAD)
    file.seek(place)
    return head


def _chunks(head: bytes) -> list[bytes]:
    """The names of a WebP file's chunks, those in a frame of an animation among them."""
    found, place = [], 12
    while len(name := head[place : place + 4]) == 4:
        found.append(name)
        size = int.from_bytes(head[place + 4 : place + 8], "little")
        place += 8 + (16 if name == b"ANMF" else size + size % 2)  # a frame's chunks follow
    return found


def _is_irreversible(head: bytes) -> bool:
    """Whether a JPEG 2000 file names the 9-7 wavelet where it says how it is coded (COD)."""
    marker = head.find(b"\xff\x52", max(0, head.find(b"\xff\x4f\xff\x51")))
    return marker >= 0 and head[marker + 13 : marker + 14] == b"\0"
