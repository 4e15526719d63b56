"""A run's folder in ``results/``: its header, Parquet parts of whole images, and what failed.

::

    results/runs/<dataset>-<model>-<prompt>-<key>/
      run.json               header: identity, config, status, counts, seconds, versions, device
      parts/<…>.parquet      rows of whole images; written aside, then renamed
      errors.jsonl           images that could not be read or scored
      metrics/<…>.parquet    metrics added later, see bench.store.added_metrics
      damaged/ doubled/      parts set aside: not as they were written, of images done twice,
      strange/               or of another run
      .lock owner.json       who holds the run, see bench.store.lock

A part says which images it completes (``bench.store.part_file``), so that a resumed run knows what
is missing, and whose it is. The header of a run that nobody is at says how much its parts hold:
rows are given only where that is so (``read_rows``). Only who holds the run (``bench.store.lock``)
may write into it. The folder may lie behind a URL (``bench.files.places``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bench.files.documents import parse_json
from bench.files.places import Place, place
from bench.files.places import write_aside as write_aside
from bench.files.text import escaped
from bench.files.there import check_folder
from bench.store.added_metrics import added_images, added_names, with_added
from bench.store.failures import ImageError as ImageError
from bench.store.failures import read_failures, write_failures
from bench.store.headers import check_header
from bench.store.part_file import NAMES, DamagedPartError, Whose, part_bytes, read_table
from bench.store.part_file import Content as Content
from bench.store.part_folder import PartFolder, Survey
from bench.store.remedy import how_to_name
from bench.store.row_table import read_parts
from bench.store.schema import SCHEMA as SCHEMA
from bench.store.schema import SCHEMA_VERSION as SCHEMA_VERSION
from bench.store.schema import schema_of
from bench.types import BenchError, Row

CLOSED = ("complete", "partial")
"""What the header of a run says that nobody is at: then its counts are those of its parts."""


class RunStore:
    """One run's folder: writes parts, knows which images are done.

    ``guard`` is asked before each file is put in place, and raises where another command has
    taken the run over. ``key`` is the run's, which its parts are to name; by default the header's.
    """

    def __init__(
        self, folder: Place, guard: Callable[[], None] = lambda: None, key: str = ""
    ) -> None:
        self.folder = folder
        self.guard = guard
        self._whose = Whose(key)
        self._parts = PartFolder(folder / "parts", guard)
        self._errors = folder / "errors.jsonl"

    def under(self, guard: Callable[[], None]) -> RunStore:
        """The same run under another guard, with what is known of its parts."""
        store = RunStore(self.folder, guard)
        store._parts, store._whose = self._parts.under(guard), self._whose
        return store

    @classmethod
    def create(cls, results: Place, name: str) -> RunStore:
        """The store of a run called ``name``, its folders made where they are missing."""
        store = cls.of(results, name)
        store.make()
        return store

    @classmethod
    def of(cls, results: Place, name: str, key: str = "") -> RunStore:
        """The store of a run called ``name``, whether or not anything lies there."""
        return cls(results / "runs" / name, key=key)

    def make(self) -> None:
        """Makes the folders where they are missing; raises ``BenchError`` where that can't be."""
        try:
            self._parts.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchError(f"{self.folder}: cannot make the run's folder: {error}") from error

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
        text = escaped(json.dumps(header, indent=2, ensure_ascii=False)) + "\n"
        write_aside(self.folder / "run.json", text.encode(), self.guard)

    def forget_empty(self) -> None:
        """Takes the header away where there is nothing that it speaks of: no part, no failure.

        Then the folder is no run any more; its lock stays. Only for who holds the run.
        """
        if self.survey() == Survey() and not self.errors():
            self.guard()
            (self.folder / "run.json").unlink(missing_ok=True)

    def write_part(
        self,
        rows: Sequence[Row],
        image_ids: Sequence[str],
        skipped: Mapping[str, int] | None = None,
        fingerprint: str = "",
        counted: Mapping[str, int] | None = None,
        origins: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Writes the rows of whole images, all or nothing; ``image_ids`` may include rowless ones.

        ``skipped`` counts the targets of these images that the protocol left out, by reason;
        ``fingerprint`` is the reader's, of these images; ``counted`` is the task's; ``origins`` say
        what the images were read from (``bench.data.origins``).
        Raises ``ValueError`` for a row of an image that the part doesn't name.
        """
        if stray := {row.image_id for row in rows} - set(image_ids):
            raise ValueError(f"rows of images that the part doesn't complete: {sorted(stray)}")
        schema = schema_of(type(rows[0]) if rows else Row, _metrics(rows))
        columns = {name: [_cell(row, name) for row in rows] for name in schema.names}
        masks = len({(row.image_id, row.mask_id) for row in rows})
        counts = dict(skipped or {}), fingerprint, dict(counted or {})
        key = self._known().key
        content = Content(tuple(image_ids), masks, *counts, run=key, origins=dict(origins or {}))
        self._parts.add(part_bytes(pa.table(columns, schema=schema), [content]))

    def replace_parts(self, data: bytes, names: Sequence[str]) -> None:
        """Puts a compacted part in place of those that it names as replaced."""
        self._parts.replace(data, names)

    def survey(self) -> Survey:
        """The parts sorted out; raises ``BenchError`` for one of another schema version."""
        return self._parts.survey(self._known())

    def miscount(self) -> str:
        """How what the parts hold differs from what the header says; empty where it doesn't.

        Parts that are lost, or were added by hand, change every number. A run that is under way,
        or was killed, has a header that doesn't know yet.
        """
        return self._counted()[1]

    def is_empty(self) -> bool:
        """Whether there is no row, nor should be by the header: not of a run whose rows are lost.

        So is a run of which no image is done yet, or in whose images no mask counts.
        """
        survey = self.survey()
        header = self.header()
        lost = header.get("masks") or header.get("images_done", 0) > survey.images
        return not (survey.masks or survey.needs_mending or lost)

    def whole(self) -> Survey:
        """The parts, all of which may be read.

        Raises ``BenchError`` for a damaged part, one of another run, and where they don't hold what
        the header of a run that nobody is at says.
        """
        survey, said = self._counted()
        _refuse_unsound(survey)
        if said:
            raise BenchError(
                f"{self.folder}: {said}; copy the run again if its copy is not whole, or let the "
                "same `run` command again do what is missing"
            )
        return survey

    def _counted(self) -> tuple[Survey, str]:
        """The parts, and how they differ from the header (``miscount``)."""
        while True:
            header, survey = self.header(), self.survey()
            found = {"images_done": survey.images, "masks": survey.masks}
            said = {name: header.get(name, count) for name, count in found.items()}
            if header.get("status") not in CLOSED or said == found:
                return survey, ""
            if header == self.header():  # or a command has begun meanwhile
                return survey, (
                    f"run.json says {said['images_done']} images and {said['masks']} masks, the "
                    f"parts hold {survey.images} and {survey.masks}"
                )

    @property
    def key(self) -> str:
        """The run's key; empty where its header doesn't say it, as those of early releases."""
        return self._known().key

    def _known(self) -> Whose:
        """The run as its parts name it; a header's key and names never change."""
        if not self._whose.names:
            header = self.header()
            names = {k: str(header[k]["name"]) for k in NAMES if "name" in header.get(k, {})}
            self._whose = Whose(self._whose.key or header.get("key", ""), names)
        return self._whose

    def mend(self) -> list[str]:
        """Sets aside parts that don't count, and says so; only for who holds the run."""
        return self._parts.mend(self._known())

    def parts(self) -> list[Place]:
        """The finished parts, sorted by name, but for those that a compacted one replaces."""
        survey = self.survey()
        counted = (part.path for part in (*survey.sound, *survey.doubled))
        return sorted([*survey.damaged, *counted], key=lambda path: path.name)

    def contents(self) -> list[Content]:
        """What the finished parts hold, by their own account, an image once.

        Raises ``BenchError`` for a damaged part and one of another run.
        """
        survey = self.survey()
        _refuse_unsound(survey)
        return [content for part in survey.sound for content in part.contents]

    def content(self) -> Content:
        """What all finished parts hold together, without a fingerprint."""
        contents = self.contents()
        skipped: Counter[str] = Counter()
        counted: Counter[str] = Counter()
        for each in contents:
            skipped.update(each.skipped)
            counted.update(each.counted)
        images = tuple(image_id for each in contents for image_id in each.images)
        masks = sum(each.masks for each in contents)
        return Content(images, masks, dict(skipped), counted=dict(counted))

    def origins(self) -> dict[str, str]:
        """A hash of what each image was read from, by image, as far as it is known."""
        return {
            image_id: str(found[0])
            for content in self.contents()
            for image_id, found in content.origins.items()
        }

    def columns(self) -> list[str]:
        """The columns that any finished part has."""
        survey = self.survey()
        return list(dict.fromkeys(name for part in survey.sound for name in part.columns))

    def unmeasured(self, metric: str) -> frozenset[str]:
        """The images whose rows a metric was never computed of.

        In the rows of all others it is a number, or null where it doesn't apply to the mask.
        """
        sound = self.survey().sound
        images = frozenset(image_id for part in sound for image_id in part.images)
        if metric in added_names(self.folder):
            return images - added_images(self.folder, metric, self.key)
        return images.difference(*(part.images for part in sound if metric in part.columns))

    def keeps_masks(self) -> bool:
        """Whether every row holds its mask, so that a metric can be added to the run."""
        return self._keeps("mask_rle")

    def keeps_candidates(self) -> bool:
        """Whether every row holds the masks of all candidates."""
        return self._keeps("candidate_rles")

    def _keeps(self, column: str) -> bool:
        tables = (read_table(part.path, [column]) for part in self.survey().sound)
        return all(
            not len(each) or (column in each.column_names and not each[column].null_count)
            for each in tables
        )

    def write_errors(self, errors: Iterable[ImageError]) -> None:
        """Replaces ``errors.jsonl``: the images that failed in the latest attempt."""
        write_failures(self._errors, errors, self.guard)

    def errors(self) -> list[ImageError]:
        """The images that failed in the latest attempt."""
        return read_failures(self._errors)


def find_runs(results: Place, patterns: Sequence[str] = ("*",)) -> list[RunStore]:
    """The runs that any of the patterns names, sorted by folder name.

    A pattern is a run's folder, a glob over the names in ``results/runs``, or a run key. Raises
    ``BenchError`` for a pattern that names no run.
    """
    found: dict[Place, RunStore] = {}
    check_folder(results, "what holds runs")
    for pattern in patterns:
        given = place(pattern)
        if pattern and _is_run(given):
            folders: list[Place] = [given.resolve()]
        else:
            folders = [
                header.parent.resolve()
                for header in (results / "runs").glob("*/run.json")
                if any(fnmatchcase(header.parent.name, glob) for glob in (pattern, f"*-{pattern}"))
            ]
        if not folders:
            there = f"{results / 'runs'}; {how_to_name(results, pattern)}"
            raise BenchError(f"no run matches {pattern!r} in {there}")
        found.update({folder: RunStore(folder) for folder in folders})
    return [found[folder] for folder in sorted(found, key=lambda folder: folder.parts)]


def _is_run(folder: Place) -> bool:
    try:
        return (folder / "run.json").is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def read_runs(stores: Iterable[RunStore], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """All rows of the runs in one frame, with a ``run`` column that holds the run's folder name.

    Sorted by run, image, mask and step; metrics that were added later are columns like those of
    the run itself. Raises ``BenchError`` as ``read_rows`` does.
    """
    frames = [_read_run(store, columns) for store in stores]
    if not frames:
        raise BenchError("no run to read")
    return pd.concat(frames, ignore_index=True)


def _read_run(store: RunStore, columns: Sequence[str] | None) -> pd.DataFrame:
    frame: pd.DataFrame = read_rows(store, columns).to_pandas(maps_as_pydicts="strict")
    frame.insert(0, "run", store.folder.name)
    return frame


def read_rows(store: RunStore, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of one run as ``read_runs`` gives them, but in an Arrow table and without ``run``.

    There a list takes the bytes of its numbers, while a frame makes an object of each. Whoever
    reads rows reads them here. Raises ``BenchError`` for what ``RunStore.whole`` refuses, a part of
    another schema version, a (mask, step) that stands twice, and a predicted IoU that is none.
    """
    while True:  # again where parts were compacted meanwhile
        survey = store.whole()
        paths = [part.path for part in (*survey.sound, *survey.doubled)]
        with suppress(FileNotFoundError):
            rows = read_parts(paths, columns, str(store.folder))
            _refuse_no_numbers(store, rows)
            return with_added(rows, store.folder, columns, store.key)


def _refuse_unsound(survey: Survey) -> None:
    for why in survey.damaged.values():
        raise DamagedPartError(why)
    for why in survey.strange.values():
        raise BenchError(why)


def _refuse_no_numbers(store: RunStore, rows: pa.Table) -> None:
    """Earlier releases chose a candidate by a predicted IoU that is NaN: its score is no score."""
    if "predicted_ious" not in rows.column_names or not len(rows):
        return
    lists = rows["predicted_ious"].combine_chunks()
    wrong = ~np.isfinite(pc.list_flatten(lists).to_numpy(zero_copy_only=False))
    if wrong.any():
        number = pc.list_parent_indices(lists)[int(wrong.argmax())].as_py()
        first = {name: rows[name][number] for name in ("image_id", "mask_id", "step")}
        raise BenchError(
            f"{store.folder}: a predicted IoU of mask {first['mask_id']} of image "
            f"{first['image_id']} at step {first['step']} is NaN or infinite, so its IoU is no "
            "score of the model; put the model right, and move the run away"
        )


def _metrics(rows: Sequence[Row]) -> list[str]:
    """The metrics that any of the rows holds, in order."""
    return list(dict.fromkeys(name for row in rows for name in row.metrics))


def _cell(row: Row, name: str) -> Any:
    value = row.metrics[name] if name in row.metrics else getattr(row, name, None)
    return list(value.items()) if isinstance(value, Mapping) else value
