"""Metrics that were added to a run later: a Parquet file each, beside the run's parts.

::

    results/runs/<run>/metrics/<metric>.parquet   image_id, mask_id, step, <metric>

The rows themselves are never written again.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench.store.runs import RunStore, write_aside
from bench.types import BenchError

KEY = ["image_id", "mask_id", "step"]
"""What tells a run's rows apart."""


def write_metric(store: RunStore, metric: str, values: pd.DataFrame) -> None:
    """Keeps a metric of a run's rows, all or nothing; ``values`` has `KEY` and the metric."""
    schema = pa.schema(
        [
            ("image_id", pa.string()),
            ("mask_id", pa.string()),
            ("step", pa.int16()),
            (metric, pa.float64()),
        ]
    )
    table = pa.Table.from_pandas(values[[*KEY, metric]], schema=schema, preserve_index=False)
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(None), sink, compression="zstd")
    path = store.folder / "metrics" / f"{metric}.parquet"
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise BenchError(f"{path.parent}: cannot be made ({error})") from error
    write_aside(path, sink.getvalue().to_pybytes())


def metric_names(store: RunStore) -> list[str]:
    """The metrics that were added to a run, sorted."""
    return sorted(path.stem for path in (store.folder / "metrics").glob("[!.]*.parquet"))


def with_metrics(
    rows: pd.DataFrame, stores: Sequence[RunStore], metrics: Sequence[str]
) -> pd.DataFrame:
    """The rows of some runs with a column for each metric, in the rows' order.

    ``rows`` are those of ``read_runs``, or any that have its columns ``run``, ``image_id``,
    ``mask_id`` and ``step``. A column of the same name is replaced. Raises ``BenchError`` where a
    metric was not added to a run, or before the run had all its rows.
    """
    for metric in metrics:
        added = [_read(store, metric).assign(run=store.folder.name) for store in stores]
        known = pd.concat(added, ignore_index=True)
        plain = rows.drop(columns=metric, errors="ignore")
        merged = plain.merge(known, how="left", on=["run", *KEY], validate="many_to_one")
        if (lacking := merged[metric].isna()).any():
            run = merged.loc[lacking, "run"].iloc[0]
            folder = next(store.folder for store in stores if store.folder.name == run)
            raise BenchError(
                f"{folder}: {int(lacking.sum())} rows have come since {metric} was added; "
                f"run `sam-bench rescore {folder} --metric {metric}` again"
            )
        rows = merged
    return rows


def _read(store: RunStore, metric: str) -> pd.DataFrame:
    path = store.folder / "metrics" / f"{metric}.parquet"
    if not path.is_file():
        known = ", ".join(metric_names(store)) or "none"
        raise BenchError(
            f"{store.folder}: {metric} was not added to this run (there is {known}); "
            f"run `sam-bench rescore {store.folder} --metric {metric}`"
        )
    try:
        content = pa.BufferReader(path.read_bytes())
        frame: pd.DataFrame = pq.read_table(content, columns=[*KEY, metric]).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise BenchError(
            f"{path}: damaged ({error}); run `sam-bench rescore` for it again"
        ) from error
    return frame
