"""A file beside a run's parts brings a metric's numbers into the rows, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_runs import ROW

from bench.store.runs import RunStore, read_runs
from bench.types import BenchError


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    store = RunStore.create(tmp_path, "d-m-point_3-000000000000")
    store.write_part([replace(ROW, image_id=i) for i in ("a", "b")], ["a", "b"])
    return store


def add(store: RunStore, name: str, measure: bytes | None = None, **columns: Any) -> Path:
    """Writes a file as one of an added metric; by default as ``rescore`` would write it."""
    items = {"image_id": ["a", "b"], "mask_id": [ROW.mask_id] * 2, "step": [ROW.step] * 2}
    table = pa.table({**items, name: [0.25, None], **columns})
    path = store.folder / "metrics" / f"{name}.parquet"
    path.parent.mkdir()
    said = {} if measure is None else {b"bench.measure": measure}
    pq.write_table(table.replace_schema_metadata(said), path)
    return path


def test_numbers_of_a_metric_are_read(store: RunStore) -> None:
    add(store, "dice")
    values = read_runs([store])["dice"]
    assert (values[0], values.isna().tolist()) == (0.25, [False, True])


@pytest.mark.parametrize("name", ["iou", "mask_rle", "image_id", "step", "run", "label", "a b"])
def test_no_column_of_the_rows_is_replaced(store: RunStore, name: str) -> None:
    path = add(store, name)
    for read in (lambda: read_runs([store]), lambda: store.unmeasured(name)):
        with pytest.raises(BenchError, match=rf"{path.name}: no metric may be called '{name}'"):
            read()


@pytest.mark.parametrize(
    "odd",
    [
        {"dice": ["x", "y"]},
        {"dice": [[1.0], [2.0]]},
        {"step": ["one", "two"]},
        {"measure": b"[]"},
        {"measure": b'{"name": "iou", "mean": "miou", "title": "mIoU"}'},
        {"measure": b'{"name": "dice", "mean": "mdice", "title": 3}'},
    ],
    ids=str,
)
def test_what_is_no_metrics_file_is_refused_in_a_line(store: RunStore, odd: dict[str, Any]) -> None:
    add(store, "dice", **odd)
    with pytest.raises(BenchError, match=r"dice\.parquet: damaged \(.*delete it") as caught:
        read_runs([store])
    assert "\n" not in str(caught.value)
