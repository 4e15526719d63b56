"""The library as a notebook uses it: the same runs as the command line, as frames."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import bench
from bench.cli import main

FEW = ("dataset.args.count=3",)


def test_evaluate_gives_the_table_of_its_runs(tmp_path: Path) -> None:
    found = bench.evaluate(*FEW, model="disk", prompt=["point_1", "box"], results=tmp_path)
    assert found.table["prompt"].tolist() == ["1 point", "box"]
    assert len(found.runs) == 2
    assert not found.failed
    rows = found.rows(["iou", "prompt"])
    means = rows.groupby("prompt")["iou"].mean()
    assert found.table["miou"].tolist() == pytest.approx(means[["point_1", "box"]].tolist())


def test_the_same_call_again_reads_what_is_there(tmp_path: Path) -> None:
    first = bench.evaluate(*FEW, model="disk", prompt="point_1", results=tmp_path)
    parts = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    again = bench.evaluate(*FEW, model="disk", prompt="point_1", results=tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == parts
    pd.testing.assert_frame_equal(first.table, again.table)


def test_library_and_command_line_share_runs(tmp_path: Path) -> None:
    words = ["model=disk", "dataset=shapes", "prompt=[point_1]", *FEW]
    assert main(["run", *words, f"runtime.results={tmp_path}"]) == 0
    bench.evaluate(*FEW, model="disk", prompt="point_1", results=tmp_path)
    assert len(list((tmp_path / "runs").iterdir())) == 1
    rows = bench.read_runs("shapes-disk-*", results=tmp_path, columns=["iou"])
    assert list(rows.columns) == ["run", "image_id", "mask_id", "step", "iou"]
    assert rows["iou"].between(0, 1).all()


def test_several_models_make_a_sweep(tmp_path: Path) -> None:
    found = bench.evaluate(
        *FEW, model=["disk", "grabcut"], prompt="box", results=tmp_path / "odd, name", limit=1
    )
    assert sorted(found.table["model"]) == ["disk", "grabcut"]
    assert found.table["images"].tolist() == [1, 1]


def test_compare_is_paired(tmp_path: Path) -> None:
    bench.evaluate(*FEW, model=["disk", "grabcut"], prompt="box", results=tmp_path)
    with pytest.warns(DeprecationWarning, match="closed form"):
        found = bench.compare("shapes-grabcut-*", "shapes-disk-*", results=tmp_path, samples=200)
    rows = bench.read_runs(results=tmp_path, columns=["iou", "model"])
    means = rows.groupby("model")["iou"].mean()
    line = found.table.iloc[0]
    assert line["delta"] == pytest.approx(means["grabcut"] - means["disk"])
    assert line["low"] < line["delta"] < line["high"]
    assert pd.isna(line["p"]), "three images"


@pytest.mark.long
def test_a_report_of_an_evaluation_has_pictures(tmp_path: Path) -> None:
    found = bench.evaluate(*FEW, model="disk", prompt="point_1", results=tmp_path)
    report = found.report(tmp_path / "report")
    assert "data:image/webp" in report.page.read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"model": "no_such_model"}, "no_such_model"),
        ({"prompt": []}, "no prompt"),
        ({"limit": 0}, "runtime.limit"),
    ],
)
def test_a_mistake_is_one_line(arguments: dict[str, object], says: str, tmp_path: Path) -> None:
    with pytest.raises(bench.BenchError, match=says) as caught:
        bench.evaluate(**{"model": "disk", "results": tmp_path} | arguments)
    assert "\n" not in str(caught.value)


def test_an_unknown_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(bench.BenchError, match="nothing-here"):
        bench.read_runs("nothing-here", results=tmp_path)


def test_importing_the_package_imports_nothing_heavy() -> None:
    command = "import bench, sys; print(' '.join(sys.modules)); bench.evaluate"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert not {"pandas", "torch", "numpy"} & set(done.stdout.split())
    assert set(bench.__all__) <= set(dir(bench)) | set(bench._HOMES)
