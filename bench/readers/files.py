"""Where a dataset's files lie, which image each belongs to, and whether they have changed."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.types import BenchError, Site


def locate_file(path: str, site: Site) -> Path:
    """The file at ``path``, from ``site.datasets`` unless absolute; ``BenchError`` without it."""
    found = _beneath(path, site)
    if not found.is_file():
        raise BenchError(_not_there("file", path, found, site))
    return found


def locate_folder(path: str, site: Site) -> Path:
    """The folder at ``path``, from ``site.datasets`` unless absolute; ``BenchError`` without it."""
    found = _beneath(path, site)
    if not found.is_dir():
        raise BenchError(_not_there("folder", path, found, site))
    return found


def id_order(image_id: str) -> tuple[int, int, str]:
    """The sort key of ids: numbers first and by value, all others by their characters.

    >>> sorted(["b", "10", "9", "a2", "a10", "09"], key=id_order)
    ['09', '9', '10', 'a10', 'a2', 'b']
    """
    if image_id.isascii() and image_id.isdigit():
        return 0, int(image_id), image_id
    return 1, 0, image_id


def check_pattern(name: str, pattern: str) -> None:
    """Raises ``BenchError`` for a pattern without ``{id}``, or one that leaves its folder."""
    if "{id}" not in pattern:
        raise BenchError(f"{name} must contain {{id}}, found {pattern!r}")
    if pattern.startswith("/") or ".." in Path(pattern).parts:
        raise BenchError(f"{name} must stay inside the folder, found {pattern!r}")


def check_inside(name: str, where: str) -> None:
    """Raises ``BenchError`` for a file name from a file that leads out of its folder.

    Absolute names, ``..``, drives and NUL are refused whether or not there is such a file, so that
    annotations can't show what lies elsewhere. Links inside a folder are its owner's, and followed.
    """
    parts = name.replace("\\", "/").split("/")
    drive = re.match(r"[A-Za-z]:", name)
    if drive or name.startswith(("/", "\\")) or ".." in parts or "\0" in name:
        raise BenchError(
            f"{where} {name[:80]!r} leads out of its folder; expected a name inside it"
        )


def find_by_id(folder: Path, pattern: str) -> dict[str, Path]:
    """The files that match a pattern, id → path, in ``id_order``.

    ``{id}`` in the pattern stands for a name without "/", the same wherever it is repeated; ``*``,
    ``?`` and ``**/`` are those of a shell. Files whose name begins with a dot are left out.
    Raises ``BenchError`` where two files have the same id.
    """
    shape = _regex(pattern)
    found: dict[str, Path] = {}
    for path in _files(folder, pattern.replace("{id}", "*")):
        match = shape.fullmatch(path.relative_to(folder).as_posix())
        if match is None:
            continue
        try:
            match["id"].encode()
        except UnicodeEncodeError:
            raise BenchError(
                f"{folder}: the name of the file {str(path.name)!a} is not UTF-8 and so no id; "
                f"rename it"
            ) from None
        earlier = found.setdefault(match["id"], path)
        if earlier != path:
            raise BenchError(
                f"{folder}: the pattern {pattern!r} finds two files for the id "
                f"{match['id']!r}: {earlier.relative_to(folder)} and {path.relative_to(folder)}"
            )
    return {image_id: found[image_id] for image_id in sorted(found, key=id_order)}


def find_of_ids(folder: Path, pattern: str, ids: Iterable[str]) -> dict[str, list[Path]]:
    """Each image's files, sorted by name: those that match with the id in place of ``{id}``.

    The folder is listed once. An id may have no file; a file of no id is left out. Raises
    ``BenchError`` where a file matches two ids, as ``a_1_2.png`` in ``{id}_*.png`` does if there
    are images ``a`` and ``a_1``.
    """
    names = sorted(
        path.relative_to(folder).as_posix() for path in _files(folder, pattern.replace("{id}", "*"))
    )
    owners: dict[str, str] = {}
    found: dict[str, list[Path]] = {}
    for image_id in ids:
        shape = _regex(pattern, image_id)
        begin = re.split(r"[*?]", pattern, maxsplit=1)[0].replace("{id}", image_id)
        found[image_id] = []
        for name in names[bisect_left(names, begin) :]:
            if not name.startswith(begin):
                break
            if shape.fullmatch(name) is None:
                continue
            other = owners.setdefault(name, image_id)
            if other != image_id:
                raise BenchError(
                    f"{folder / name}: with the pattern {pattern!r} this file belongs to both "
                    f"{other!r} and {image_id!r}; give each image's files a folder of their own"
                )
            found[image_id].append(folder / name)
    return found


def hash_files(content: str, folder: Path, names: Iterable[str]) -> str:
    """A hash of ``content`` and of each file's name and size in bytes: 16 hex digits.

    Nothing is opened, so it is cheap; a file changed without changing its size goes unnoticed,
    unless its own hash is in ``content``. The folder's place doesn't matter.
    """
    digest = hashlib.sha256(content.encode())
    for name in names:
        path = folder / name
        size = str(path.stat().st_size) if path.is_file() else "missing"
        digest.update(f"\n{name}\t{size}".encode())
    return digest.hexdigest()[:16]


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    for path in sorted(folder.glob(pattern.replace("[", "[[]"))):
        if not path.name.startswith(".") and path.is_file():
            yield path


def _regex(pattern: str, image_id: str | None = None) -> re.Pattern[str]:
    """The shell pattern as a regular expression over posix paths, of one id or with a group."""
    parts = re.split(r"(\{id\}|\*\*/|\*|\?)", pattern)
    known = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    written, seen = "", False
    for part in parts:
        if part == "{id}" and image_id is not None:
            written += re.escape(image_id)
        elif part == "{id}":
            written += "(?P=id)" if seen else "(?P<id>[^/]+)"
            seen = True
        else:
            written += known.get(part, re.escape(part))
    return re.compile(written)


def _beneath(path: str, site: Site) -> Path:
    return Path(site.datasets).expanduser() / Path(path).expanduser()


def _not_there(kind: str, path: str, found: Path, site: Site) -> str:
    if Path(path).expanduser().is_absolute():
        return f"{found}: no such {kind}"
    return (
        f"{found.absolute()}: no such {kind}; the dataset's {path!r} was looked for in the "
        f"datasets folder {str(site.datasets)!r}: put it there, or say where it is with "
        f"runtime.datasets=PATH"
    )
