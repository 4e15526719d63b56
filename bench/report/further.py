"""Which further tables a report has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench.report.sections import Section
from bench.report.selection import Selection
from bench.report.table import Table
from bench.store import RunStore
from bench.types import Sample


def further_tables(
    selection: Selection,
    table: Table,
    by: Sequence[str],
    read_sample: Callable[[RunStore, str], Sample] | None,
    samples: int,
) -> Iterator[Section]:
    """Every table that the rows allow, in the order in which a report shows them."""
    yield from ()
