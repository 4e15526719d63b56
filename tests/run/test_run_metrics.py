"""Metrics that a run is asked for: a column each, everywhere, without a say in its identity."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from whole_runs import configure, execute, rows_of

from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.cli import main
from bench.data.opening import samples_of_runs
from bench.run.plan import make_plan
from bench.scoring.metrics import metric, names
from bench.types import BenchError, Mask

EVERY = f"metrics=[{','.join([*names(), 'nsd_5', 'solved_80', 'solved_90'])}]"


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=5, masks=2)


def test_every_metric_of_the_shelf_is_a_column_and_equals_that_of_the_stored_mask(
    folder: Path,
) -> None:
    plan = execute(configure(folder, "prompt=[point_3,box]", EVERY))
    rows = rows_of(plan)
    stores = [run.store for run in plan.work.runs.values()]
    read = samples_of_runs(Path("datasets"))
    targets = {
        target.mask_id: target.mask
        for image_id in plan.work.ids
        for target in read(stores[0], image_id).targets
    }
    wanted = [*names(), "nsd_5", "solved_80", "solved_90"]
    assert set(wanted) <= set(rows.columns)
    for row in rows.to_dict("records"):
        mask = Mask.from_rle({"size": [row["height"], row["width"]], "counts": row["mask_rle"]})
        for name in wanted:
            value = metric(name).of(mask, targets[row["mask_id"]])
            assert pd.isna(row[name]) if value is None else row[name] == value, name


def test_metrics_stand_in_every_table_and_are_means_of_their_column(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    words = ["dataset=coco", f"dataset.args.annotations={folder}/annotations.json",
             f"dataset.args.images={folder}/images", "model=disk", "prompt=[box,point_1]",
             "metrics=[dice,solved_85,boundary_iou]", f"runtime.results={results}"]  # fmt: skip
    assert main(["run", *words, "--report", "r"]) == 0
    (store,) = (results / "runs").glob("*-box-*")
    import bench

    rows = bench.read_runs(str(store))
    report = results / "reports" / "r"
    lines = pd.read_csv(report / "table.csv").set_index("prompt").loc["box"]
    shown = {"Dice": rows["dice"].mean(), "solved@85": rows["solved_85"].mean()}
    assert lines["dice"] == pytest.approx(shown["Dice"])
    texts = [(report / n).read_text() for n in ("table.md", "table.tex", "index.html")]
    for text in (*texts, capsys.readouterr().out):
        for title, value in shown.items():
            assert title in text
            assert f"{100 * value:.1f}" in text
    written = json.loads((report / "report.json").read_text())["lines"]
    assert {line["solved_85"] for line in written} >= {shown["solved@85"]}


def test_metrics_change_no_key_and_a_run_goes_on_with_others(folder: Path) -> None:
    first = execute(configure(folder, "prompt=[box]", "metrics=[dice]", "runtime.limit=2"))
    second = execute(configure(folder, "prompt=[box]", "metrics=[boundary_iou]"))
    store = second.work.runs["box"].store
    assert first.work.runs["box"].key == second.work.runs["box"].key
    assert set(store.header()["metrics"]) == {"dice", "boundary_iou"}
    rows = rows_of(second)
    assert rows["dice"].notna().sum() == 4
    assert rows["boundary_iou"].notna().sum() == 6
    table = miou_table(select([store]), samples=50)
    assert table.lines[["dice", "boundary_iou"]].isna().all(axis=None)
    assert "Dice is known of 4 of 10 rows" in table.caption
    assert main(["rescore", str(store.folder), "--metric", "dice"]) == 0
    table = miou_table(select([store]), samples=50)
    assert table.lines["dice"].notna().all()
    assert "Dice is known of" not in table.caption


def test_a_finished_run_says_what_it_lacks(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    execute(configure(folder, "prompt=[box]"))
    make_plan(configure(folder, "prompt=[box]", "metrics=[boundary_iou,dice]"))
    assert "holds no dice: `sam-bench rescore" in caplog.text
    assert "boundary_iou" not in caplog.text


def test_another_version_of_a_metric_is_not_mixed_in(folder: Path) -> None:
    plan = execute(configure(folder, "prompt=[box]", "metrics=[dice]", "runtime.limit=2"))
    store = plan.work.runs["box"].store
    header = store.header()
    header["metrics"]["dice"]["version"] = "0"
    store.write_header(header)
    with pytest.raises(BenchError, match=r"hold dice version 0.*rescore"):
        make_plan(configure(folder, "prompt=[box]", "metrics=[dice]"))
    make_plan(configure(folder, "prompt=[box]", "metrics=[boundary_iou]"))


def test_a_metric_that_there_is_not_is_refused_before_anything_runs(folder: Path) -> None:
    with pytest.raises(BenchError, match="did you mean dice"):
        make_plan(configure(folder, "prompt=[box]", "metrics=[dise]"))
    assert not (folder.parent / "results").exists()
