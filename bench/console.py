"""What a command says: its output, messages beside it, and the table of some runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from bench.store import RunStore
    from bench.types import Sample


def output() -> Console:
    """Standard output; wide enough for a table where it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


def errors() -> Console:
    """Standard error, for progress and messages."""
    return Console(stderr=True)


def show_runs(
    stores: Sequence[RunStore],
    out: Path | None,
    read_sample: Callable[[RunStore, str], Sample],
    allow_partial: bool,
) -> None:
    """Prints the table, and writes the whole report where a folder is given for it."""
    from bench.report import write_report
    from bench.report.formats import to_rich
    from bench.report.selection import select
    from bench.report.table import miou_table

    screen = output()
    if out is None:
        chosen = select(stores, allow_partial=allow_partial)
        screen.print(to_rich(miou_table(chosen, allow_partial=allow_partial)))
        return
    report = write_report(stores, out, read_sample=read_sample, allow_partial=allow_partial)
    screen.print(to_rich(report.table))
    for sentence in report.answer:
        screen.print(sentence, highlight=False, markup=False)
    screen.print(f"report: {report.page}", highlight=False, markup=False, soft_wrap=True)
