"""Hashes of files, computed once for each version of a file."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

CHUNK = 1 << 20
"""Bytes that are read at once."""


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, in lower-case hex.

    It is computed once per process and version of the file (size, times of change and inode), so
    that a grid of many runs does not read gigabytes for each of them.
    """
    stat = path.stat()
    times = stat.st_mtime_ns, stat.st_ctime_ns  # the one can be set, the other can't
    return _sha256(path.resolve(), stat.st_size, times, stat.st_ino)


def sha256_of_all(path: Path) -> str:
    """One hash of a file, or of the names and contents of all files of a folder."""
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    digest = hashlib.sha256()
    for file in files:
        name = file.relative_to(path).as_posix()
        digest.update(f"{name}\t{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, changed_ns: tuple[int, int], inode: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
