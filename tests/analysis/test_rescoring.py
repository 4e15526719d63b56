from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from finished import change_annotations, disk_run, one_line
from pycocotools import mask as coco_mask

import bench
from bench.analysis.rescoring import metric_means, rescore
from bench.analysis.selection import select
from bench.analysis.stats.intervals import clustered_interval
from bench.analysis.table import miou_table
from bench.cli import main
from bench.data.opening import samples_of_runs
from bench.store.added_metrics import added_names
from bench.store.runs import RunStore, read_runs
from bench.types import BenchError, Sample


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=3, masks=2)


def dense(rle: str, row: pd.Series) -> np.ndarray:
    return coco_mask.decode({"size": [row["height"], row["width"]], "counts": rle}).astype(bool)


def test_metrics_equal_plain_pixel_counts_and_the_stored_boundary_iou(folder: Path) -> None:
    store = disk_run(folder, "point_3")
    read = samples_of_runs(Path("datasets"))
    found = rescore(store, ["dice", "precision", "recall", "boundary_iou"], read)
    rows = read_runs([store])
    assert len(found) == len(rows) == 18
    assert found["boundary_iou"].tolist() == rows["boundary_iou"].tolist()
    for index, row in rows.iterrows():
        targets = {t.mask_id: t.mask.dense() for t in read(store, row["image_id"]).targets}
        predicted, target = dense(row["mask_rle"], row), targets[row["mask_id"]]
        shared = (predicted & target).sum()
        assert found["dice"][index] == 2 * shared / (predicted.sum() + target.sum())
        assert found["precision"][index] == (shared / predicted.sum() if predicted.any() else 0)
        assert found["recall"][index] == shared / target.sum()


def test_pixels_that_are_ignored_beside_all_masks_change_nothing(folder: Path) -> None:
    store = disk_run(folder, "point_1")
    read = samples_of_runs(Path("datasets"))
    rows = read_runs([store])
    drawn = {
        image: np.logical_or.reduce([dense(row["mask_rle"], row) for _, row in own.iterrows()])
        for image, own in rows.groupby("image_id")
    }

    def beside(run: RunStore, image_id: str) -> Sample:
        sample = read(run, image_id)
        truth = np.logical_or.reduce([target.mask.dense() for target in sample.targets])
        return replace(sample, ignore=~(truth | drawn[image_id]))

    assert rescore(store, ["recall"], beside).equals(rescore(store, ["recall"], read))


def test_the_metric_joins_the_rows_and_the_rows_stay_as_they_are(folder: Path) -> None:
    store = disk_run(folder, "point_3")
    before = {path: path.read_bytes() for path in store.parts()}
    rescore(store, ["dice"], samples_of_runs(Path("datasets")))
    assert added_names(store.folder) == ["dice"]
    rows = bench.read_runs(store.folder, columns=["iou", "dice"])
    assert rows.equals(bench.read_runs(store.folder)[rows.columns])
    assert rows["dice"].to_numpy() == pytest.approx(2 * rows["iou"] / (1 + rows["iou"]))
    assert {path: path.read_bytes() for path in store.parts()} == before
    means = metric_means([store], ["dice"])
    last = rows[rows["step"] == 3]
    assert means["mean"].tolist() == [pytest.approx(last["dice"].mean())]
    assert (means["masks"].item(), means["images"].item()) == (6, 3)
    plain = clustered_interval(last["dice"], last["image_id"])
    assert (means["low"].item(), means["high"].item()) == pytest.approx((plain.low, plain.high))


def test_a_metric_of_another_run_is_not_taken_for_this_ones(folder: Path) -> None:
    read = samples_of_runs(Path("datasets"))
    stores = [disk_run(folder, "point_1"), disk_run(folder, "box")]
    for store in stores:
        rescore(store, ["dice"], read)
    theirs, ours = (store.folder / "metrics" / "dice.parquet" for store in stores)
    ours.write_bytes(theirs.read_bytes())
    key, other = (store.header()["key"] for store in reversed(stores))
    with pytest.raises(BenchError, match=f"the metric of run {other}, this is run {key}"):
        read_runs([stores[1]])
    with pytest.raises(BenchError, match=f"the metric of run {other}"):
        select([stores[1]])
    ours.unlink()
    rescore(stores[1], ["dice"], read)
    assert read_runs([stores[1]])["dice"].notna().sum() == 6


