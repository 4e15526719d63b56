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
        prompt, step = _prompt(row), _whole(row, "step")
        said = "height" in row and "width" in row
        size = (_whole(row, "height"), _whole(row, "width")) if said else None
    except ValueError as error:
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
    places = _list(row, "point_coords", "[[12, 30], [40, 8.5]]")
    labels = _list(row, "point_labels", "[1, 0]")
    corners = _list(row, "box", "[10, 20, 90, 60]")
    cues: list[Cue] = []
    if places:
        if len(labels) != len(places):
            raise ValueError(f"{len(places)} point_coords need as many point_labels")
        pairs = [_numbers(place, 2, "a place of point_coords is [x, y]") for place in places]
        cues.append(clicks_of(pairs, [check_label(each) for each in labels]))
    if corners:
        cues.append(box_of(_numbers(corners, 4, "box is [x0, y0, x1, y1]")))
    bare: dict[str, Any] = {"point_coords": [], "point_labels": [], "box": None}
    for kind, cue in prompt_of_row({**bare, "cues": _cues(row)}).cues.items():
        if kind != "points":
            cues.append(_REMADE[kind](cue.plain()) if kind in _REMADE else cue)
    if not cues:
        raise ValueError("it asks nothing: no point, no box and no cue")
    return Prompt(cues=cues)


def _cues(row: Mapping[Any, Any]) -> Any:
    """The cell of further cues, or none; raises ``ValueError``."""
    cell = row.get("cues") or None
    if isinstance(cell, str):
        _value(cell, "cues", '{"text": "a dog"}')  # or it would be told as a parser tells it
    return cell


def _list(row: Mapping[Any, Any], name: str, example: str) -> list[Any]:
    """A list from a cell of a CSV, JSON or empty, or of a Parquet file; raises ``ValueError``."""
    found = _value(row[name], name, example)
    if not isinstance(found, list | None):
        raise ValueError(f"{name} is {str(row[name])!r:.40}, expected a list such as {example}")
    return found or []


def _value(cell: Any, name: str, example: str) -> Any:
    """What a cell says, or none where it is empty."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    if not isinstance(cell, str):
        return json.loads(json.dumps(cell, default=np.ndarray.tolist))
    try:
        return parse_json(cell)
    except ValueError:
        raise ValueError(f"{name} is {cell!r:.40}, expected JSON such as {example}") from None


def _numbers(found: object, count: int, expected: str) -> list[float]:
    """So many numbers; raises ``ValueError``."""
    values = found if isinstance(found, list) else []
    if len(values) != count or any(
        isinstance(each, bool) or not isinstance(each, int | float) for each in values
    ):
        raise ValueError(f"{expected}, in numbers; found {found!s:.40}")
    return [float(each) for each in values]


def _whole(row: Mapping[Any, Any], name: str) -> int:
    """A whole number from a cell; raises ``ValueError``."""
    cell = row[name]
    try:
        number = float(cell)
    except (TypeError, ValueError):
        number = float("nan")
    if not number.is_integer():
        raise ValueError(f"{name} is {str(cell)!r:.40}, expected a whole number from 1")
    return int(number)


def _fitted(prompt: Prompt, size: tuple[int, int] | None, height: int, width: int) -> Prompt:
    if size is not None and size != (height, width):
        raise ValueError(
            f"it was asked of a picture of {size[0]}×{size[1]} (H×W), this one is {height}×{width}"
        )
    return check_inside(prompt, height, width)
