"""Where a dataset's files lie, whether they are there, and whether they have changed."""

from __future__ import annotations

import hashlib
import importlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from os.path import isdir, isfile
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.files.documents import parse_json
from bench.files.places import local_path
from bench.files.there import is_there, kind_of
from bench.types import BenchError, ImageArray, Site

_LONGEST_NAME, _LONGEST_PATH = 255, 3000
"""Bytes of one name and of all in a path, beyond which no file system has them."""

_TRIED = 20  # pictures that are looked for before the whole folder is called wrong


def locate_file(path: str, site: Site) -> Path:
    """The file at ``path``, from ``site.datasets`` unless absolute; ``BenchError`` without it."""
    found = _beneath(path, site)
    if not isfile(found):
        raise BenchError(_not_there("file", path, found, site))
    return found


def locate_folder(path: str, site: Site) -> Path:
    """The folder at ``path``, from ``site.datasets`` unless absolute; ``BenchError`` without it."""
    found = _beneath(path, site)
    if not isdir(found):
        raise BenchError(_not_there("folder", path, found, site))
    return found


def is_hidden(path: Path, folder: Path) -> bool:
    """Whether a file or a folder below ``folder`` that leads to it has a name beginning with a dot.

    Systems and notebooks keep copies there: ``._a.png``, ``.ipynb_checkpoints/a-checkpoint.png``.
    """
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def read_json(path: Path) -> Any:
    """What a JSON file holds; ``BenchError`` naming the file where it's missing or broken."""
    try:
        return parse_json(path.read_bytes())
    except FileNotFoundError:
        raise BenchError(f"{path}: no such file") from None
    except ValueError as error:
        raise BenchError(f"{path}: not a JSON file: {error}") from None


def need_package(name: str, what: str) -> ModuleType:
    """A package of the extra ``datasets``, imported now; ``BenchError`` where it's missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BenchError(
            f"{what} needs {name.partition('.')[0]}, which is not installed ({error}); "
            f"install it with: pip install 'sam-bench[datasets]'"
        ) from error


def check_inside(name: str, where: str, remedy: Callable[[], str] = str) -> None:
    """Raises ``BenchError`` for a file name from a file that leads out of its folder.

    Absolute names, ``..`` and drives are refused whether or not there is such a file, so that
    annotations can't show what lies elsewhere; ``remedy`` gives the error's end. So are names that
    no file can have. Links inside a folder are its owner's, and followed.

    >>> check_inside("a/" + "n" * 300, "a.json: image 1: 'file_name'")
    Traceback (most recent call last):
    bench.types.errors.BenchError: a.json: image 1: 'file_name' \
