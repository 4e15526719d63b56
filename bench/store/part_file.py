"""A part: the rows of whole images in one Parquet file that is never changed.

Its metadata names the images that it completes, those without a row too. Its name ends in the hash
of its bytes (``<uuid>-<16 hexadecimal digits>.parquet``), so a flipped bit anywhere in it, its
metadata included, is noticed; parts of schema version 1 have no hash in their name.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from bench.files.documents import parse_json
from bench.files.places import Place
from bench.store.schema import READABLE, SCHEMA_VERSION, VERSION_KEY
from bench.types import BenchError

_CONTENT = b"bench.content"
_REPLACES = b"bench.replaces"
_NAME = re.compile(r"[0-9a-f]{32}-([0-9a-f]{16})\.parquet")


_LITTLE = 1 << 20
"""Bytes of rows below which zstd takes longer to be set up, for each column, than it saves."""

_DAMAGE = (OSError, ValueError, TypeError, KeyError, MemoryError, pa.ArrowException)
"""What reading a broken Parquet file raises."""


class DamagedPartError(BenchError):
    """A part whose bytes are not those that were written."""


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """What a part holds: the images that it completes, how many masks, and skipped targets.

    ``fingerprint`` is the reader's, of these images as they were read; ``counted`` is what the task
    counted in them, for its notes.
    """

    images: tuple[str, ...] = ()
    masks: int = 0
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    fingerprint: str = ""
    counted: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class PartFile:
    """A part that was read and found sound.

    A compacted part has several ``contents``, those of the parts that it ``replaces`` by name.
    ``size`` is in bytes, ``columns`` are those of its rows.
    """

    path: Place
    size: int
    contents: tuple[Content, ...]
    replaces: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def images(self) -> list[str]:
        """The images that it completes."""
        return [image_id for content in self.contents for image_id in content.images]


def part_bytes(table: pa.Table, contents: Sequence[Content], replaces: Sequence[str] = ()) -> bytes:
    """The Parquet file of a table of rows."""
    plain = [dataclasses.asdict(content) for content in contents]
    said = {_CONTENT: json.dumps(plain if replaces else plain[0], ensure_ascii=False)}
    if replaces:
        said[_REPLACES] = json.dumps(list(replaces))
    sink = pa.BufferOutputStream()
    version = {VERSION_KEY: str(SCHEMA_VERSION)}
    table = table.combine_chunks().replace_schema_metadata(version | said)
    pq.write_table(table, sink, compression="lz4" if table.nbytes < _LITTLE else "zstd")
    written: bytes = sink.getvalue().to_pybytes()
    return written


def part_name(content: bytes) -> str:
    """A new name for a part of these bytes."""
    return f"{uuid.uuid4().hex}-{digest(content)}.parquet"


def open_part(path: Place) -> PartFile:
    """What a part holds, by its own account.

    Raises ``DamagedPartError`` where its bytes are not those that were written, ``BenchError`` for
    another schema version, and ``FileNotFoundError``.
    """
    data = _sound_bytes(path)
    try:
        schema = pq.read_schema(pa.BufferReader(data))
        metadata = schema.metadata or {}
    except _DAMAGE as error:
        raise _damaged(path, str(error)) from error
    version = metadata.get(VERSION_KEY, b"none").decode(errors="replace")
    if version not in map(str, READABLE):
        raise BenchError(
            f"{path}: rows of schema version {version}, this release reads "
            f"{', '.join(map(str, READABLE))}"
        )
    try:
        said = parse_json(metadata[_CONTENT])
        contents = [Content(**one) for one in (said if isinstance(said, list) else [said])]
        contents = [dataclasses.replace(one, images=tuple(one.images)) for one in contents]
        replaces = tuple(str(name) for name in parse_json(metadata.get(_REPLACES, b"[]")))
    except _DAMAGE as error:
        raise _damaged(path, f"its account of its images: {error}") from error
    return PartFile(path, len(data), tuple(contents), replaces, tuple(schema.names))


def read_table(path: Place, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a part, all columns or those of some that it has; raises as ``open_part``."""
    data = _sound_bytes(path)
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        there = file.schema_arrow.names
        wanted = None if columns is None else [name for name in columns if name in there]
        return file.read(columns=wanted, use_threads=False).replace_schema_metadata(None)
    except _DAMAGE as error:
        raise _damaged(path, str(error)) from error


def _sound_bytes(path: Place) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BenchError(f"{path}: cannot be read ({error})") from error
    named = _NAME.fullmatch(path.name)
    if named and named[1] != (found := digest(data)):
        raise _damaged(path, f"expected hash {named[1]}, found {found}")
    return data


def _damaged(path: Place, why: str) -> DamagedPartError:
    said = " ".join(why.split())[:300]
    return DamagedPartError(
        f"{path}: damaged part ({said}); the same command again sets it aside and redoes its images"
    )


def digest(data: bytes) -> str:
    """The hash of a part, as it stands in its name."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()
