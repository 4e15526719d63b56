"""A folder or file behind a URL that fsspec understands, such as ``s3://bucket/folder``.

It has as much of ``pathlib.Path`` as results need, so that the store asks both alike. Of the
errors of the many libraries behind it only ``FileNotFoundError`` and ``FileExistsError`` come
through; every other is a ``BenchError`` of one line. fsspec is loaded when a URL is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from bench.types import BenchError

SCHEMES = ("abfs", "abfss", "az", "gcs", "gs", "memory", "s3", "s3a", "sftp")
"""The stores that results may lie in.

fsspec knows more, among them some that read another place as a file says, or run what it holds.
"""


@dataclass(frozen=True, slots=True)
class RemotePath:
    """A place behind a URL; it holds no connection, so it can be sent to other processes.

    Nothing is remembered of listings: what others write is seen at once, where the store itself
    is consistent, as S3, GCS and Azure are.
    """

    url: str

    @classmethod
    def of(cls, url: str) -> RemotePath:
        """The place of a URL of one of the ``SCHEMES``.

        Raises ``BenchError`` for another scheme, for URLs chained with ``::``, each of which fsspec
        would open, and where no library here can open such a URL.
        """
        scheme, _, rest = url.partition("://")
        if "::" in url:
            raise BenchError(f"{url}: holds '::', which chains URLs; give one such as s3://bucket")
        if scheme not in SCHEMES:
            known = ", ".join(f"{each}://" for each in SCHEMES)
            raise BenchError(f"{url}: results lie in a folder, or behind {known}")
        if not rest.strip("/"):
            raise BenchError(f"{url}: names no folder; give one such as s3://bucket/folder")
        _file_system(f"{scheme}://{rest.partition('/')[0]}")
        return cls(url.rstrip("/"))

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        """What stands behind the last slash."""
        return self.url.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name less what stands behind its last dot."""
        return self.name.rpartition(".")[0] or self.name

    @property
    def parent(self) -> RemotePath:
        """The folder that it lies in."""
        return RemotePath(self.url.rpartition("/")[0])

    @property
    def root(self) -> RemotePath:
        """The bucket, container or host."""
        return RemotePath("/".join(self.parts[:3]))

    @property
    def parts(self) -> tuple[str, ...]:
        """The words between the slashes."""
        return tuple(self.url.split("/"))

    def is_absolute(self) -> bool:
        """Always."""
        return True

    def absolute(self) -> RemotePath:
        """Itself, and so are the other ways to write a local path."""
        return self

    resolve = expanduser = absolute

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: folders come with what is put into them."""

    def exists(self) -> bool:
        """Whether there is a file or a folder."""
        return self._kind() is not None

    def is_file(self) -> bool:
        """Whether there is a file."""
        return self._kind() == "file"

    def is_dir(self) -> bool:
        """Whether anything lies below it."""
        return self._kind() == "directory"

    def entries(self) -> dict[str, dict[str, Any]]:
        """What lies directly in it, by name, as fsspec describes it; empty where nothing does."""
        with self._told():
            try:
                listed = self._files.ls(self._path, detail=True)
            except FileNotFoundError:
                return {}
        inside = self._path.rstrip("/") + "/"
        by_path = {str(each["name"]).rstrip("/"): each for each in listed}
        return {
            path.rpartition("/")[2]: each
            for path, each in by_path.items()
            if path.startswith(inside)
        }

    def iterdir(self) -> Iterator[RemotePath]:
        """What lies directly in it, sorted by name."""
        return (self / name for name in sorted(self.entries()))

    def glob(self, pattern: str) -> Iterator[RemotePath]:
        """What fits a pattern of one or several levels; ``**`` isn't known."""
        first, _, rest = pattern.partition("/")
        for found in self.iterdir():
            if fnmatchcase(found.name, first):
                yield from found.glob(rest) if rest else [found]

    def read_bytes(self) -> bytes:
        """The file's content; raises ``FileNotFoundError``."""
        with self._told():
            content: bytes = self._files.cat_file(self._path)
        return content

    def read_text(self, encoding: str = "utf-8") -> str:
        """The file's text; raises ``FileNotFoundError`` and ``UnicodeDecodeError``."""
        return self.read_bytes().decode(encoding)

    def modified(self) -> float:
        """When the file was written, in seconds by the store's own clock."""
        with self._told():
            return float(self._files.modified(self._path).timestamp())

    def put(self, content: bytes, *, new: bool = False) -> None:
        """Writes the file in one request, which an object store does whole or not at all.

        Raises ``FileExistsError`` where it must be ``new`` and isn't.
        """
        mode = {"mode": "create"} if new else {}
        with self._told():
            try:
                self._write(content, mode)
            except FileNotFoundError as error:
                raise BenchError(f"{self}: cannot be written ({_line(error)})") from error
            except FileExistsError:
                raise
            except OSError as error:
                if new and self.exists():  # not every store says so in the same words
                    raise FileExistsError(self.url) from error
                raise

    def move(self, to: RemotePath) -> None:
        """Copies the file, then deletes it here."""
        with self._told():
            self._files.cp_file(self._path, to._path)
            self._files.rm_file(self._path)

    def unlink(self, missing_ok: bool = False) -> None:
        """Deletes the file; not every store says that there was none."""
        with self._told():
            try:
                self._files.rm_file(self._path)
            except FileNotFoundError:
                if not missing_ok:
                    raise

    def _write(self, content: bytes, mode: dict[str, str]) -> None:
        try:
            self._files.pipe_file(self._path, content, **mode)
        except FileNotFoundError:  # a store that knows folders; one with buckets makes none
            for depth in range(4, len(self.parts)):
                self._make(RemotePath("/".join(self.parts[:depth])))
            self._files.pipe_file(self._path, content, **mode)

    def _make(self, folder: RemotePath) -> None:
        try:
            self._files.mkdir(folder._path, create_parents=False)
        except FileExistsError:
            return

    def _kind(self) -> str | None:
        with self._told():
            try:
                return str(self._files.info(self._path)["type"])
            except FileNotFoundError:
                return None

    @property
    def _files(self) -> Any:
        return _file_system(self.root.url)

    @property
    def _path(self) -> str:
        return str(self._files._strip_protocol(self.url))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (BenchError, FileNotFoundError, FileExistsError):
            raise
        except Exception as error:  # each library behind fsspec has its own
            raise BenchError(f"{self}: cannot be reached ({_line(error)})") from error


@cache
def _file_system(root: str) -> Any:
    """The opened file system of ``scheme://host``, one for all threads.

    Raises ``BenchError`` where the scheme is unknown or its library isn't installed.
    """
    try:
        from fsspec.core import url_to_fs

        return url_to_fs(root, use_listings_cache=False, skip_instance_cache=True)[0]
    except ImportError as error:
        raise BenchError(
            f"{root}: the library for such URLs isn't here; for s3:// "
            f"pip install 'sam-bench[s3]' ({_line(error)})"
        ) from error
    except Exception as error:
        raise BenchError(f"{root}: no such place can be opened ({_line(error)})") from error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
