"""The only module that touches ``results/``: a folder per run, Parquet parts of whole images.

::

    results/runs/<dataset>-<model>-<prompt>-<key>/
      run.json               header: identity, config, status, counts, seconds, versions, device
      parts/<uuid>-<hash>.parquet
                             rows of whole images; written aside, then renamed
      errors.jsonl           images that could not be read or scored

A part names in its metadata the images that it completes, those without a row too, so that a
resumed run knows what is missing.
"""

from __future__ import annotations

import dataclasses
import json
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench.documents import parse_json
from bench.headers import check_header
from bench.part_file import digest, sound_bytes
from bench.part_file import write_aside as write_aside
from bench.types import BenchError, Row

SCHEMA_VERSION = 1

_CONTENT = b"bench.content"
_VERSION = b"bench.schema_version"

SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("image_id", pa.string()),
        ("mask_id", pa.string()),
        ("category", pa.string()),
        ("attributes", pa.map_(pa.string(), pa.string())),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("area", pa.int64()),
        ("model", pa.string()),
        ("prompt", pa.string()),
        ("protocol", pa.string()),
        ("step", pa.int16()),
        ("n_points", pa.int16()),
        ("point_coords", pa.list_(pa.list_(pa.float32(), 2))),
        ("point_labels", pa.list_(pa.int8())),
        ("box", pa.list_(pa.float32())),
        ("iou", pa.float64()),
        ("iou_oracle", pa.float64()),
        ("ious", pa.list_(pa.float64())),
        ("predicted_ious", pa.list_(pa.float32())),
        ("selected", pa.int8()),
        ("multimask", pa.bool_()),
        ("boundary_iou", pa.float64()),
        ("mask_rle", pa.string()),
    ],
    metadata={_VERSION: str(SCHEMA_VERSION)},
)


@dataclasses.dataclass(frozen=True, slots=True)
class ImageError:
    """An image that could not be read or scored: which one, in what file, and why."""

    image_id: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """What a part holds: the images that it completes, how many masks, and skipped targets.

    ``fingerprint`` is the reader's, of these images as they were read.
    """

    images: tuple[str, ...] = ()
    masks: int = 0
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    fingerprint: str = ""


