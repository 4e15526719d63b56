"""The bench's own: what ``sam-bench export --prompts`` writes, or rows of a run as Parquet.

A row per mask and step with all that was asked up to it: ``image_id, mask_id, step, point_coords,
point_labels, box`` and ``cues``, as ``bench.report.export.export_prompts`` describes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from bench.files.documents import parse_json
from bench.prompts.recorded.entry import Entry, box_of, check_inside, check_label, clicks_of
from bench.prompts.recorded.source import Source, named
from bench.types import BenchError, Cue, Prompt, RegionCue, ScribbleCue, TextCue
from bench.types.cues import prompt_of_row

_NEEDS = ("image_id", "mask_id", "step", "point_coords", "point_labels", "box")

_REMADE: Mapping[str, Callable[[Any], Cue]] = {
    "mask": RegionCue.of_plain,
    "scribble": ScribbleCue.of_plain,
    "text": TextCue,
}
"""Cues that models look into; others are handed on as rows keep them."""


def claims(source: Source) -> bool:
    """Whether it is a table with columns of whole prompts."""
    return "point_coords" in source.columns


def read(source: Source) -> Sequence[Entry]:
    """An entry per row; a row that asks what the one before it asked is one too."""
    if missing := [name for name in _NEEDS if name not in source.columns]:
        raise BenchError(
            f"{source.path}: no column {', '.join(missing)}; there are {named(source.columns, 16)}"
        )
    rows = source.table().to_dict("records")
    return [_entry(source, number, row) for number, row in enumerate(rows, start=1)]


def _entry(source: Source, number: int, row: Mapping[Any, Any]) -> Entry:
    where = f"row {number}"
    try:
        prompt, step = _prompt(row), int(row["step"])
        said = "height" in row and "width" in row
        size = (int(row["height"]), int(row["width"])) if said else None
    except (ValueError, TypeError, KeyError) as error:
        raise BenchError(f"{source.path}: {where}: {' '.join(str(error).split())}") from None
    return Entry(
        where=where,
        step=step,
        kinds=prompt.kinds,
        prompt=partial(_fitted, prompt, size),
        n_points=prompt.n_points,
        image=str(row["image_id"]),
        mask=str(row["mask_id"]),
    )


def _prompt(row: Mapping[Any, Any]) -> Prompt:
    """The prompt of a row; raises ``ValueError``."""
    points, labels, box = (_value(row[n]) for n in ("point_coords", "point_labels", "box"))
    cues: list[Cue] = []
    if points is not None and len(points):
        places = [[float(value) for value in place] for place in points]
        if len(labels or ()) != len(places):
            raise ValueError(f"{len(places)} point_coords need as many point_labels")
        cues.append(clicks_of(places, [check_label(each) for each in labels]))
    if box is not None:
        cues.append(box_of([float(side) for side in box]))
    bare: dict[str, Any] = {"point_coords": [], "point_labels": [], "box": None}
    kept = {**bare, "cues": row.get("cues") or None}
    for kind, cue in prompt_of_row(kept).cues.items():
        if kind != "points":
            cues.append(_REMADE[kind](cue.plain()) if kind in _REMADE else cue)
    if not cues:
        raise ValueError("it asks nothing: no point, no box and no cue")
    return Prompt(cues=cues)


def _value(cell: Any) -> Any:
    """A cell of a CSV, JSON or empty, or of a Parquet file, a list; plain lists, or none."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    if isinstance(cell, str):
        return parse_json(cell)
    return json.loads(json.dumps(cell, default=np.ndarray.tolist))


def _fitted(prompt: Prompt, size: tuple[int, int] | None, height: int, width: int) -> Prompt:
    if size is not None and size != (height, width):
        raise ValueError(
            f"it was asked of a picture of {size[0]}×{size[1]} (H×W), this one is {height}×{width}"
        )
    return check_inside(prompt, height, width)
