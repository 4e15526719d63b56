from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.config.run_key import run_name
from bench.store.runs import (
    SCHEMA,
    Content,
    ImageError,
    RunStore,
    find_runs,
    read_rows,
    read_runs,
)
from bench.types import BenchError, MaskRow

ROW = MaskRow(
    dataset="d",
    image_id="img 1",
    mask_id="7",
    category=None,
    attributes={"level": "part", "kind": "é"},
    height=4,
    width=6,
    area=3,
    model="m",
    prompt="point_3",
    protocol="sam",
    step=1,
    n_points=1,
    point_coords=[[1.0, 2.0]],
    point_labels=[1],
    box=None,
    iou=1 / 3,
    iou_oracle=0.5,
    ious=[1 / 3, 0.5, 0.0],
    predicted_ious=[0.25, 0.125, 0.0],
    selected=0,
    multimask=True,
    mask_rle="0018",
    metrics={"boundary_iou": None},
)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    made = RunStore.create(tmp_path, "d-m-point_3-000000000000")
    made.write_header({"key": "000000000000", "status": "complete"})
    return made


def test_a_row_comes_back_as_it_was_written(store: RunStore) -> None:
    boxed = replace(ROW, step=2, n_points=0, point_coords=[], point_labels=[], box=[0.0, 1.5, 2, 3])
    store.write_part([ROW, boxed], ["img 1"])
    frame = read_runs([store])
    assert list(frame.columns) == ["run", *SCHEMA.names]
    first, second = frame.to_dict("records")
    assert first["run"] == "d-m-point_3-000000000000"
    assert (first["iou"], first["box"]) == (1 / 3, None)
    assert pd.isna(first["category"])
    assert first["attributes"] == {"level": "part", "kind": "é"}
    assert np.array_equal(np.stack(first["point_coords"]), [[1.0, 2.0]])
    assert list(first["ious"]) == [1 / 3, 0.5, 0.0]
    assert np.isnan(first["boundary_iou"])
    assert list(second["box"]) == [0.0, 1.5, 2.0, 3.0]


def test_parts_add_up(store: RunStore) -> None:
    store.write_part([ROW], ["img 1", "img 2"], {"crowd": 2, "empty": 0})
    store.write_part([replace(ROW, image_id="img 3")], ["img 3"], {"crowd": 1})
    content = store.content()
    assert sorted(content.images) == ["img 1", "img 2", "img 3"]
    assert content.masks == 2
    assert content.skipped == {"crowd": 3, "empty": 0}


