"""Files that are something else than their reader expects are named, with what to do."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data.formats.pictures import FORMATS, read_picture
from bench.files.documents import parse_json
from bench.files.signatures import signature_of
from bench.types import BenchError


def numpy_file() -> bytes:
    file = io.BytesIO()
    np.save(file, np.eye(3))
    return file.getvalue()


OTHERS = {
    "a web page": b"<!DOCTYPE html><html>log in</html>",
    "a pointer of Git LFS for 12,345 bytes": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    ),
    "packed with gzip": gzip.compress(b"[]"),
    "a zip archive": b"PK\x03\x04" + bytes(60),
    "a HEIC picture": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
    "an AVIF picture": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1" + bytes(200),
    "a DICOM picture": bytes(128) + b"DICM" + bytes(200),
    "a NIfTI volume": bytes(344) + b"n+1\0" + bytes(200),
    "a NumPy array": numpy_file(),
    "what macOS keeps beside a file": b"\0\x05\x16\x07" + bytes(80),
    "an XML text": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "empty, 0 bytes": b"",
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_in_a_pictures_place_is_named(what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(OTHERS[what])
    with pytest.raises(
        BenchError, match=rf"a\.jpg: not a picture of a known kind: it is {what}.*; "
    ):
        read_picture(path)


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_in_a_json_files_place_is_named(what: str) -> None:
    with pytest.raises(ValueError, match=f"it is {what}.*; "):
        parse_json(OTHERS[what])


def test_an_encoding_that_is_not_unicode_is_said() -> None:
    with pytest.raises(ValueError, match=r"in no Unicode encoding .*save it as UTF-8"):
        parse_json('{"label": "\u8f66\u8f86"}'.encode("gb18030"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
def test_every_unicode_encoding_is_read(encoding: str) -> None:
    assert parse_json('{"label": "\u8f66"}'.encode(encoding)) == {"label": "\u8f66"}


@pytest.mark.parametrize("kind", FORMATS)
def test_no_picture_that_is_read_is_taken_for_another_file(kind: str) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((30, 40), dtype=np.uint8)).save(file, kind)
    assert signature_of(file.getvalue()) is None
    assert signature_of(json.dumps({"a": 1}).encode()) is None