def test_a_metric_older_than_rows_is_noticed(folder: Path) -> None:
    store = disk_run(folder, "point_1", "runtime.limit=2")
    rescore(store, ["dice"], samples_of_runs(Path("datasets")))
    disk_run(folder, "point_1")
    rows = read_runs([RunStore(store.folder)])
    assert rows["dice"].notna().tolist() == [True] * 4 + [False] * 2
    assert RunStore(store.folder).unmeasured("dice") == {rows["image_id"].iloc[-1]}
    table = miou_table(select([RunStore(store.folder)]))
    assert table.lines["dice"].isna().all()
    assert f"Dice is known of 4 of 6 rows; `sam-bench rescore {store.folder}" in table.caption


def test_the_command_prints_the_table_with_intervals(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk_run(folder, "point_1")
    capsys.readouterr()
    words = ["rescore", "*-point_1-*", "--results", str(folder.parent / "results")]
    assert main([*words, "--metric", "dice", "--metric", "recall"]) == 0
    out = capsys.readouterr().out
    for expected in ("blobs", "1 point", "dice", "recall", "–", "95 %"):
        assert expected in out


def move_a_mask(document: dict) -> None:
    first, second = document["annotations"][:2]
    first["segmentation"], second["segmentation"] = second["segmentation"], first["segmentation"]


def drop_a_mask(document: dict) -> None:
    del document["annotations"][3]


@pytest.mark.parametrize(
    ("change", "says"), [(move_a_mask, "against the data as read now"), (drop_a_mask, "no longer")]
)
def test_other_data_is_refused_and_nothing_is_written(
    folder: Path, change: Callable, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = disk_run(folder, "point_1")
    change_annotations(folder, change)
    capsys.readouterr()
    assert main(["rescore", str(store.folder), "--metric", "dice"]) == 2
    assert says in one_line(capsys.readouterr().err)
    assert not (store.folder / "metrics").exists()


@pytest.mark.parametrize(
    ("words", "metric", "says"),
    [
        (["runtime.keep_masks=false"], "dice", "keep_masks"),
        (["runtime.limit=1"], "dice", "unfinished run"),
        ([], "no_such", "unknown metric 'no_such'; there are "),
    ],
)
def test_what_cannot_be_rescored_is_one_line(
    folder: Path, words: list[str], metric: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = disk_run(folder, "point_1", *words)
    capsys.readouterr()
    assert main(["rescore", str(store.folder), "--metric", metric]) == 2
    assert says in one_line(capsys.readouterr().err)
    assert not (store.folder / "metrics").exists()


OWN = """\
from bench.scoring.metrics import Metric
from bench.types.measure import Measure


def wider(prediction, target):
    return None if prediction.box is None or target.box[0] < 12 else float(prediction.area)


AREA = Metric(Measure("found_area", "found_area", "area", unit="pixels", digits=2), wider)
NEVER = Metric(Measure("never_there", "never_there", "never"), lambda prediction, target: None)
STEP = Metric(Measure("step", "step", "step"), wider)
AGAIN = Metric(Measure("found_area", "found_area", "area"), wider)
FIRST = Metric(Measure("first", "boundary", "first"), wider)
OTHER = Metric(Measure("other", "boundary", "other"), wider)
"""


@pytest.fixture
def own(own_module: Callable[[str, str], str]) -> str:
    return own_module("rescored_areas", OWN)


def test_a_users_own_metric_is_null_where_it_does_not_apply(
    folder: Path, own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = disk_run(folder, "point_3")
    capsys.readouterr()
    words = ["rescore", str(store.folder), "--allow-module", own, "--metric", f"{own}.AREA"]
    assert main([*words, "--metric", f"{own}.NEVER", "--metric", "nsd_3"]) == 0
    out = capsys.readouterr().out
    assert added_names(store.folder) == ["found_area", "never_there", "nsd_3"]
    rows = read_runs([store], ["mask_rle", "height", "width", "found_area"])
    read = samples_of_runs(Path("datasets"))
    expected = []
    for _, row in rows.iterrows():
        target = {t.mask_id: t.mask for t in read(store, row["image_id"]).targets}[row["mask_id"]]
        area = float(dense(row["mask_rle"], row).sum())
        expected.append(area if area and target.box[0] >= 12 else np.nan)
    np.testing.assert_array_equal(rows["found_area"], expected)
    known = rows[(rows["step"] == 3) & rows["found_area"].notna()]
    assert 0 < len(known) < 6
    means = metric_means([store], ["found_area", "never_there"]).set_index("metric")
    assert means["mean"]["found_area"] == pytest.approx(known["found_area"].mean())
    assert means["masks"].to_dict() == {"found_area": len(known), "never_there": 0}
    assert pd.isna(means["mean"]["never_there"])
    shown = f"{known['found_area'].mean():,.2f}"
    assert shown in out
    caption = miou_table(select([store])).caption
    assert "rescore" not in caption, "it is known of every mask that it applies to"
    results = folder.parent / "results"
    assert main(["report", str(store.folder), "--name", "r", "--results", str(results)]) == 0
    report = results / "reports" / "r"
    for name in ("table.md", "table.tex", "index.html"):
        text = (report / name).read_text()
        assert f"{shown} ({len(known)})" in text
        assert ": left out, as none of the masks has a value" in text
        assert "– (0)" not in text.replace("--", "–")
    (line,) = pd.read_csv(report / "table.csv").to_dict("records")
    assert line["found_area"] == pytest.approx(known["found_area"].mean())
    assert (line["found_area_masks"], line["never_there_masks"]) == (len(known), 0)


@pytest.mark.parametrize(
    ("metrics", "says"),
    [
        (["STEP"], "has the column 'step', which is another's already"),
        (["AREA", "AGAIN"], "has the column 'found_area', which is another's already"),
        (["OTHER"], "has the name of its mean 'boundary', which is another's already"),
    ],
)
def test_a_column_that_is_taken_is_refused(
    folder: Path, own: str, metrics: list[str], says: str
) -> None:
    store = disk_run(folder, "point_1", f"metrics=[{own}.FIRST]", f"runtime.allow_modules=[{own}]")
    named = [f"{own}.{each}" for each in metrics]
    with pytest.raises(BenchError, match=says):
        rescore(store, named, samples_of_runs(Path("datasets")), allow_modules=[own])
    assert not (store.folder / "metrics").exists()


def test_a_damaged_file_of_a_metric_is_named(folder: Path) -> None:
    store = disk_run(folder, "point_1")
    rescore(store, ["dice"], samples_of_runs(Path("datasets")))
    path = store.folder / "metrics" / "dice.parquet"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(BenchError, match=r"dice\.parquet: damaged"):
        read_runs([RunStore(store.folder)])
    assert len(read_runs([RunStore(store.folder)], ["iou"])) == 6


@pytest.mark.long
def test_no_torch_is_loaded(folder: Path) -> None:
    store = disk_run(folder, "point_1")
    program = (
        "import sys; from bench.cli import main; "
        f"code = main(['rescore', {str(store.folder)!r}, '--metric', 'dice']); "
        "print('torch' in sys.modules, code)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["False", "0"]
    assert added_names(store.folder) == ["dice"]


def test_the_iou_is_not_added_to_rows_that_have_it(folder: Path) -> None:
    store = disk_run(folder, "point_1")
    with pytest.raises(BenchError, match="in the rows of every run with masks already"):
        rescore(store, ["iou"], samples_of_runs(Path("datasets")))
    assert not (store.folder / "metrics").exists()