def test_texts_that_are_too_long_for_narrow_offsets_are_sorted_too(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for image_id in ("b", "a"):
        store.write_part([replace(ROW, image_id=image_id)], [image_id])
    frame = read_runs([store])
    monkeypatch.setattr("bench.store.row_table._MOST_TEXT", 1)
    assert read_rows(store).schema.field("mask_rle").type == "large_string"
    pd.testing.assert_frame_equal(read_runs([store]), frame)
    assert frame["image_id"].tolist() == ["a", "b"]


def test_an_empty_run_has_content_and_columns(store: RunStore) -> None:
    assert store.content() == Content()
    frame = read_runs([store], ["iou"])
    assert len(frame) == 0
    assert list(frame.columns) == ["run", "image_id", "mask_id", "step", "iou"]


def test_a_part_names_every_image_of_its_rows(store: RunStore) -> None:
    with pytest.raises(ValueError, match="img 1"):
        store.write_part([ROW], ["img 2"])
    assert store.parts() == []


def test_a_failed_write_leaves_nothing_behind(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(BenchError, match="no space is left on the disk"):
        store.write_part([ROW], ["img 1"])
    assert list((store.folder / "parts").iterdir()) == []


def test_the_same_mask_twice_is_refused(store: RunStore) -> None:
    store.write_part([ROW], ["img 1"])
    store.write_part([ROW], ["img 1"])
    with pytest.raises(BenchError, match="mask 7 of image img 1 stands twice at step 1"):
        read_runs([store])


def test_a_damaged_part_is_named(store: RunStore) -> None:
    store.write_part([ROW], ["img 1"])
    (part,) = store.parts()
    part.write_bytes(part.read_bytes()[:-20])
    for attempt in (store.content, lambda: read_runs([store])):
        with pytest.raises(BenchError, match=part.name):
            attempt()


def test_rows_of_another_schema_version_are_refused(store: RunStore) -> None:
    schema = SCHEMA.with_metadata({"bench.schema_version": "99", "bench.content": "{}"})
    pq.write_table(schema.empty_table(), store.folder / "parts" / "x.parquet")
    with pytest.raises(BenchError, match="schema version 99"):
        store.content()


def test_a_parquet_file_from_elsewhere_is_refused(store: RunStore) -> None:
    pq.write_table(pa.table({"a": [1]}), store.folder / "parts" / "x.parquet")
    with pytest.raises(BenchError, match=r"x\.parquet"):
        store.content()


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_broken_header_is_named(store: RunStore, text: str) -> None:
    (store.folder / "run.json").write_text(text)
    with pytest.raises(BenchError, match=r"run\.json"):
        store.header()


@pytest.mark.parametrize("levels", [60, 900, 100_000])
def test_a_header_of_many_levels_is_named(store: RunStore, levels: int) -> None:
    (store.folder / "run.json").write_text('{"facts": {"a": ' + "[" * levels + "]" * levels + "}}")
    with pytest.raises(BenchError, match=r"run\.json: .*nested too deeply"):
        store.header()


@pytest.mark.parametrize(
    "pattern", ["", "**", "***", "**/x", "a/**/b", "[", "/", ".", "..", "x" * 300, "a\0b"]
)
def test_a_pattern_that_names_no_run_is_one_line(
    store: RunStore, tmp_path: Path, pattern: str
) -> None:
    store.write_header({})
    if set(pattern) == {"*"}:
        assert [each.folder for each in find_runs(tmp_path, [pattern])] == [store.folder]
    else:
        with pytest.raises(BenchError, match="no run matches"):
            find_runs(tmp_path, [pattern])


def test_errors_are_those_of_the_latest_attempt(store: RunStore) -> None:
    store.write_errors([ImageError("a", "no such file"), ImageError("b", "truncated\nhere")])
    assert [e.image_id for e in store.errors()] == ["a", "b"]
    lines = (store.folder / "errors.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {"image_id": "b", "reason": "truncated\nhere"}
    store.write_errors([])
    assert store.errors() == []
    assert not (store.folder / "errors.jsonl").exists()


@pytest.mark.parametrize("mark", [*"\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", "\x00"])
def test_no_end_of_a_line_in_a_name_breaks_the_list_of_errors(store: RunStore, mark: str) -> None:
    errors = [ImageError(f"a{mark}b", f"no such file: a{mark}"), ImageError(mark, mark)]
    store.write_errors(errors)
    assert store.errors() == errors


def test_a_list_of_errors_that_is_none_says_what_to_do(store: RunStore) -> None:
    (store.folder / "errors.jsonl").write_bytes(b"\xff{")
    with pytest.raises(BenchError, match=r"errors\.jsonl: .*move it away"):
        store.errors()


def test_runs_are_found_by_folder_name_glob_and_key(store: RunStore, tmp_path: Path) -> None:
    other = RunStore.create(tmp_path, "e-m-box-111111111111")
    other.write_header({})
    found = {
        pattern: [each.folder.name for each in find_runs(tmp_path, [pattern])]
        for pattern in ("*", "e-*", "000000000000", str(other.folder))
    }
    assert found["*"] == ["d-m-point_3-000000000000", "e-m-box-111111111111"]
    assert found["e-*"] == found[str(other.folder)] == ["e-m-box-111111111111"]
    assert found["000000000000"] == ["d-m-point_3-000000000000"]
    for nothing in ("f-*", "/nowhere/at/all"):
        with pytest.raises(BenchError, match="no run matches"):
            find_runs(tmp_path, [nothing])


def test_a_run_is_found_once_however_often_it_is_named(store: RunStore, tmp_path: Path) -> None:
    assert len(find_runs(tmp_path, ["*", "d-*", str(store.folder)])) == 1


def test_folder_names_hold_no_separators() -> None:
    assert run_name("a/b", "c d", "e", "0") == "a_b-c_d-e-0"


def test_reading_several_runs_keeps_them_apart(store: RunStore, tmp_path: Path) -> None:
    store.write_part([ROW], ["img 1"])
    other = RunStore.create(tmp_path, "other")
    other.write_part([ROW], ["img 1"])
    frame: pd.DataFrame = read_runs([store, other], ["iou"])
    assert frame["run"].tolist() == ["d-m-point_3-000000000000", "other"]
