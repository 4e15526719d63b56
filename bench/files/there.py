"""What lies at a path: told in words, also where something else is there than is needed."""

from __future__ import annotations

from errno import ENOENT, ENOTDIR
from pathlib import Path
from stat import S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK

from bench.types import BenchError
from bench.types.errors import disk_fault


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it; raises ``BenchError`` where that can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"{folder}: the folder cannot be made: {disk_fault(error)}") from error


def check_folder(folder: object, whose: str) -> None:
    """Raises ``BenchError`` where a local folder of the user's neither is one nor can be made.

    ``whose`` says what it is, for the error. A path of another kind, behind a URL, is let through.
    """
    if not isinstance(folder, Path):
        return
    found = kind_of(folder)
    if found not in ("it is a folder", "no such file"):
        raise BenchError(f"{folder}: {found}; {whose} is a folder: name a folder")


def is_there(path: Path) -> bool:
    """Whether anything lies there; nothing does under a name that no file can have."""
    try:
        return path.exists()
    except OSError:
        return False


def kind_of(path: Path, wanted: str = "file") -> str:
    """What lies at a path, for the end of an error; where nothing does, that no ``wanted`` does.

    >>> kind_of(Path("/")), kind_of(Path("nowhere")), kind_of(Path("a" * 300))[:31]
    ('it is a folder', 'no such file', 'a name in it is longer than the')
    >>> kind_of(Path("nowhere"), "picture")
    'no such picture'
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"no such {wanted}" if error.errno in (ENOENT, ENOTDIR) else disk_fault(error)
    except ValueError:
        return "its name holds NUL, which no file's does"
    kinds = {S_IFDIR: "folder", S_IFREG: "file", S_IFIFO: "pipe", S_IFSOCK: "socket"}
    return f"it is a {kinds.get(S_IFMT(mode), 'device')}"
