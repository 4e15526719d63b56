"""Checkpoint files: where they lie, whether they are the right ones, and how they get there."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os.path import isfile
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench.files.download import download
from bench.files.hashing import sha256_of
from bench.files.names import fault_of_name
from bench.files.places import local_path
from bench.files.there import kind_of
from bench.types import BenchError, Site

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Published:
    """A checkpoint as its authors publish it.

    ``file`` is its bare name in the checkpoint folder, ``size`` in bytes, ``sha256`` in lower-case
    hex. Raises ``BenchError`` where a value cannot be right.
    """

    file: str
    url: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        if fault := fault_of_name(self.file):
            raise BenchError(f"a checkpoint's file {self.file!r} {fault}: expected a bare name")
        if len(self.sha256) != 64 or not set(self.sha256) <= set("0123456789abcdef"):
            raise BenchError(
                f"the sha256 of {self.file} must be 64 lower-case hex digits, found {self.sha256!r}"
            )

    @classmethod
    def of(cls, args: Mapping[str, Any]) -> Published:
        """The checkpoint that a model's arguments name; more arguments may stand beside it."""
        lacking = [key for key in ("file", "url", "size", "sha256") if key not in args]
        if lacking:
            raise BenchError(f"the model's args lack {', '.join(lacking)}")
        return cls(str(args["file"]), str(args["url"]), int(args["size"]), str(args["sha256"]))


def find_own(checkpoint: str | Path, folder: Path) -> Path:
    """A user's own file: an absolute path, or one relative to here or to the checkpoint folder.

    Raises ``BenchError`` that names every place looked at.
    """
    given = local_path(checkpoint)
    places = [given] if given.is_absolute() else [Path.cwd() / given, folder / given]
    for place in places:
        if isfile(place):
            return place
    looked = " and ".join(f"{place} ({kind_of(place)})" for place in places)
    raise BenchError(f"no checkpoint {checkpoint}: looked for {looked}; name a file of weights")


def find_weights(args: Mapping[str, Any], site: Site) -> Path:
    """The file that a model's arguments name: the user's own ``checkpoint``, or the published one.

    That is fetched where ``site.download`` allows, if both its ``size`` and its ``sha256`` are
    known. Raises ``BenchError``.
    """
    known = None not in (args.get("size", 0), args.get("sha256", ""))
    published = Published.of(args) if known else None
    if (checkpoint := args.get("checkpoint")) is not None:
        return find_own(checkpoint, site.checkpoints)
    if published is None:
        raise BenchError(
            f"no checkpoint is named, and {args['file']} is not fetched, since its size and hash "
            f"are not both known to the bench: get {args['url']} and give "
            "model.args.checkpoint=FILE; runs are then known by the file's own hash"
        )
    return fetch(published, site.checkpoints, allowed=site.download)


def fetch(
    source: Published,
    folder: Path,
    *,
    allowed: bool = True,
    tries: int = 4,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """The path of a published checkpoint in ``folder``, downloaded where it is missing.

    The file is always checked, size and sha256. A wrong file in ``folder`` is an error and is
    never deleted. A download goes into ``<file>.part``, is checked there and then renamed; a
    broken one is gone on with by the next call. Of several processes one fetches, the others wait.

    Raises ``BenchError``: file wrong, not there and not ``allowed`` to fetch, or not to be had.
    ``tries``, ``pause`` and ``timeout`` (seconds) are those of ``download``.
    """
    target = folder / source.file
    if target.is_file():
        check(source, target)
        return target
    if not allowed:
        raise BenchError(
            f"no checkpoint {target}, and downloads are switched off; {_by_hand(source, folder)}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"the checkpoint folder cannot be made: {error}") from error
    with _locked(target):
        if target.is_file():  # another process fetched it while this one waited
            check(source, target)
            return target
        part = target.with_name(source.file + ".part")
        resumed = part.exists()
        try:
            download(source.url, part, source.size, tries=tries, pause=pause, timeout=timeout)
            wrong = _difference(source, part)
            if wrong and resumed:
                # The bytes of an earlier try may be of another file: once more from the start.
                log.warning("%s: the resumed download is wrong, starting afresh", source.file)
                part.unlink()
                download(source.url, part, source.size, tries=tries, pause=pause, timeout=timeout)
                wrong = _difference(source, part)
        except BenchError as error:
            raise BenchError(f"{error}; {_by_hand(source, folder)}") from error
        if wrong:
            part.unlink()
            raise BenchError(
                f"{source.url} delivered another file, now discarded: {wrong}; "
                f"{_by_hand(source, folder)}"
            )
        os.replace(part, target)
    return target


def check(source: Published, path: Path) -> None:
    """Raises ``BenchError`` where ``path`` is not, byte for byte, the published file."""
    if wrong := _difference(source, path):
        raise BenchError(
            f"{path} is not the published {source.file}: {wrong}; "
            f"move it away to have it fetched again, or name it as model.args.checkpoint if it "
            f"is meant"
        )


def _difference(source: Published, path: Path) -> str:
    """What tells ``path`` from the published file; empty where nothing does."""
    size = path.stat().st_size
    if size != source.size:
        return f"expected {source.size} bytes, found {size}"
    found = sha256_of(path)
    return "" if found == source.sha256 else f"expected sha256 {source.sha256}, found {found}"


def _by_hand(source: Published, folder: Path) -> str:
    return f"get {source.url} and put it at {(folder / source.file).absolute()}"


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Alone among processes while ``target`` is fetched; the system frees a dead one's lock."""
    lock = FileLock(target.with_name(target.name + ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s: waiting for the process that is fetching it", target.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
