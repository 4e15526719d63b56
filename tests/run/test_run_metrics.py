"""Metrics that a run is asked for: a column each, everywhere, without a say in its identity."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from finished import dataset_words, one_line
from whole_runs import configure, execute, rows_of

from bench.analysis.comparing.comparison import compare
from bench.analysis.rescoring import rescore
from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.cli import main
from bench.config.composing import RunConfig, load_configs
from bench.data.opening import samples_of_runs
from bench.run.plan import make_plan
from bench.scoring.metrics import metric, names
from bench.store.runs import read_runs
from bench.store.schema import taken_columns
from bench.tasks.prompted_masks import PromptedMasks
from bench.types import BenchError, Mask, MaskRow

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
    table = miou_table(select([store]))
    assert table.lines[["dice", "boundary_iou"]].isna().all(axis=None)
    assert "Dice is known of 4 of 10 rows" in table.caption
    assert main(["rescore", str(store.folder), "--metric", "dice"]) == 0
    table = miou_table(select([store]))
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
    with pytest.raises(BenchError, match=r"hold dice version 0.*not dice version 1.*rescore"):
        make_plan(configure(folder, "prompt=[box]", "metrics=[dice]"))
    make_plan(configure(folder, "prompt=[box]", "metrics=[boundary_iou]"))


OWN = """\
from bench.scoring.metrics import Metric
from bench.types.measure import Measure


def made(value, name="own", mean="own", **said):
    measure = Measure(name, mean, name, "plain", definition="What.", **said)
    return Metric(measure, lambda prediction, target: value)


