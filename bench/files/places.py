"""Where results lie: a local folder, or one behind a URL. What is done differently stands here.

Both are asked as ``pathlib`` is; a file is put in place whole, moved and locked in two ways.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import re
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from bench.files.remote import RemotePath as RemotePath
from bench.files.there import is_there
from bench.types import BenchError
from bench.types.errors import disk_fault

log = logging.getLogger(__name__)

Place: TypeAlias = Path | RemotePath
"""A file or folder of results."""

LOCKS = "~/.cache/sam-bench/locks"
"""Where this machine's commands lock runs that lie behind a URL."""


def local_path(given: str | Path) -> Path:
    """A path as a user writes it: ``~`` is the home folder, as ``~name`` is where there is one."""
    try:
        return Path(given).expanduser()
    except RuntimeError:  # nobody is called so: a file may be
        return Path(given)


def place(given: str | Place) -> Place:
    """The place of a path, ``~`` written out, or of a URL; ``file://`` is a local path.

    Raises ``BenchError`` for a URL that can't be opened with what is installed.

    >>> place("results"), place("file:///tmp/my%20results")
    (PosixPath('results'), PosixPath('/tmp/my results'))
    """
    if isinstance(given, RemotePath):
        return given
    text = str(given)
    if "://" not in text:
        return local_path(text)
    if text.startswith(("file://", "local://")):
        return Path(unquote(urlsplit(text).path))
    return RemotePath.of(text)


def local_side(results: Place) -> Path:
    """Where reports and manifests go: with the results, or into ``results`` here beside a URL."""
    return results if isinstance(results, Path) else Path("results")


def write_aside(path: Place, content: bytes, guard: Callable[[], None] = lambda: None) -> None:
    """Writes to a hidden neighbour, flushes it to disk, then renames it over ``path``.

    ``guard`` is asked right before the rename and raises where it must not happen. Behind a URL
    a file appears whole by itself.
    """
    if isinstance(path, RemotePath):
        guard()
        path.put(content)
        return
    aside = aside_of(path)
    try:
        with open(aside, "wb") as file:
            _hold(file.fileno())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        guard()
        os.replace(aside, path)
        _flush_folder(path.parent)
    except BaseException as error:
        _forget(aside)
        if isinstance(error, OSError):
            raise BenchError(
                f"{path}: cannot be written: {disk_fault(error)}; the same command goes on once it "
                "can"
            ) from error
        raise


def aside_of(path: Path) -> Path:
    """A new hidden neighbour, in which a file or folder is made before it takes its place."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


@contextmanager
def folder_aside(path: Path) -> Iterator[Path]:
    """A new hidden neighbour of a folder, gone at the end of the block unless it was moved away."""
    aside = aside_of(path)
    aside.mkdir(parents=True)
    opened = os.open(aside, os.O_RDONLY)
    try:
        _hold(opened)
        yield aside
    finally:
        os.close(opened)
        shutil.rmtree(aside, ignore_errors=True)


def forget_leftovers(path: Place) -> None:
    """Deletes what commands left that were killed while they wrote this file or folder.

    Those at work hold what they write; where a file system knows no locks, only what nobody has
    touched for ``_FORGOTTEN`` is deleted. Behind a URL nothing is ever left.
    """
    if isinstance(path, RemotePath):
        return
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{32}}")
    with suppress(OSError):
        for left in [each for each in path.parent.iterdir() if name.fullmatch(each.name)]:
            if _is_left(left):
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def exchange(one: Path, other: Path) -> bool:
    """Has two files or folders change places, at once or not at all; false where none can."""
    if not sys.platform.startswith("linux"):
        return False
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    if rename(here, os.fsencode(one), here, os.fsencode(other), ctypes.c_uint(swap)):
        return False
    _flush_folder(one.parent)
    return True


_FORGOTTEN = 3600.0
"""Seconds after which a write is over, one way or the other."""

_FRESH = 1.0
"""Seconds in which a new file may not be held yet."""


def _hold(opened: int) -> None:
    """Shows other commands, as long as this process has the file open, that it is at work."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_left(path: Path) -> bool:
    """Whether nobody is at work on it any more; raises ``OSError`` where it is gone."""
    untouched = time.time() - path.stat().st_mtime
    if untouched > _FORGOTTEN:
        return True
    opened = os.open(path, os.O_RDONLY)
    try:
        import fcntl

        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    finally:
        os.close(opened)
    return abs(untouched) > _FRESH


