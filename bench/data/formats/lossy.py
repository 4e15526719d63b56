"""Whether a picture file keeps its values exactly, which labels need and photographs don't."""

from __future__ import annotations

from PIL import ImageFile

_COMPRESSION = 259
_LOSSY_IN_TIFF = (6, 7, 34712, 50001)
"""JPEG of two kinds, JPEG 2000 and WebP, as a TIFF's tag of its compression calls them."""

_HEAD = 1 << 16
"""Bytes in which a file says how it is packed, at most."""


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
