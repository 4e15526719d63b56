"""Metrics that were added to a run later: a Parquet file each, beside the run's parts.

::

    results/runs/<run>/metrics/<metric>.parquet   image_id, mask_id, step, <metric>

The parts themselves are never written again: who reads the rows finds the metric among their
columns, in the place of one of that name in the parts. What the metric is, and of which run, stands
in the file's metadata. ``key`` is the run's, empty where it is not known.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench.files.documents import parse_json
from bench.files.places import Place, forget_leftovers, write_aside
from bench.store.headers import check_header
from bench.store.row_table import KEY
from bench.store.schema import COLUMNS, taken_columns
from bench.types import BenchError, MaskRow, Measure

_MEASURE = b"bench.measure"
_RUN = b"bench.run"


def write_added(folder: Place, measure: Measure, values: pd.DataFrame, key: str) -> None:
    """Keeps a metric of a run's rows, all or nothing; ``values`` has ``KEY`` and the metric.

    NaN says that it doesn't apply to a row, and is kept as null.
    """
    metric = measure.name
    kept = values[[*KEY, metric]]
    table = pa.Table.from_pandas(kept, schema=_schema(metric), preserve_index=False)
    table = table.replace_schema_metadata({_MEASURE: json.dumps(measure.plain()), _RUN: key})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    path = folder / "metrics" / f"{metric}.parquet"
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise BenchError(f"{path.parent}: cannot be made ({error})") from error
    forget_leftovers(path)
    write_aside(path, sink.getvalue().to_pybytes())


def added_names(folder: Place) -> list[str]:
    """The columns of the metrics that were added to a run, sorted.

    Raises ``BenchError`` for a file that would put another column into the rows: none is replaced
    but a metric's.
    """
    names = sorted(path.stem for path in (folder / "metrics").glob("[!.]*.parquet"))
    for name in names:
        if name in taken_columns(MaskRow, ()) or not name.isidentifier():
            raise BenchError(
                f"{folder / 'metrics' / name}.parquet: no metric may be called {name!r}, rows keep "
                "that name for themselves or it is none; delete the file"
            )
    return names


def added_measure(folder: Place, metric: str, key: str) -> Measure:
    """What an added metric is; raises ``BenchError`` for a damaged file and one of another run."""
    return _read(folder, metric, key)[1]


def added_images(folder: Place, metric: str, key: str) -> set[str]:
    """The images of the rows that an added metric was computed of."""
    return set(_read(folder, metric, key)[0]["image_id"].unique().to_pylist())


def with_added(rows: pa.Table, folder: Place, columns: Sequence[str] | None, key: str) -> pa.Table:
    """The rows of a run, sorted by ``KEY``, with the added metrics among ``columns``, or all.

    Null where a metric doesn't apply, and where rows have come since it was added. Raises
    ``BenchError`` for a damaged file and one of another run.
    """
    for metric in added_names(folder):
        if columns is not None and metric not in columns:
            continue
        values = _read(folder, metric, key)[0]
        found = values[metric]
        if not values.select(KEY).equals(rows.select(KEY)):  # rows have come since
            known = values.to_pandas().drop_duplicates(list(KEY))
            keys = rows.select(KEY).to_pandas()
            merged = keys.merge(known, how="left", on=list(KEY))[metric]
            found = pa.chunked_array([pa.array(merged, pa.float64(), from_pandas=True)])
        there = rows.column_names.index(metric) if metric in rows.column_names else len(rows.schema)
        kept = rows.drop_columns([metric]) if metric in rows.column_names else rows
        rows = kept.add_column(there, metric, found)
    return rows


def _read(folder: Place, metric: str, key: str) -> tuple[pa.Table, Measure]:
    path = folder / "metrics" / f"{metric}.parquet"
    try:
        table = pq.read_table(pa.BufferReader(path.read_bytes()), columns=[*KEY, metric])
        metadata = table.schema.metadata or {}
        said, whose = metadata.get(_MEASURE), metadata.get(_RUN, b"").decode()
        table = table.replace_schema_metadata(None).cast(_schema(metric))
        measure = Measure(metric, metric, metric.replace("_", " "))
        if said is not None:
            plain = check_header({"metrics": {metric: parse_json(said)}})["metrics"][metric]
            measure = Measure.of_plain(plain)
        if measure.name != metric:
            raise ValueError(f"it says that it is {measure.name}")
    except (OSError, ValueError, TypeError, AttributeError, pa.ArrowException) as error:
        raise BenchError(
            f"{path}: damaged ({' '.join(str(error).split())[:200]}); delete it, then run "
            "`sam-bench rescore` for it again"
        ) from error
    if key and whose and whose != key:
        raise BenchError(
            f"{path}: the metric of run {whose}, this is run {key}; delete it, then run "
            f"`{shlex.join(['sam-bench', 'rescore', str(folder), '--metric', metric])}`"
        )
    return table, measure


def _schema(metric: str) -> pa.Schema:
    kinds = {name: COLUMNS[name] for name in KEY}
    return pa.schema([*kinds.items(), (metric, pa.float64())])
