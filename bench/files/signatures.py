"""What a file is, told by its first bytes, where it isn't what its reader expects.

A download may leave a web page or a pointer in a file's place, tools pack what others read plain,
and phones and scanners write pictures of their own kinds. Each is named, with what to do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

HEAD = 512
"""Bytes that tell it."""

_UNPACK = "unpack it and name the file in it"
_CONVERT = "convert it to PNG or JPEG"

_BY_START = {
    b"\x1f\x8b": ("packed with gzip", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"Rar!": ("a RAR archive", _UNPACK),
    b"PK\x03\x04": ("a zip archive", _UNPACK),
    b"%PDF": ("a PDF document", _CONVERT),
    b"8BPS": ("a Photoshop document", _CONVERT),
    b"<?xml": ("an XML text", "if it is an error in the file's place, download the file itself"),
    b"<svg": ("an SVG drawing", _CONVERT),
    b"\x93NUMPY": ("a NumPy array", "save it as PNG, or give its masks by a reader of your own"),
    b"\x89HDF": ("an HDF5 file", "a reader of its format names it, see the site's datasets"),
    b"\x00\x05\x16\x07": ("what macOS keeps beside a file (._NAME)", "delete it"),
}
_BY_BRAND = {b"hei": "a HEIC picture", b"hev": "a HEIC picture", b"mif": "a HEIF picture",
             b"msf": "a HEIF picture", b"avi": "an AVIF picture"}  # fmt: skip
"""The beginning of what a file of boxes (ISO 14496-12) says it is."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a file is, with its article, and what to do with it."""

    what: str
    remedy: str

    @property
    def words(self) -> str:
        """Both, as the end of an error."""
        return f"{self.what}; {self.remedy}"


def signature_of(head: bytes) -> Signature | None:
    """What the first bytes of a file tell; none where they tell nothing known.

    >>> signature_of(b"<!DOCTYPE html><html>")
    Signature(what='a web page', remedy='a login, a warning or an error was downloaded in its \
place; open the link in a browser and download the file itself')
    """
    if not head:
        return Signature("empty, 0 bytes", "copy or download it again")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.lower().startswith((b"<!doctype html", b"<html", b"<head")):
        return Signature(
            "a web page",
            "a login, a warning or an error was downloaded in its place; open the link in a "
            "browser and download the file itself",
        )
    if start.startswith(b"version https://git-lfs"):
        size = re.search(rb"\nsize (\d{1,19})\b", head)
        of = f" for {int(size[1]):,} bytes" if size else ""
        return Signature(
            f"a pointer of Git LFS{of}", "`git lfs pull` in its repository fetches what it is for"
        )
    if head[4:8] == b"ftyp" and (brand := _BY_BRAND.get(head[8:11])):
        return Signature(brand, _CONVERT)
    if head[128:132] == b"DICM":
        return Signature("a DICOM picture", _CONVERT)
    if head[344:347] in (b"n+1", b"ni1"):
        return Signature("a NIfTI volume", "write its slices as PNG")
    if head[257:262] == b"ustar":
        return Signature("a tar archive", _UNPACK)
    found = next((each for magic, each in _BY_START.items() if start.startswith(magic)), None)
    return None if found is None else Signature(*found)


def signature_of_file(path: Path) -> Signature | None:
    """What a file's first bytes tell; none also where it can't be read."""
    try:
        with path.open("rb") as file:
            return signature_of(file.read(HEAD))
    except OSError:
        return None