ONE, TWO, STEP, MASKS = made(1.0), made(2.0), made(1.0, "step"), made(1.0, "b", "masks")
LATE = Metric(Measure("late", "late", "late"), lambda mask, target: 1 / (mask.area == 24 * 28))
MIOU, MEAN = made(1.0, "miou_low"), made(1.0, "further")
"""


@pytest.fixture
def own(own_module: Callable[[str, str], str]) -> str:
    return own_module("run_sizes", OWN)


def with_own(folder: Path, own: str, name: str, *words: str) -> RunConfig:
    allowed = f"runtime.allow_modules=[{own}]"
    return configure(folder, "prompt=[box]", f"metrics=[{own}.{name}]", allowed, *words)


def test_two_metrics_of_a_column_are_not_mixed_in_a_run(
    folder: Path, own: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = execute(with_own(folder, own, "ONE", "runtime.limit=2")).work.runs["box"].store
    said = r"hold run_sizes\.ONE version 1 under the name own, not run_sizes\."
    with pytest.raises(BenchError, match=f"{said}MEAN version 1"):
        make_plan(with_own(folder, own, "MEAN"))
    with pytest.raises(BenchError, match=f"{said}TWO version 1") as caught:
        make_plan(with_own(folder, own, "TWO"))
    advised = f"rescore {store.folder} --metric run_sizes.TWO --allow-module run_sizes` adds it"
    assert advised in str(caught.value)
    execute(with_own(folder, own, "ONE"))
    assert rows_of(make_plan(with_own(folder, own, "ONE")))["own"].tolist() == [1.0] * 10
    make_plan(with_own(folder, own, "TWO"))
    assert "is finished and holds no run_sizes.TWO version 1" in caplog.text


def test_the_header_of_an_earlier_release_names_no_address_and_is_no_other_metric(
    folder: Path, own: str
) -> None:
    store = execute(with_own(folder, own, "ONE", "runtime.limit=2")).work.runs["box"].store
    header = store.header()
    del header["metrics"]["own"]["address"]
    store.write_header(header)
    make_plan(with_own(folder, own, "ONE"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("STEP", "has the column 'step', which is another's already"),
        ("MASKS", "has the name of its mean 'masks', which is another's already"),
        ("MIOU", "has the column 'miou_low', which is another's already"),
    ],
)
def test_a_name_that_rows_or_tables_have_is_refused_before_anything_runs(
    folder: Path, own: str, name: str, says: str
) -> None:
    with pytest.raises(BenchError, match=says):
        make_plan(with_own(folder, own, name))
    assert not (folder.parent / "results").exists()


def test_what_a_metric_raises_in_the_middle_of_a_run_is_one_line(
    folder: Path, own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["model=disk", "prompt=[box]", *dataset_words(folder), f"metrics=[{own}.LATE]"]
    assert main(["run", *words, f"runtime.allow_modules=[{own}]"]) == 2
    said = one_line(capsys.readouterr().err)
    assert re.search(
        r"metric run_sizes\.LATE version 1: ZeroDivisionError: .*\.py, line 11\)$", said
    )


def test_what_a_metric_raises_when_it_is_added_later_is_said_of_the_metric(
    folder: Path, own: str
) -> None:
    store = execute(configure(folder, "prompt=[box]")).work.runs["box"].store
    with pytest.raises(BenchError, match=r"^metric run_sizes\.LATE version 1: Zero.*line 11\)$"):
        rescore(store, [f"{own}.LATE"], samples_of_runs(Path("datasets")), allow_modules=[own])


@pytest.mark.parametrize("title", ["Masks", "over images", "Model"])
def test_no_metric_is_called_as_another_column_is(
    folder: Path, own: str, title: str, tmp_path: Path
) -> None:
    (tmp_path / "run_sizes.py").write_text(
        OWN.replace('"late", "late", "late"', f'"l", "l", "{title}"')
    )
    with pytest.raises(BenchError, match=f"has the title '{title.lower()}', which is another's"):
        make_plan(with_own(folder, own, "LATE"))


def test_a_run_without_masks_is_not_sent_to_rescore(
    folder: Path, own: str, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["prompt=[box]", "runtime.keep_masks=false"]
    execute(configure(folder, *words, "metrics=[nsd_2]", "runtime.limit=2"))
    store = execute(configure(folder, *words)).work.runs["box"].store
    make_plan(configure(folder, *words, "metrics=[dice]"))
    caption = miou_table(select([store])).caption
    assert "NSD@2 is known of 4 of 10 rows" in caption
    for text in (caption, caplog.text):
        assert "rescore" not in text
        assert "its masks are not kept (runtime.keep_masks=false)" in text


def test_a_finished_run_without_candidates_says_where_they_are_kept(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["prompt=[box]", "runtime.keep_candidates=true"]
    execute(configure(folder, "prompt=[box]", "runtime.limit=2"))
    for overrides in (words, [*words, "runtime.limit=2"]):
        caplog.clear()
        make_plan(configure(folder, *overrides))
        assert "what is done already keeps the chosen masks alone" in caplog.text
    caplog.clear()
    store = execute(configure(folder, *words, results="again")).work.runs["box"].store
    make_plan(configure(folder, *words, results="again"))
    assert not caplog.text
    assert store.keeps_candidates()
    rows = read_runs([store], ["candidate_rles", "mask_rle"])
    assert [list(each) for each in rows["candidate_rles"]] == [[rle] for rle in rows["mask_rle"]]


@pytest.mark.parametrize(("task", "says"), [("proposals", True), ("prompted_masks", False)])
def test_a_task_without_candidates_says_so(
    task: str, says: bool, caplog: pytest.LogCaptureFixture
) -> None:
    words = [f"task={task}", "model=demo", "dataset=shapes", "prompt=[box]"]
    make_plan(load_configs([*words, "runtime.keep_candidates=true"])[0])
    said = f"runtime.keep_candidates=true does nothing: task {task} has no candidates"
    assert (said in caplog.text) == says


def test_candidates_without_masks_are_refused(folder: Path) -> None:
    with pytest.raises(BenchError, match="keep_masks=false keeps none: leave out one of them"):
        configure(folder, "runtime.keep_candidates=true", "runtime.keep_masks=false")


def test_a_metric_that_there_is_not_is_refused_before_anything_runs(folder: Path) -> None:
    with pytest.raises(BenchError, match="did you mean dice"):
        make_plan(configure(folder, "prompt=[box]", "metrics=[dise]"))
    assert not (folder.parent / "results").exists()


def test_columns_of_reports_are_taken(folder: Path) -> None:
    """No column that a selection, a table or a comparison makes can be a metric's."""
    runs = [
        execute(configure(folder, "prompt=[box]", results=name)).work.runs["box"].store
        for name in ("one", "two")
    ]
    found = compare(runs[:1], runs[1:])
    table = miou_table(select(runs[:1]))
    taken = taken_columns(MaskRow, PromptedMasks.measures)
    boundary = {"boundary_iou", "boundary_iou_masks"}
    assert set(select(runs[:1]).rows.columns) - boundary <= taken
    assert set(table.lines.columns) - boundary <= taken
    sides = {"miou_a", "miou_b"}
    assert set(found.table.columns) - sides <= taken
