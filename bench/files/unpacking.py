"""Unpacks archives of other people: nothing lands outside the folder, nothing grows without end."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, TypeAlias

from bench.types import BenchError
from bench.types.errors import did_you_mean

Member: TypeAlias = "tuple[str, Callable[[], IO[bytes]]]"
"""A file's name in the archive, and how it is opened."""

_CHUNK = 1 << 20
_LEAST_LIMIT = 1 << 30
_RATIO = 100
"""How many times its own size an archive of data may unpack to; more is taken for a trap."""

_FAT = 0
"""The system that zip files of Windows and DOS come from."""

_JUNK = ("__MACOSX", ".DS_Store")

# What the two libraries raise on damaged files, and on ways of packing that they don't know.
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    LookupError,
    RuntimeError,
    ValueError,
)


def kinds() -> list[str]:
    """The kinds of archive."""
    return list(_OPENERS)


def unpack(archive: Path, kind: str, folder: Path, limit: int | None = None) -> int:
    """Unpacks all files of ``archive`` into the new or empty ``folder``, and gives their number.

    ``kind`` is one of ``kinds()``; ``limit`` is the most bytes that may come out, by default 100
    times the archive's size and 1 GiB at least; bytes that a tar file has to be gone through for,
    members that are left out and headers, count too. Files get this process's own permissions;
    what macOS adds is left out.

    Raises ``BenchError`` that names archive and member for absolute names, names with "..", drive
    letters or backslashes, links, devices, encrypted files, a name that is there twice, too many
    bytes, no room on the disk, and a damaged archive. Then the folder holds a part, and is to be
    thrown away.
    """
    if kind not in _OPENERS:
        raise BenchError(
            f"{archive}: unknown kind of archive {kind!r}; {did_you_mean(kind, _OPENERS)}"
        )
    most = limit or max(_LEAST_LIMIT, _RATIO * archive.stat().st_size)
    left, files = most, 0
    folder.mkdir(parents=True, exist_ok=True)
    with _damage_named(archive), _OPENERS[kind](archive, most) as members:
        for name, opened in members:
            target = folder / _inside(archive, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                out = target.open("xb")
            except FileExistsError:
                raise BenchError(f"{archive}: {name!r} is there twice") from None
            with out, opened() as source:
                while chunk := source.read(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise _too_much(archive, most)
                    out.write(chunk)
            files += 1
    return files


def _too_much(archive: Path, most: int) -> BenchError:
    return BenchError(
        f"{archive}: unpacks to more than {most} bytes; if that is right, say how many in "
        "about.fetch, unpacked: BYTES"
    )


@contextmanager
def _zip(archive: Path, most: int) -> Iterator[Iterator[Member]]:
    with zipfile.ZipFile(archive) as opened:
        infos = [i for i in opened.infolist() if not _with_slashes(i).endswith("/")]
        needed, free = sum(info.file_size for info in infos), _free(archive)
        if needed > free:
            raise BenchError(f"{archive}: unpacks to {needed} bytes, {free} are free")

        def members() -> Iterator[Member]:
            for info in infos:
                if _is_junk(_with_slashes(info)):
                    continue
                if info.flag_bits & 1:
                    raise BenchError(f"{archive}: {info.filename!r} is encrypted")
                mode = info.external_attr >> 16
                if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                    raise BenchError(f"{archive}: {info.filename!r} is a link or a device")
                name = _with_slashes(info)
                yield name, lambda info=info: opened.open(info)  # type: ignore[misc]

        yield members()


@contextmanager
def _tar(archive: Path, most: int) -> Iterator[Iterator[Member]]:
    with _stream(archive) as stream:
        counted = _Counted(stream, archive, most)
        opened = tarfile.TarFile(fileobj=counted)  # type: ignore[arg-type]

        def members() -> Iterator[Member]:
            for info in opened:
                counted.room += _OVERHEAD
                if info.isdir() or _is_junk(info.name):
                    continue
                if not info.isreg():
                    raise BenchError(f"{archive}: {info.name!r} is a link or a device")
                yield info.name, lambda info=info: _content(opened, info)  # type: ignore[misc]

        yield members()


_PACKED: Mapping[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
"""How a packed file begins, and what unpacks it."""

_OVERHEAD = 1 << 12
"""Bytes of a member's headers and of what fills up its last block, at most, where it is honest."""

_HEADER = 1 << 20
"""Bytes of the longest header: a name, attributes."""


@contextmanager
def _stream(archive: Path) -> Iterator[IO[bytes]]:
    """The tar file's own bytes, whatever it is packed with."""
    with archive.open("rb") as file:
        start = file.read(max(map(len, _PACKED)))
    unpacked = next((way for mark, way in _PACKED.items() if start.startswith(mark)), None)
    with archive.open("rb") if unpacked is None else unpacked(archive) as stream:
        yield stream


class _Counted:
    """A stream that is gone through once, up to so many bytes, headers in memory among them."""

    def __init__(self, stream: IO[bytes], archive: Path, most: int) -> None:
        self._stream, self._archive, self._most = stream, archive, most
        self.room = most + tarfile.RECORDSIZE
        self.tell = stream.tell

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes; raises ``BenchError`` beyond what the archive may hold."""
        if size < 0 or size > _HEADER:
            raise BenchError(f"{self._archive}: a header of {size} bytes is no header")
        self._check(self._stream.tell() + size)
        return self._stream.read(size)

    def seek(self, to: int) -> int:
        """Goes to a byte, which unpacks all before it."""
        self._check(to)
        return self._stream.seek(to)

    def _check(self, to: int) -> None:
        if to > self.room:
            raise _too_much(self._archive, self._most)


_OPENERS: Mapping[str, Callable[[Path, int], AbstractContextManager[Iterator[Member]]]] = {
    "zip": _zip,
    "tar": _tar,
}


def _content(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = opened.extractfile(info)
    assert content is not None  # a regular file has one
    return content


def _inside(archive: Path, name: str) -> PurePosixPath:
    """The name as a path below the folder; raises ``BenchError`` for one that isn't."""
    path = PurePosixPath(name)
    bad = (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or "\\" in name
        or PureWindowsPath(name).drive != ""
    )
    if bad:
        raise BenchError(f"{archive}: the name {name!r} would leave the folder; nothing is kept")
    return path


def _with_slashes(info: zipfile.ZipInfo) -> str:
    """A member's name; one that was packed on Windows may part its folders as that system does."""
    windows = info.create_system == _FAT and "/" not in info.filename
    return info.filename.replace("\\", "/") if windows else info.filename


def _is_junk(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and (parts[0] in _JUNK or parts[-1] in _JUNK)


def _free(archive: Path) -> int:
    return shutil.disk_usage(archive.parent).free


@contextmanager
def _damage_named(archive: Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BenchError(f"{archive}: can't be unpacked: {reason}") from error