class RunStore:
    """One run's folder: writes parts, knows which images are done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parts = folder / "parts"
        self._errors = folder / "errors.jsonl"

    @classmethod
    def create(cls, results: Path, name: str) -> RunStore:
        """The store of a run called ``name``, its folders made where they are missing."""
        store = cls(results / "runs" / name)
        try:
            store._parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchError(f"{store.folder}: cannot make the run's folder: {error}") from error
        return store

    def header(self) -> dict[str, Any]:
        """What ``run.json`` says; empty where there is none yet.

        Raises ``BenchError`` where the file is there and is not a JSON object.
        """
        path = self.folder / "run.json"
        try:
            return check_header(parse_json(path.read_bytes()))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise BenchError(f"{path}: not a readable run header: {error}") from error

    def write_header(self, header: Mapping[str, Any]) -> None:
        """Replaces ``run.json`` in one move."""
        text = json.dumps(header, indent=2, ensure_ascii=False) + "\n"
        write_aside(self.folder / "run.json", text.encode())

    def write_part(
        self,
        rows: Sequence[Row],
        image_ids: Sequence[str],
        skipped: Mapping[str, int] | None = None,
        fingerprint: str = "",
    ) -> None:
        """Writes the rows of whole images, all or nothing; ``image_ids`` may include rowless ones.

        ``skipped`` counts the targets of these images that the protocol left out, by reason;
        ``fingerprint`` is the reader's, of these images.
        Raises ``ValueError`` for a row of an image that the part doesn't name.
        """
        if stray := {row.image_id for row in rows} - set(image_ids):
            raise ValueError(f"rows of images that the part doesn't complete: {sorted(stray)}")
        columns = {name: [_cell(getattr(row, name)) for row in rows] for name in SCHEMA.names}
        masks = len({(row.image_id, row.mask_id) for row in rows})
        content = Content(tuple(image_ids), masks, dict(skipped or {}), fingerprint)
        text = json.dumps(dataclasses.asdict(content), ensure_ascii=False)
        schema = SCHEMA.with_metadata(dict(SCHEMA.metadata) | {_CONTENT: text})
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(columns, schema=schema), sink, compression="zstd")
        part = sink.getvalue().to_pybytes()
        write_aside(self._parts / f"{uuid.uuid4().hex}-{digest(part)}.parquet", part)

    def parts(self) -> list[Path]:
        """The finished parts, sorted by name."""
        return sorted(self._parts.glob("*.parquet"))

    def contents(self) -> list[Content]:
        """What each finished part holds, by its own account."""
        return [_content_of(part) for part in self.parts()]

    def content(self) -> Content:
        """What all finished parts hold together, without a fingerprint."""
        contents = self.contents()
        skipped: Counter[str] = Counter()
        for each in contents:
            skipped.update(each.skipped)
        images = tuple(image_id for each in contents for image_id in each.images)
        return Content(images, sum(each.masks for each in contents), dict(skipped))

    def write_errors(self, errors: Iterable[ImageError]) -> None:
        """Replaces ``errors.jsonl``: the images that failed in the latest attempt."""
        lines = [json.dumps(dataclasses.asdict(e), ensure_ascii=False) + "\n" for e in errors]
        if lines:
            write_aside(self._errors, "".join(lines).encode())
        else:
            self._errors.unlink(missing_ok=True)

    def errors(self) -> list[ImageError]:
        """The images that failed in the latest attempt."""
        try:
            lines = self._errors.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise BenchError(f"{self._errors}: not a list of failed images: {error}") from error
        try:
            return [ImageError(**{k: str(v) for k, v in parse_json(x).items()}) for x in lines]
        except (ValueError, TypeError, AttributeError) as error:
            raise BenchError(f"{self._errors}: not a list of failed images: {error}") from error


def run_name(dataset: str, model: str, prompt: str, key: str) -> str:
    """A run's folder name: readable parts, then the key that makes it unique.

    >>> run_name("bbbc038", "sam_vit_b", "point_1", "0123456789ab")
    'bbbc038-sam_vit_b-point_1-0123456789ab'
    """
    return "-".join(re.sub(r"[^A-Za-z0-9_.]", "_", part) for part in (dataset, model, prompt, key))


def find_runs(results: Path, patterns: Sequence[str] = ("*",)) -> list[RunStore]:
    """The runs that any of the patterns names, sorted by folder name.

    A pattern is a run's folder, a glob over the names in ``results/runs``, or a run key. Raises
    ``BenchError`` for a pattern that names no run.
    """
    found: dict[Path, RunStore] = {}
    for pattern in patterns:
        given = Path(pattern)
        if (given / "run.json").is_file():
            folders = [given.resolve()]
        else:
            runs = results / "runs"
            folders = (
                [
                    header.parent.resolve()
                    for glob in (pattern, f"*-{pattern}")
                    for header in runs.glob(f"{glob}/run.json")
                ]
                if not given.is_absolute()
                else []
            )
        if not folders:
            raise BenchError(
                f"no run matches {pattern!r} in {results / 'runs'}; `sam-bench ls runs` lists them"
            )
        found.update({folder: RunStore(folder) for folder in folders})
    return [found[folder] for folder in sorted(found)]


def read_runs(stores: Iterable[RunStore], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """All rows of the runs in one frame, with a ``run`` column that holds the run's folder name.

    Sorted by run, image, mask and step. Raises ``BenchError`` for a damaged part, a part of
    another schema version, or a (mask, step) that stands twice in one run.
    """
    frames = [_read_run(store, columns) for store in stores]
    if not frames:
        raise BenchError("no run to read")
    return pd.concat(frames, ignore_index=True)


_KEY = ["image_id", "mask_id", "step"]


def _read_run(store: RunStore, columns: Sequence[str] | None) -> pd.DataFrame:
    wanted = None if columns is None else list(dict.fromkeys([*_KEY, *columns]))
    tables = [SCHEMA.empty_table() if wanted is None else SCHEMA.empty_table().select(wanted)]
    for part in store.parts():
        try:
            _content_of(part)
            tables.append(pq.read_table(pa.BufferReader(sound_bytes(part)), columns=wanted))
        except _DAMAGE as error:
            raise _damaged(part, error) from error
    table = pa.concat_tables([t.replace_schema_metadata(None) for t in tables])
    frame: pd.DataFrame = table.to_pandas(maps_as_pydicts="strict")
    frame = frame.sort_values(_KEY, ignore_index=True)
    if (twice := frame.duplicated(_KEY)).any():
        image_id, mask_id, step = frame.loc[twice, _KEY].iloc[0]
        raise BenchError(
            f"{store.folder}: mask {mask_id} of image {image_id} stands twice at step {step} "
            f"({int(twice.sum())} such rows); run the same command into an empty results folder"
        )
    frame.insert(0, "run", store.folder.name)
    return frame


def _content_of(part: Path) -> Content:
    try:
        metadata = pq.read_schema(pa.BufferReader(sound_bytes(part))).metadata or {}
        version = metadata.get(_VERSION, b"none").decode(errors="replace")
        if version != str(SCHEMA_VERSION):
            raise BenchError(
                f"{part}: rows of schema version {version}, this release reads {SCHEMA_VERSION}"
            )
        content = Content(**parse_json(metadata[_CONTENT]))
        return dataclasses.replace(content, images=tuple(content.images))
    except _DAMAGE as error:
        raise _damaged(part, error) from error


_DAMAGE = (OSError, ValueError, TypeError, KeyError, MemoryError, pa.ArrowException)
"""What reading a broken Parquet file raises."""


def _damaged(part: Path, error: Exception) -> BenchError:
    said = " ".join(str(error).split())[:300]
    return BenchError(f"{part}: damaged part ({said}); move it away and run the same command again")


def _cell(value: Any) -> Any:
    return list(value.items()) if isinstance(value, Mapping) else value