def claim(path: Place, content: bytes) -> bool:
    """Puts a file where none is yet, and says whether nobody else can have done so too.

    On a local disk a lock decides that. Raises ``FileExistsError`` behind a URL.
    """
    if not isinstance(path, RemotePath):
        write_aside(path, content)
        return True
    path.put(content, new=True)
    try:
        path.put(content, new=True)  # a store that doesn't know the condition lets this pass
    except FileExistsError:
        return True
    log.warning(
        "%s: this store doesn't refuse to create a file twice; of two commands that start at "
        "once one gives way a little later",
        path.parent,
    )
    return False


def show_life(path: Place) -> None:
    """Makes a file's time now, and leaves what it holds."""
    if isinstance(path, RemotePath):
        path.put(path.read_bytes())
    else:
        os.utime(path)


def age(path: Place) -> float:
    """Seconds since a file was written, by the clock of the file system or store alone."""
    probe = path.parent / f".probe.{uuid.uuid4().hex}"
    try:
        if isinstance(probe, RemotePath):
            probe.put(b"")
        else:
            probe.touch()
        return _modified(probe) - _modified(path)
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


def lock_of(folder: Place) -> tuple[Path, str]:
    """The file that this machine's commands lock to hold a run, and a name of where that counts.

    Containers of one machine may have a folder of locks each, and a run several URLs: only under
    the same name does the lock tell whether a command is alive.
    """
    if isinstance(folder, Path):
        return folder / ".lock", ""
    locks = local_path(LOCKS)
    lock = locks / f"{hashlib.blake2b(str(folder).encode(), digest_size=16).hexdigest()}.lock"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        status = locks.stat()
    except OSError:
        return lock, f" {uuid.uuid4().hex}"
    return lock, f" {status.st_dev} {status.st_ino} {lock.name}"


def scan(folder: Place) -> Iterator[tuple[str, int, int | str]]:
    """Name, bytes and a stamp of every visible Parquet file, in no order.

    The stamp changes with the file, as far as file system or store tell. Raises ``BenchError`` for
    a link to nothing, and ``FileNotFoundError`` where a file goes meanwhile.
    """
    if isinstance(folder, RemotePath):
        for name, each in folder.entries().items():
            if name.endswith(".parquet") and not name.startswith("."):
                yield name, int(each.get("size") or 0), str(each.get("ETag", ""))
        return
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".parquet") and not entry.name.startswith("."):
                    try:
                        status = entry.stat()
                    except FileNotFoundError:
                        if not os.path.lexists(entry.path):
                            raise
                        raise BenchError(
                            f"{entry.path}: a link to a file that isn't there; bring the file "
                            "back, or delete the link"
                        ) from None
                    yield entry.name, status.st_size, status.st_mtime_ns
    except FileNotFoundError:
        if not folder.exists():
            return
        raise
    except OSError as error:
        raise BenchError(f"{folder}: cannot be listed ({error})") from error


def move(path: Place, folder: Place) -> None:
    """Moves a file into a neighbour folder, which is made where it is missing."""
    if isinstance(path, RemotePath) and isinstance(folder, RemotePath):
        path.move(folder / path.name)
        return
    try:
        folder.mkdir(exist_ok=True)
        os.replace(str(path), str(folder / path.name))
    except OSError as error:
        raise BenchError(f"{path}: cannot be moved into {folder} ({error})") from error


def free_bytes(folder: Place) -> int | None:
    """The room on the disk where a folder is or would be; none where nothing tells, as at a URL."""
    if not isinstance(folder, Path):
        return None
    there = next(each for each in (folder, *folder.absolute().parents) if is_there(each))
    return shutil.disk_usage(there).free


def _modified(path: Place) -> float:
    return path.modified() if isinstance(path, RemotePath) else path.stat().st_mtime


def _flush_folder(folder: Path) -> None:
    """Makes a rename outlast a power cut, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _forget(aside: Path) -> None:
    try:
        aside.unlink(missing_ok=True)
    except OSError:
        return  # the folder is gone; whoever holds the run next sweeps it
