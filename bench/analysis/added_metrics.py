"""Metrics that were added to a run later: a Parquet file each, beside the run's parts.

::

    results/runs/<run>/metrics/<metric>.parquet   image_id, mask_id, step, <metric>

The rows themselves are never written again. What the metric is stands in the file's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench.files.documents import parse_json
from bench.store.runs import RunStore, write_aside
from bench.types import BenchError, Measure

KEY = ["image_id", "mask_id", "step"]
"""What tells a run's rows apart."""

_MEASURE = b"bench.measure"
_FOUND = "metric found"


def write_metric(store: RunStore, measure: Measure, values: pd.DataFrame) -> None:
    """Keeps a metric of a run's rows, all or nothing; ``values`` has ``KEY`` and the metric.

    NaN says that it doesn't apply to a row, and is kept as null.
    """
    metric = measure.name
    schema = pa.schema(
        [
            ("image_id", pa.string()),
            ("mask_id", pa.string()),
            ("step", pa.int16()),
            (metric, pa.float64()),
        ]
    )
    table = pa.Table.from_pandas(values[[*KEY, metric]], schema=schema, preserve_index=False)
    table = table.replace_schema_metadata({_MEASURE: json.dumps(measure.plain())})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    path = store.folder / "metrics" / f"{metric}.parquet"
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise BenchError(f"{path.parent}: cannot be made ({error})") from error
    write_aside(path, sink.getvalue().to_pybytes())


def added_measures(store: RunStore) -> dict[str, Measure]:
    """The metrics that were added to a run, by name, sorted."""
    return {name: _read(store, name)[1] for name in _names(store)}


def added_values(store: RunStore, metric: str) -> pd.DataFrame:
    """The values of a metric that was added to a run: ``KEY`` and the metric, a row per row.

    Raises ``BenchError`` where it was not, and for a damaged file.
    """
    frame: pd.DataFrame = _read(store, metric)[0].to_pandas()
    return frame


def with_metrics(
    rows: pd.DataFrame, stores: Sequence[RunStore], metrics: Sequence[str]
) -> pd.DataFrame:
    """The rows of some runs with a column for each metric, in the rows' order.

    ``rows`` are those of ``read_runs``, or any that have its columns ``run``, ``image_id``,
    ``mask_id`` and ``step``. A column of the same name is replaced. Raises ``BenchError`` where a
    metric was not added to a run, or before the run had all its rows.
    """
    for metric in metrics:
        added = [added_values(store, metric).assign(run=store.folder.name) for store in stores]
        known = pd.concat(added, ignore_index=True)
        plain = rows.drop(columns=metric, errors="ignore")
        merged = plain.merge(
            known, how="left", on=["run", *KEY], validate="many_to_one", indicator=_FOUND
        )
        if (lacking := merged.pop(_FOUND) == "left_only").any():
            run = merged.loc[lacking, "run"].iloc[0]
            folder = next(store.folder for store in stores if store.folder.name == run)
            raise BenchError(
                f"{folder}: {int(lacking.sum())} rows have come since {metric} was added; "
                f"run `sam-bench rescore {folder} --metric {metric}` again"
            )
        rows = merged
    return rows


def _names(store: RunStore) -> list[str]:
    return sorted(path.stem for path in (store.folder / "metrics").glob("[!.]*.parquet"))


def _read(store: RunStore, metric: str) -> tuple[pa.Table, Measure]:
    path = store.folder / "metrics" / f"{metric}.parquet"
    try:
        table = pq.read_table(pa.BufferReader(path.read_bytes()), columns=[*KEY, metric])
        said = (table.schema.metadata or {}).get(_MEASURE)
        measure = Measure(metric, metric, metric.replace("_", " "))
        if said is not None:
            measure = Measure.of_plain(parse_json(said))
    except FileNotFoundError:
        there = ", ".join(_names(store)) or "none"
        raise BenchError(
            f"{store.folder}: {metric} was not added to this run (there is {there}); "
            f"run `sam-bench rescore {store.folder} --metric {metric}`"
        ) from None
    except (OSError, ValueError, TypeError, pa.ArrowException) as error:
        raise BenchError(
            f"{path}: damaged ({error}); run `sam-bench rescore` for it again"
        ) from error
    return table, measure
