"""The wide table of a paper: models down, prompts across, bold only what is shown to be best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.leading import BOLD, Key, is_shown, key_of, p_of_best
from bench.analysis.section import Section
from bench.analysis.selection import Selection
from bench.analysis.table import SERIES, Table
from bench.types import ORACLE, BenchError, Measure
from bench.types.errors import did_you_mean


@dataclass(frozen=True, slots=True)
class Column:
    """A measure's mean at a prompt label."""

    measure: Measure
    label: str

    @property
    def name(self) -> str:
        """What the table's file calls it.

        >>> Column(Measure("iou", "miou", "mIoU"), "3 points").name
        'miou@3 points'
        """
        return f"{self.measure.mean}@{self.label}"


def columns_of(selection: Selection, table: Table, asked: Sequence[str] = ()) -> list[Column]:
    """The columns that are asked for, ``LABEL`` or ``MEASURE@LABEL``; by default what leads.

    A label alone takes what leads the table. Raises ``BenchError`` for a label or a measure that
    there isn't, and for a column asked for twice.
    """
    if not asked:
        return [Column(table.leads, label) for label in selection.labels]
    found = [_column(word.strip(), selection.labels, table) for word in asked]
    twice = next((each for i, each in enumerate(found) if each in found[:i]), None)
    if twice is not None:
        raise BenchError(f"--columns asks for {twice.measure.title}@{twice.label} twice")
    return found


def _column(word: str, labels: Sequence[str], table: Table) -> Column:
    if word in labels:
        return Column(table.leads, word)
    title, at, label = word.rpartition("@")
    if label not in labels:
        raise BenchError(f"--columns: no prompt {label!r}; {did_you_mean(label, labels)}")
    measures = {name: m for m in (table.leads, *table.further) for name in (m.mean, m.title)}
    if not at or title not in measures:
        raise BenchError(f"--columns: no measure {title!r}; {did_you_mean(title, measures)}")
    return Column(measures[title], label)


def wide_section(
    selection: Selection, table: Table, asked: Sequence[str] = ()
) -> Iterator[Section]:
    """The table of models by columns; where nobody asked, only of several models and prompts.

    Its lines: ``dataset`` (null for the mean over datasets), ``model, protocol``; of each column
    its mean under ``Column.name``, at full precision, null where there is none; and under that name
    with ``_p``, for the best mean of a dataset's column alone, the largest p of its paired
    differences (``Averages.p``) to the other models there, corrected for their number (Holm); null
    for other lines, and where one of the differences has none. Bold is what is ahead of every
    other with p < 0.05.
    """
    columns = columns_of(selection, table, asked)
    several = len(table.lines[SERIES].drop_duplicates()) > 1
    if not asked and not (several and len(columns) > 1):
        return
    names = table.lines[["dataset", *SERIES]].drop_duplicates()
    lines: list[dict[str, Any]] = [
        {str(k): value for k, value in line.items()} for line in names.to_dict("records")
    ]
    for column in columns:
        _fill(lines, column, selection, table)
    frame = pd.DataFrame(lines)
    numbers = [f"{column.name}{end}" for column in columns for end in ("", "_p")]
    frame[numbers] = frame[numbers].astype(float)
    frame["title"] = frame["model"].map(table.models)
    order = ["dataset", "title", "protocol"]
    frame = frame.sort_values(order, na_position="last", ignore_index=True).drop(columns="title")
    yield _shown(frame, columns, selection, table)


def _fill(
    lines: Sequence[dict[str, Any]], column: Column, selection: Selection, table: Table
) -> None:
    """Puts a column's means into the lines, and the p of each dataset's best."""
    measure, label = column.measure, column.label
    of_label = table.lines[table.lines["prompt"] == label]
    means: dict[Key, float] = {
        key_of(line): line[measure.mean]
        for line in of_label.to_dict("records")
        if pd.notna(line[measure.mean])
    }
    if measure == table.leads:
        best = table.best[label]
    else:
        best = p_of_best(means, selection.rows, label, measure)
    for line in lines:
        line[column.name] = means.get(key_of(line))
        line[f"{column.name}_p"] = best.get(key_of(line))


def _shown(
    frame: pd.DataFrame, columns: Sequence[Column], selection: Selection, table: Table
) -> Section:
    several = {
        "dataset": frame["dataset"].nunique(dropna=False) > 1,
        "protocol": frame["protocol"].nunique() > 1,
    }
    rows, bold = [], set()
    for at, line in enumerate(frame.to_dict("records")):
        names = [_dataset(line["dataset"], table)] if several["dataset"] else []
        names += [table.models[line["model"]], *([line["protocol"]] if several["protocol"] else [])]
        rows.append((*names, *(column.measure.shown(line[column.name]) for column in columns)))
        bold |= {
            (at, len(names) + i)
            for i, column in enumerate(columns)
            if is_shown(line[f"{column.name}_p"])
        }
    measures = list(dict.fromkeys(column.measure.title for column in columns))
    heads = [
        (f"{column.measure.title} " if len(measures) > 1 else "")
        + selection.shown.get(column.label, column.label)
        for column in columns
    ]
    left = [*(["dataset"] if several["dataset"] else []), "model"]
    left += ["protocol"] if several["protocol"] else []
    where = "" if several["dataset"] else f" on {_dataset(frame['dataset'].iloc[0], table)}"
    note = ["The means of the table of results, where their intervals stand."]
    counts = frame.groupby("dataset", dropna=False)[[column.name for column in columns]].count()
    if (counts > 1).any(axis=None):
        note.append(_BOLD if bold else f"{_BOLD} None is.")
        if any(column.measure.name == ORACLE.name for column in columns):
            note.append(f"The {ORACLE.title} is not tested.")
    title = f"{', '.join(measures)} by model and prompt{where}"
    said = " ".join([*note, *selection.notes])
    return Section(
        "wide", title, said, (*left, *heads), tuple(rows), frame, len(left), frozenset(bold)
    )


_BOLD = BOLD.format(beside="'s column", tests="columns")


def _dataset(name: Any, table: Table) -> str:
    return "mean" if pd.isna(name) else table.datasets[str(name)]
