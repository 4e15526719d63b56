"""Tables, figures, gallery and page from finished runs. It sees rows, never models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.request import Report, Request

if TYPE_CHECKING:
    from bench.store.runs import RunStore

__all__ = ["Report", "Request", "write_report"]


def write_report(stores: Sequence[RunStore], out: Path, **settings: Any) -> Report:
    """Writes the report of some runs into the folder ``out``, all of it or nothing.

    But for figures that can't be drawn: they are left out, and `Report.failed` says why.

    ``settings`` are the fields of `Request`. ``table.csv, table.md, table.tex, index.html,
    report.json`` and, in ``figures/``, every figure as PDF, SVG, PNG and PGF, or as asked.
    The same runs give the same bytes. Files of an earlier report in ``out`` are replaced, others
    left alone. Raises ``BenchError`` for what a report refuses, or a folder that can't be written.
    """
    from bench.report.pages.write import write  # matplotlib takes a second to import

    plain: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    return write(Request(tuple(stores), **plain), out)
