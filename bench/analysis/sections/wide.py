"""The wide table of a paper: models down, prompts across, bold only what is shown to be best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.comparing.pairing import MASK, differences_of, paired_rows
from bench.analysis.comparing.wording import SHOWN
from bench.analysis.section import Section
from bench.analysis.selection import Selection
from bench.analysis.stats import holm, mean_averages
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
    sides = {
        label: dict(_sides(selection, label))
        for label in dict.fromkeys(column.label for column in columns)
    }
    names = table.lines[["dataset", *SERIES]].drop_duplicates()
    lines: list[dict[str, Any]] = [
        {str(k): value for k, value in line.items()} for line in names.to_dict("records")
    ]
    for column in columns:
        _fill(lines, column, table, sides[column.label])
    frame = pd.DataFrame(lines)
    numbers = [f"{column.name}{end}" for column in columns for end in ("", "_p")]
    frame[numbers] = frame[numbers].astype(float)
    frame["title"] = frame["model"].map(table.models)
    order = ["dataset", "title", "protocol"]
    frame = frame.sort_values(order, na_position="last", ignore_index=True).drop(columns="title")
    yield _shown(frame, columns, selection, table)


Series = tuple[str, str]


def _sides(selection: Selection, label: str) -> Iterator[tuple[Series, pd.DataFrame]]:
    """The rows of each series at a label."""
    rows = selection.rows[selection.rows["label"] == label]
    measures = dict.fromkeys(m.name for m in (selection.leads, *selection.further))
    for (model, protocol), found in rows.groupby(SERIES, observed=True):
        yield (str(model), str(protocol)), found[[*MASK, "cluster", *measures]]


def _fill(
    lines: Sequence[dict[str, Any]],
    column: Column,
    table: Table,
    sides: dict[Series, pd.DataFrame],
) -> None:
    """Puts a column's means into the lines, and the p of each dataset's best."""
    of_label = table.lines[table.lines["prompt"] == column.label]
    means = {
        _key(line): line[column.measure.mean]
        for line in of_label.to_dict("records")
        if pd.notna(line[column.measure.mean])
    }
    for line in lines:
        line[column.name], line[f"{column.name}_p"] = means.get(_key(line)), None
    for dataset in {key[0] for key in means}:
        here = {key[1:]: mean for key, mean in means.items() if key[0] == dataset}
        top = (max if column.measure.better == "higher" else min)(here, key=here.__getitem__)
        p = None
        if len(here) > 1 and column.measure.name != ORACLE.name:
            others = [sides[series] for series in here if series != top]
            p = _p(sides[top], others, dataset, column.measure)
        next(each for each in lines if _key(each) == (dataset, *top))[f"{column.name}_p"] = p


def _key(line: Any) -> tuple[str, str, str]:
    """Dataset, "" for the mean over them, model and protocol of a line."""
    dataset = "" if pd.isna(line["dataset"]) else str(line["dataset"])
    return dataset, str(line["model"]), str(line["protocol"])


def _p(
    best: pd.DataFrame, others: Sequence[pd.DataFrame], dataset: str, measure: Measure
) -> float | None:
    """The largest corrected p of the best's differences to the others; none where one has none.

    1 where on the masks that both have the other one is ahead.
    """
    found: list[float] = []
    for other in others:
        by_dataset = differences_of(paired_rows(best, other), measure)
        if dataset:
            each = by_dataset.get(dataset)
        else:  # a mean over other datasets than the line's says nothing of it
            everywhere = set(best["dataset"]) == set(other["dataset"]) == set(by_dataset)
            each = mean_averages(list(by_dataset.values())) if everywhere else None
        if each is None or each.p is None:
            return None
        found.append(each.p if measure.is_ahead(each.masks.mean) else 1.0)
    return max(p for p in holm(found) if p is not None)


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
            if line[f"{column.name}_p"] < SHOWN
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


_BOLD = (
    "Bold: shown to be the best of its dataset's column, ahead of every other line there in a "
    "paired test on the masks that both have (p < 0.05 over masks and over images, corrected for "
    "the number of others by Holm's method, not for that of columns); what is not shown to "
    "differ is not bold."
)


def _dataset(name: Any, table: Table) -> str:
    return "mean" if pd.isna(name) else table.datasets[str(name)]
