"""All rows of some runs, whatever step: each column is read once, and when it is first asked for.

Several tables and pictures of a report look at the same runs; opening, checking and sorting their
parts anew for each would be most of a report's time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bench.store.row_table import KEY
from bench.store.runs import RunStore, read_rows


def clusters(rows: pd.DataFrame) -> pd.Series[Any]:
    """What each row's image belongs to; itself where the rows name nothing, as older ones do."""
    return rows["cluster"].fillna(rows["image_id"])


class EveryRow:
    """The rows of the runs in ``stores``, by their folders' names."""

    def __init__(self, stores: Mapping[str, RunStore]) -> None:
        self._stores = stores
        self._read: dict[str, pa.Table] = {}

    def expect(self, columns: Iterable[str]) -> None:
        """Has the columns read together, for all runs, before they are asked for one by one."""
        for run in self._stores:
            self._table(run, list(columns))

    def of(
        self, run: str, columns: Sequence[str], among: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """A run's rows as ``bench.store.runs.read_runs`` gives them: sorted, ``run`` in front.

        The columns of the key come always. ``among`` keeps the rows that are in it, by those of
        the key's columns that it has. Raises ``BenchError`` as ``read_runs`` does.
        """
        table = self._table(run, columns).select(list(dict.fromkeys([*KEY, *columns])))
        if among is not None:
            kind = table.schema.field("image_id").type
            images = pa.array(among["image_id"].unique().tolist(), kind)
            table = table.filter(pc.is_in(table["image_id"], images))
        frame: pd.DataFrame = table.to_pandas(maps_as_pydicts="strict")
        if among is not None:
            names = [name for name in KEY if name in among]
            frame = frame.merge(among[names].drop_duplicates(), on=names)
        frame.insert(0, "run", run)
        return frame

    def all(self, columns: Sequence[str]) -> pd.DataFrame:
        """The rows of all runs, sorted by run."""
        frames = [self.of(run, columns) for run in sorted(self._stores)]
        return pd.concat(frames, ignore_index=True)

    def _table(self, run: str, columns: Sequence[str]) -> pa.Table:
        known = self._read.get(run)
        there = set() if known is None else set(known.column_names)
        lacking = [name for name in columns if name not in there]
        if known is None or lacking:
            fresh = read_rows(self._stores[run], lacking)
            if known is None:
                known = fresh
            else:
                if not known.select(KEY).equals(fresh.select(KEY)):  # rows came in between
                    known = read_rows(self._stores[run], [*known.column_names, *lacking])
                    lacking = []
                for name in lacking:
                    known = known.append_column(name, fresh[name])
            self._read[run] = known
        return known
