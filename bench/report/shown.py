"""The rows and the table of a report, with the names and digits that were asked for."""

from __future__ import annotations

from dataclasses import replace

from bench.analysis.looks import rounded, with_looks
from bench.analysis.selection import Selection, select
from bench.analysis.table import Table, miou_table
from bench.report.request import Request


def chosen(request: Request) -> tuple[Selection, Table]:
    """The selection of a report's runs, and its table.

    Raises ``BenchError`` as ``select``, ``with_looks`` and ``miou_table`` do.
    """
    whole = select(request.stores, allow_partial=request.allow_partial)
    (selection,) = with_looks([whole], request.labels, request.digits)
    table = miou_table(selection, allow_partial=request.allow_partial)
    further = tuple(rounded(measure, request.digits) for measure in table.further)
    return selection, replace(table, further=further)
