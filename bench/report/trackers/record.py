"""What a tracker is told of a run: what was measured, its numbers, the table, the worst masks."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from bench.analysis.overview.cards import shared
from bench.analysis.selection import Selection
from bench.analysis.table import Table
from bench.report.pictures.gallery import Picture, draw_rows, pick
from bench.report.request import Request
from bench.report.shown import chosen
from bench.types import ImageArray


@dataclass(frozen=True, slots=True)
class Worst:
    """One of a run's worst masks: (H, W, 3) uint8 RGB with target, prediction and prompt on it."""

    mask_id: str
    caption: str
    pixels: ImageArray


@dataclass(frozen=True, slots=True)
class Record:
    """A run for a tracker.

    ``name`` is its folder's; ``settings`` say what was measured, texts by dotted names, without a
    path; ``metrics`` are the means of each reported step, ``LABEL/COLUMN``, IoUs in [0, 1]; the
    ``table`` has a row per reported step. ``worst`` are masks of the last step, lowest first.
    """

    name: str
    key: str
    settings: Mapping[str, str]
    metrics: Mapping[str, float]
    table: pd.DataFrame
    worst: tuple[Worst, ...]


def records_of(request: Request, worst: int) -> Iterator[Record]:
    """The record of each run of a report, with at most so many of its worst masks.

    Raises ``BenchError`` for what a report refuses.
    """
    selection, table = chosen(replace(request, labels={}, columns=()))
    for run, header in selection.headers.items():
        lines = table.lines[table.lines["run"] == run]
        said = shared(header)
        yield Record(
            run,
            str(said.get("key", "")),
            dict(_settings(said)),
            dict(_metrics(lines, table)),
            lines.reset_index(drop=True),
            tuple(_worst(selection, run, request, worst)),
        )


_NAMED = ("task", "model", "dataset", "prompt", "protocol")
_ALONE = ("key", "seed", "status", "images", "masks", "dataset_fingerprint", "device", "finished")


def _settings(header: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind in _NAMED:
        said = header.get(kind) or {}
        for key in ("name", "version"):
            if key in said:
                yield kind if key == "name" else f"{kind}.{key}", str(said[key])
        yield from _flat(f"{kind}.args", said.get("args") or {})
    for key in _ALONE:
        if header.get(key) is not None:
            yield key, str(header[key])
    yield from _flat("versions", header.get("versions") or {})
    yield from _flat("facts", header.get("facts") or {})


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(f"{name}.{_plain(str(key))}", each)
    else:
        yield name, str(value)


def _metrics(lines: pd.DataFrame, table: Table) -> Iterator[tuple[str, float]]:
    mean = table.leads.mean
    columns = [f"{mean}{end}" for end in ("", "_low", "_high")]
    columns += [each.mean for each in table.further]
    for line in lines.to_dict("records"):
        for column in columns:
            if (value := line.get(column)) is not None and np.isfinite(value):
                yield f"{_plain(str(line['prompt']))}/{column}", float(value)


def _plain(text: str) -> str:
    """A name in characters that every tracker takes.

    >>> _plain("box + 2 points (mine)")
    'box _ 2 points _mine_'
    """
    return re.sub(r"[^A-Za-z0-9_. -]", "_", text)


def _worst(selection: Selection, run: str, request: Request, count: int) -> Iterator[Worst]:
    rows = selection.rows[selection.rows["run"] == run]
    if not count or request.read_sample is None or not selection.of_masks or rows.empty:
        return
    last = [label for label in selection.labels if (rows["label"] == label).any()][-1]
    chosen_rows = pick(rows[rows["label"] == last], count)["worst"]
    drawn = draw_rows(selection, chosen_rows, request.read_sample)
    found = [each for each in drawn.values() if isinstance(each, Picture)]
    for picture in sorted(found, key=lambda each: (each.iou, each.mask_id)):
        with Image.open(io.BytesIO(picture.image)) as opened:
            pixels = np.asarray(opened.convert("RGB"))
        caption = f"{picture.mask_id}: IoU {picture.iou:.3f}, {last}, {picture.caption}"
        yield Worst(picture.mask_id, caption, pixels)
