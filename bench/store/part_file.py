"""A part: the rows of whole images in one Parquet file that is never changed.

Its metadata names its run and the images that it completes, those without a row too; parts of
schema versions 1 to 3 name no run, and are known by the names in their rows. A part's own name ends
in the hash of its bytes (``<uuid>-<16 hexadecimal digits>.parquet``), so a flipped bit anywhere in
it, its metadata included, is noticed; parts of schema version 1 have no hash in their name. Anybody
can write a hash that holds, so the account is held against the rows too. Only that an image has
none can't be told from its rows: such a claim gives way to a part that has some (``part_folder``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.files.documents import parse_json
from bench.files.places import Place
from bench.store.schema import READABLE, SCHEMA_VERSION, VERSION_KEY
from bench.types import BenchError

_CONTENT = b"bench.content"
_REPLACES = b"bench.replaces"
_NAME = re.compile(r"[0-9a-f]{32}-([0-9a-f]{16})\.parquet")


NAMES = ("dataset", "model", "protocol")
"""The columns that name what a run is made of, by the names that its header has for them too."""

_IMAGES = ["image_id"]
"""The column that names the image of a row."""

_LITTLE = 1 << 20
"""Bytes of rows below which zstd takes longer to be set up, for each column, than it saves."""

_DAMAGE = (OSError, ValueError, TypeError, KeyError, AttributeError, MemoryError, pa.ArrowException)
"""What reading a broken Parquet file raises."""


class DamagedPartError(BenchError):
    """A part whose bytes are not those that were written, or whose rows are not as it says."""


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """What a part holds: the images that it completes, how many masks, and skipped targets.

    ``fingerprint`` is the reader's, of these images as they were read; ``counted`` is what the task
    counted in them, for its notes. ``run`` is the key of the run that they were done for, and
    ``origins`` say what they were read from, as ``bench.data.origins`` tells it; both are empty in
    parts of earlier releases.
    """

    images: tuple[str, ...] = ()
    masks: int = 0
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    fingerprint: str = ""
    counted: Mapping[str, int] = dataclasses.field(default_factory=dict)
    run: str = ""
    origins: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Whose:
    """A run as its parts name it: by its ``key``, or by ``names``, those that stand in its rows.

    ``names`` go by the column. What is not known is empty, and fits any part.
    """

    key: str = ""
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class PartFile:
    """A part that was read and found sound.

    A compacted part has several ``contents``, those of the parts that it ``replaces`` by name.
    ``size`` is in bytes, ``columns`` are those of its rows, ``names`` the least and the greatest of
    the names in them, by column. ``with_rows`` are those of its images that it has rows of.
    """

    path: Place
    size: int
    contents: tuple[Content, ...]
    with_rows: frozenset[str]
    replaces: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    names: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)

    def not_of(self, whose: Whose) -> str:
        """Whose the part is, in words, where it is another run's; empty where it may be this one's.

        A part that names no run is held against the names in its rows.
        """
        keys = {content.run for content in self.contents}
        for key in sorted(keys - {"", whose.key}) if whose.key else ():
            return f"a part of run {key}, this is run {whose.key}"
        for column, name in whose.names.items() if "" in keys else ():
            for found in self.names.get(column, ()):
                if found != name:
                    return f"a part of {column} {found!r}, this is a run of {column} {name!r}"
        return ""

    @property
    def images(self) -> list[str]:
        """The images that it completes."""
        return [image_id for content in self.contents for image_id in content.images]

    def stands_for(self, other: PartFile) -> bool:
        """Whether it replaces the other by name, and its account repeats the other's."""
        own = {content.images: content for content in self.contents}
        repeated = all(own.get(content.images) == content for content in other.contents)
        return repeated and other.path.name in self.replaces and other.path != self.path


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

    Raises ``DamagedPartError`` where its bytes are not those that were written, or where its
    account doesn't agree with its rows, ``BenchError`` for another schema version, and
    ``FileNotFoundError``.
    """
    data = _sound_bytes(path)
    try:
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=_IMAGES)
        metadata, columns = file.schema_arrow.metadata or {}, tuple(file.schema_arrow.names)
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
        contents = [_content(one) for one in (said if isinstance(said, list) else [said])]
        with_rows = _with_rows(file, contents)
        replaces = _replaced(parse_json(metadata.get(_REPLACES, b"[]")))
        names = {} if all(one.run for one in contents) else _names(file.metadata)
    except _DAMAGE as error:
        raise _damaged(path, f"its account of its images: {error}") from error
    return PartFile(path, len(data), tuple(contents), with_rows, replaces, columns, names)


def _with_rows(file: pq.ParquetFile, contents: Sequence[Content]) -> frozenset[str]:
    """The images that rows are of; raises ``ValueError`` where ``contents`` don't agree with them.

    Every row is of an image that is named, none is named twice, and each of the contents has masks
    where it has rows, no more than rows. Only the images' column is read: a small part takes half
    as long again to open, a large one a tenth.
    """
    images = [image_id for content in contents for image_id in content.images]
    if len(images) != len(set(images)):
        raise ValueError("an image is named twice")
    rows = _rows_by_image(file)
    if stray := rows.keys() - set(images):
        raise ValueError(f"rows of images that it doesn't name: {sorted(map(str, stray))[:3]}")
    for content in contents:
        found = sum(rows.get(image_id, 0) for image_id in content.images)
        if bool(found) != bool(content.masks) or found < content.masks:
            raise ValueError(f"it says {content.masks} masks in what it has {found} rows of")
    return frozenset(rows)


def _rows_by_image(file: pq.ParquetFile) -> dict[str, int]:
    """How many rows there are of each image; raises ``ValueError`` for a row of none."""
    rows = file.read(columns=_IMAGES, use_threads=False).unify_dictionaries()
    images = rows[_IMAGES[0]].combine_chunks()
    if images.null_count:
        raise ValueError("a row without an image")
    names = images.dictionary.to_pylist()
    counts = np.bincount(images.indices.to_numpy(), minlength=len(names)).tolist()
    return {name: count for name, count in zip(names, counts, strict=True) if count}


def _replaced(said: Any) -> tuple[str, ...]:
    """The names of the parts that a part replaces; raises ``ValueError`` where they are none."""
    if not (isinstance(said, list) and all(map(_is_text, said))):
        raise ValueError(f"expected the names of parts that it replaces, found {said!r}")
    return tuple(said)


def _content(said: Mapping[str, Any]) -> Content:
    """What a part says of some images; raises ``TypeError`` or ``ValueError`` where it can't be."""
    content = Content(**said)
    if not (isinstance(content.images, list) and all(map(_is_text, content.images))):
        raise ValueError(f"expected the ids of images, found {content.images!r}")
    if not _is_count(content.masks):
        raise ValueError(f"expected a number of masks, found {content.masks!r}")
    for counts in (content.skipped, content.counted):
        if not (isinstance(counts, dict) and all(map(_is_count, counts.values()))):
            raise ValueError(f"expected counts by name, found {counts!r}")
    for text in (content.fingerprint, content.run):
        if not isinstance(text, str):
            raise ValueError(f"expected a fingerprint and a run's key as text, found {text!r}")
    for image_id, origin in content.origins.items():
        if not (isinstance(origin, list) and [type(each) for each in origin] == [str, str]):
            raise ValueError(f"expected two hashes of image {image_id}, found {origin!r}")
    return dataclasses.replace(content, images=tuple(content.images))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _names(file: pq.FileMetaData) -> dict[str, tuple[str, str]]:
    """The least and the greatest of the names in each column of names, as the statistics say."""
    ends: dict[str, set[str]] = {}
    for number in range(file.num_row_groups):
        group = file.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            if column.path_in_schema in NAMES and column.is_stats_set:
                told = column.statistics
                if told.has_min_max:
                    ends.setdefault(column.path_in_schema, set()).update((told.min, told.max))
    return {column: (min(found), max(found)) for column, found in ends.items()}


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