'a/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…' is longer than any file's name, of 255 bytes at most
    """
    if "\0" in name:
        raise BenchError(f"{where} {name[:80]!r} holds NUL, which no file's name does")
    sizes = [len(part.encode(errors="replace")) for part in name.split("/")]
    if max(sizes) > _LONGEST_NAME or sum(sizes) > _LONGEST_PATH:
        raise BenchError(
            f"{where} {name[:40] + '…'!r} is longer than any file's name, of {_LONGEST_NAME} bytes "
            "at most"
        )
    parts = name.replace("\\", "/").split("/")
    drive = re.match(r"[A-Za-z]:", name)
    if drive or name.startswith(("/", "\\")) or ".." in parts:
        raise BenchError(
            f"{where} {name[:80]!r} leads out of its folder; expected a name inside it{remedy()}"
        )


def check_sizes(image: ImageArray, picture: Path, size: tuple[int, int], file: Path) -> None:
    """Raises ``BenchError`` where the (H, W) of a picture's masks in ``file`` isn't its own."""
    if image.shape[:2] != size:
        raise BenchError(
            f"{file}: its masks are {size[0]}×{size[1]} (H×W), the picture {picture.name} is "
            f"{image.shape[0]}×{image.shape[1]}"
        )


def check_said_size(
    image: ImageArray,
    picture: Path,
    said: Mapping[str, Any],
    file: Path,
    whose: str,
    remedy: Callable[[], str] = str,
) -> None:
    """Raises ``BenchError`` where a picture isn't as large as ``file`` says of it.

    ``said`` may have ``height`` and ``width`` (``said_size``). ``remedy`` gives the error's end.
    """
    values = said_size(said)
    pairs = zip(image.shape[:2], values, strict=True)
    if any(value is not None and _number(value) != size for size, value in pairs):
        told = "×".join("?" if value is None else str(value) for value in values)
        raise BenchError(
            f"{picture}: the picture is {image.shape[0]}×{image.shape[1]} (H×W), {file.name} says "
            f"{told[:40]} for {whose}{remedy()}"
        )


def said_size(
    entry: Mapping[str, Any], height: str = "height", width: str = "width"
) -> tuple[object, object]:
    """The (H, W) that a file says of a picture, of keys of these names; none where it says nothing.

    Null is as good as nothing, so is a number that no picture can have, as -1 and 0 stand for
    unknown; a number in quotes is as good as one without.

    >>> said_size({"height": -1, "width": None}), said_size({"height": "48", "width": 64})
    ((None, None), (48, 64))
    """
    first, second = (_size_of(entry.get(name)) for name in (height, width))
    return first, second


def _size_of(value: object) -> object:
    number = _number(value)
    if number is None or not math.isfinite(number):
        return value
    if number <= 0:
        return None
    return int(number) if number == int(number) else number


def _number(value: object) -> float | None:
    """The number that a value from a file is; none where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def hash_files(content: str, folder: Path, names: Iterable[str]) -> str:
    """A hash of ``content`` and of each file's name and size in bytes: 16 hex digits.

    Nothing is opened, so it is cheap; a file changed without changing its size goes unnoticed,
    unless its own hash is in ``content``. The folder's place doesn't matter.

    >>> hash_files("annotations", Path("nowhere"), ["a.png", "b.png"])
    '1b0a31d90e36866e'
    """
    digest = hashlib.sha256(content.encode())
    for name in names:
        path = folder / name
        size = str(path.stat().st_size) if path.is_file() else "missing"
        digest.update(f"\n{name}\t{size}".encode())
    return digest.hexdigest()[:16]


def require_some(
    folder: Path, names: Sequence[str], source: str, remedy: Callable[[], str] = str
) -> None:
    """Raises ``BenchError`` where none of the first pictures that ``source`` names is there.

    One missing picture is that image's error, none at all means a wrong folder. ``remedy`` gives
    the error's end where one is known.
    """
    tried = names[:_TRIED]
    if not any((folder / name).is_file() for name in tried):
        raise BenchError(
            f"{folder}: none of the first {len(tried)} pictures of {source} is here, "
            f"{tried[0]!r} for one{remedy() or '; is this the right folder of images?'}"
        )


def unlisted_files(folder: Path, names: Set[str]) -> list[str]:
    """Files beside those named and of their kinds that no name stands for, sorted.

    Looked for in the folders and with the suffixes of the names, without hidden files.
    """
    folders = {Path(name).parent for name in names}
    suffixes = {Path(name).suffix.lower() for name in names}
    found = (path for parent in sorted(folders) for path in sorted((folder / parent).glob("*")))
    return [
        name
        for path in found
        if path.suffix.lower() in suffixes and not path.name.startswith(".")
        if (name := path.relative_to(folder).as_posix()) not in names and path.is_file()
    ]


def _beneath(path: str, site: Site) -> Path:
    return local_path(site.datasets) / local_path(path)


def _not_there(kind: str, path: str, found: Path, site: Site) -> str:
    what = kind_of(found, kind)
    if is_there(found):
        what += f", where a {kind} is expected"
    if local_path(path).is_absolute():
        return f"{found}: {what}"
    return (
        f"{found.absolute()}: {what}; the dataset's {path!r} was looked for in the "
        f"datasets folder {str(site.datasets)!r}: put it there, or say where it is with "
        f"runtime.datasets=PATH"
    )
