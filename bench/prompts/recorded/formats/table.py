"""Another tool's prompts as CSV or Parquet: a row per click, per box, or per point of a stroke.

Columns: ``image`` or ``image_id``, ``mask`` or ``mask_id`` (one of the two will do), ``step``
(from 1; without it each row of a mask is a step), ``x, y, label`` for clicks (1 foreground, 0
background), ``x0, y0, x1, y1`` for boxes, both corners included; a row may have both. Rows that
share a ``stroke`` are the points of one line of a scribble. Where several people prompted a mask,
``person`` tells them apart. Places are pixel indices. Each step adds to those before it; a later
box takes an earlier one's place.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.files.text import visible_line
from bench.prompts.recorded.entry import Entry, box_of, check_inside, check_label, clicks_of
from bench.prompts.recorded.source import Source, named
from bench.types import BenchError, Cue, Prompt, ScribbleCue, Stroke

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

_CLICK, _BOX = ("x", "y", "label"), ("x0", "y0", "x1", "y1")
_IMAGE, _MASK = ("image", "image_id"), ("mask", "mask_id")
_PERSON = "person"


def claims(source: Source) -> bool:
    """Whether it is a table of places; raises ``BenchError`` for one that lacks some of them."""
    columns = set(source.columns)
    if not columns or columns & {"point_coords", "full_stem"}:
        return False
    return columns.issuperset(_CLICK) or columns.issuperset(_BOX)


def read(source: Source) -> Sequence[Entry]:
    """An entry per mask and step.

    Raises ``BenchError`` for missing columns, a number that is none, a label other than 0 and 1, an
    entry that stands twice and a step that is left out.
    """
    columns = source.columns
    image, mask = (next((n for n in some if n in columns), None) for some in (_IMAGE, _MASK))
    parts = [some for some in (_CLICK, _BOX) if set(some) <= set(columns)]
    if (image is None and mask is None) or not parts:
        raise BenchError(
            f"{source.path}: it needs the columns image or mask, and x, y and label, or x0, y0, x1 "
            f"and y1; there are {named(columns, 16)}"
        )
    frame = source.table()
    wanted = [*(name for some in parts for name in some), *(["step"] if "step" in columns else [])]
    for name in wanted:
        frame[name] = _numbers(source, frame, name)
    person = _PERSON if _PERSON in columns else None
    keys = [n for n in (image, mask, person, "stroke") if n is not None and n in columns]
    _say_unread(source, {*keys, *wanted})
    _refuse_doubles(source, frame, [*keys, *wanted])
    groups: dict[tuple[str | None, ...], list[tuple[int, Mapping[Any, Any]]]] = {}
    for number, row in enumerate(frame.to_dict("records"), start=1):
        whose = tuple(None if name is None else str(row[name]) for name in (image, mask, person))
        groups.setdefault(whose, []).append((number, row))
    return [
        entry for whose, rows in groups.items() for entry in _Mask(source, *whose).entries(rows)
    ]


def _say_unread(source: Source, read: Set[str]) -> None:
    """Warns of columns that mean nothing here: who wrote them may think that they do."""
    if unread := [name for name in source.columns if name not in read]:
        log.warning("%s: not read: %s", source.path, named(unread, 8))


def _numbers(source: Source, frame: pd.DataFrame, name: str) -> Any:
    """A column as numbers, NaN where a cell is empty; ``BenchError`` for anything else."""
    import pandas as pd

    cells = frame[name]
    blank = cells.isna() | (cells.astype(str).str.strip() == "")
    found = pd.to_numeric(cells.where(~blank), errors="coerce").astype("float64")
    wrong = ~blank & ~np.isfinite(found)
    if wrong.any() or (blank.any() and name == "step"):
        row = int(np.flatnonzero(wrong | (blank if name == "step" else wrong))[0])
        raise BenchError(
            f"{source.path}: row {row + 1}: {name} is {str(cells.iloc[row])!r:.40}, expected a "
            "finite number, such as 3.5"
        )
    return found


def _refuse_doubles(source: Source, frame: pd.DataFrame, names: Sequence[str]) -> None:
    if "step" not in names or "stroke" in names:
        return  # in order, or points of a line, one may well stand twice
    twice = frame.duplicated(list(names))
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        raise BenchError(
            f"{source.path}: row {row + 1} says the same as an earlier one "
            f"({int(twice.sum())} such rows); remove it"
        )


class _Mask:
    """The rows of one mask become its entries."""

    def __init__(
        self, source: Source, image: str | None, mask: str | None, person: str | None
    ) -> None:
        self._path, self._image, self._mask = source.path, image, mask
        self._person = person or ""

    def entries(self, rows: Sequence[tuple[int, Mapping[Any, Any]]]) -> list[Entry]:
        steps: dict[int, list[tuple[int, Mapping[Any, Any]]]] = {}
        for place, (number, row) in enumerate(rows, start=1):
            step = row.get("step", place)
            if step != int(step) or step < 1:
                raise self._error(number, f"step {step:g} is no whole number from 1")
            steps.setdefault(int(step), []).append((number, row))
        for expected, step in enumerate(sorted(steps), start=1):
            if step != expected:
                raise self._error(steps[step][0][0], f"step {step} without a step {expected}")
        so_far = _SoFar()
        return [self._entry(step, steps[step], so_far) for step in sorted(steps)]

    def _entry(
        self, step: int, rows: Sequence[tuple[int, Mapping[Any, Any]]], so_far: _SoFar
    ) -> Entry:
        for number, row in rows:
            try:
                so_far.take(row)
            except ValueError as error:
                raise self._error(number, str(error)) from None
        asked = so_far.asked()
        return Entry(
            where=f"row {rows[0][0]}",
            step=step,
            kinds=asked.kinds,
            prompt=asked,
            n_points=len(asked.places),
            image=self._image,
            mask=self._mask,
            loose=self._mask is None,
            by=self._person,
        )

    def _error(self, number: int, words: str) -> BenchError:
        whose = visible_line(" ".join(filter(None, (self._image, self._mask))))
        return BenchError(f"{self._path}: row {number} ({whose}): {words}")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a mask has been asked with by one step; called with a size it is the prompt."""

    places: tuple[tuple[float, float], ...]
    labels: tuple[int, ...]
    box: tuple[float, ...] | None
    strokes: tuple[Stroke, ...]

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of its cues."""
        there = {"points": self.places, "box": self.box, "scribble": self.strokes}
        return frozenset(kind for kind, what in there.items() if what)

    def __call__(self, height: int, width: int) -> Prompt:
        """Raises ``ValueError`` for what lies outside the image."""
        cues: list[Cue] = [
            *([clicks_of(self.places, self.labels)] if self.places else []),
            *([box_of(self.box)] if self.box is not None else []),
            *([ScribbleCue(self.strokes)] if self.strokes else []),
        ]
        return check_inside(Prompt(cues=cues), height, width)


class _SoFar:
    """What a mask has been asked with, row after row."""

    def __init__(self) -> None:
        self._places: list[tuple[float, float]] = []
        self._labels: list[int] = []
        self._box: list[float] | None = None
        self._strokes: dict[str, tuple[int, list[tuple[float, float]]]] = {}

    def take(self, row: Mapping[Any, Any]) -> None:
        """Adds a row; raises ``ValueError`` for one that is half of something, or nothing."""
        box = _whole(row, _BOX)
        if box is not None:
            self._box = box
        click = _whole(row, _CLICK)
        if click is None:
            if box is None:
                raise ValueError("neither a click nor a box stands in it")
            return
        x, y, label = click[0], click[1], check_label(click[2])
        stroke = str(row.get("stroke", "")).strip()
        if stroke and stroke != "nan":
            known, points = self._strokes.setdefault(stroke, (label, []))
            if known != label:
                raise ValueError(f"stroke {stroke} has points of label {known} and {label}")
            points.append((x, y))
            return
        self._places.append((x, y))
        self._labels.append(label)

    def asked(self) -> _Asked:
        """All of it, as it is now."""
        strokes = tuple(Stroke(tuple(points), label) for label, points in self._strokes.values())
        box = None if self._box is None else tuple(self._box)
        return _Asked(tuple(self._places), tuple(self._labels), box, strokes)


def _whole(row: Mapping[Any, Any], names: Sequence[str]) -> list[float] | None:
    """The values of columns that go together; none where all are empty or there are none."""
    values = [float(row[name]) for name in names if name in row]
    empty = [value != value for value in values]
    if all(empty):
        return None
    if len(values) < len(names) or any(empty):
        lacking = [name for name, value in zip(names, values, strict=False) if value != value]
        raise ValueError(f"{', '.join(lacking) or 'a column'} is empty beside {', '.join(names)}")
    return values
