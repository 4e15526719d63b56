"""The rows and the table of a report, with the names and digits that were asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bench.analysis.selection import Selection, select
from bench.analysis.table import Table, miou_table
from bench.report import Request
from bench.types import BenchError, Measure
from bench.types.errors import did_you_mean

MOST_DIGITS = 6


def chosen(request: Request) -> tuple[Selection, Table]:
    """The selection of a report's runs, and its table.

    Raises ``BenchError`` as ``select`` and ``miou_table`` do, for a label of what the runs don't
    hold, and for digits that are no whole number from 0 to 6.
    """
    digits = request.digits
    if digits is not None and not (isinstance(digits, int) and 0 <= digits <= MOST_DIGITS):
        raise BenchError(f"--digits must be a whole number from 0 to {MOST_DIGITS}, found {digits}")
    selection = select(request.stores, allow_partial=request.allow_partial)
    selection = replace(
        selection,
        leads=_rounded(selection.leads, digits),
        further=tuple(_rounded(each, digits) for each in selection.further),
        shown=_known(request.labels, selection),
    )
    table = miou_table(selection, allow_partial=request.allow_partial)
    return selection, replace(table, further=tuple(_rounded(m, digits) for m in table.further))


def _rounded(measure: Measure, digits: int | None) -> Measure:
    """With so many digits, where values are shown in points."""
    return (
        measure if digits is None or measure.unit != "points" else replace(measure, digits=digits)
    )


def _known(labels: Mapping[str, str], selection: Selection) -> dict[str, str]:
    """The labels by what runs call a thing: its name, or its title where one has that."""
    names = {label: label for label in selection.labels}
    for kind in ("model", "dataset"):
        titles = selection.titles(kind)
        names |= {title: name for name, title in titles.items()} | {name: name for name in titles}
    for name, called in labels.items():
        if name not in names:
            raise BenchError(f"--label: nothing is called {name!r}; {did_you_mean(name, names)}")
        if not called.strip():
            raise BenchError(f"--label {name}=: say what to call it")
    return {names[name]: called for name, called in labels.items()}
