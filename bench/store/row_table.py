"""Rows of many parts in one Arrow table, sorted; fast and lean where a frame of them is neither."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bench.files.places import Place
from bench.store.part_file import read_table
from bench.store.part_folder import THREADS
from bench.store.schema import COLUMNS
from bench.types import BenchError
from bench.types.threads import mapping

KEY = ("image_id", "mask_id", "step")
"""What a row of a run is known by, and sorted by."""

_TOGETHER = 64
"""Parts that are read into one table: as many small ones would take several times the memory."""

_MOST_TEXT = 1 << 30
"""Bytes of a column of texts that Arrow can sort with offsets of 32 bits, which end at 2 GiB."""


def read_parts(paths: Sequence[Place], columns: Sequence[str] | None, run: str) -> pa.Table:
    """The rows of the parts, sorted by their key; the key's columns and those asked for, or all.

    Where a part lacks a column, since it is older or of other metrics, its rows have null there.
    All columns are those of ``Row`` in its order, then the metrics by name, whatever the parts'.
    Raises ``BenchError`` for a damaged part, and for a key that stands twice, which is then said of
    the ``run``; raises ``FileNotFoundError`` for a part that is gone.
    """
    wanted = None if columns is None else list(dict.fromkeys([*KEY, *columns]))
    empty = _empty(list(COLUMNS) if wanted is None and not paths else wanted)

    def together(group: Sequence[Place]) -> pa.Table:
        tables = [read_table(path, wanted) for path in group]
        return pa.concat_tables(tables, promote_options="default").combine_chunks()

    groups = [paths[start : start + _TOGETHER] for start in range(0, len(paths), _TOGETHER)]
    with mapping(THREADS, "rows") as each:
        tables = [empty, *each(together, groups)]
    table = _numbers_for_nothing(pa.concat_tables(tables, promote_options="default"))
    if wanted is None:
        known = [name for name in COLUMNS if name in table.column_names]
        metrics = sorted(set(table.column_names) - set(COLUMNS))  # parts may differ in theirs
        table = table.select([*known, *metrics])
    table = _sorted(_roomy(table))
    twice = same_as_next(table, KEY)
    if twice.any():
        first = {name: table[name][int(twice.argmax())] for name in KEY}
        raise BenchError(
            f"{run}: mask {first['mask_id']} of image {first['image_id']} stands twice at step "
            f"{first['step']} ({int(twice.sum())} such rows); the same `run` command again mends it"
        )
    return table


def _empty(wanted: Sequence[str] | None) -> pa.Table:
    """No rows of the wanted columns; of what isn't known here, the parts say the type."""
    names = list(KEY) if wanted is None else wanted
    return pa.schema([(name, COLUMNS.get(name, pa.null())) for name in names]).empty_table()


def _numbers_for_nothing(table: pa.Table) -> pa.Table:
    """The table, with numbers for a column that no part has: a metric that nobody asked for."""
    return table.cast(
        pa.schema(
            field.with_type(pa.float64()) if pa.types.is_null(field.type) else field
            for field in table.schema
        )
    )


def same_as_next(table: pa.Table, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Of each of (N,) rows, whether the next one has the same in these columns; the last has no."""
    same = np.zeros(len(table), dtype=bool)
    same[:-1] = True
    for name in names:
        column = table[name]
        equal = pc.equal(column.slice(1), column.slice(0, max(0, len(table) - 1)))
        same[:-1] &= pc.fill_null(equal, False).to_numpy()
    return same


def _sorted(table: pa.Table) -> pa.Table:
    """The rows by their key, a column after the other: only one of them is there twice."""
    keys = table.select(KEY).combine_chunks()
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in KEY])
    done = {}
    for name in table.column_names:
        done[name] = table[name].combine_chunks().take(order)
        table = table.drop_columns([name])
    return pa.table(done)


def _roomy(table: pa.Table) -> pa.Table:
    """The table, its texts with wide offsets where they are too long for the narrow ones."""
    return table.cast(
        pa.schema(
            field.with_type(pa.large_string())
            if pa.types.is_string(field.type) and table[field.name].nbytes > _MOST_TEXT
            else field
            for field in table.schema
        )
    )
