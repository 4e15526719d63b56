"""A label is the component's own in every table, and tells it from all others."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from drawn_runs import DATASETS, LABELS, in_no_order

from bench.analysis.choices.ablate import ablation
from bench.analysis.comparing.comparison import compare_all
from bench.analysis.comparing.parity import parity
from bench.analysis.sections.noc import noc_section
from bench.analysis.sections.published import published_lines, section
from bench.analysis.sections.slices import slice_section
from bench.analysis.selection import select
from bench.analysis.table import miou_table, overall
from bench.cli import main
from bench.cli.commands.rescore import _table
from bench.config.labels import distinct
from bench.report.tables.paper_tables import paper_table
from bench.store.runs import read_runs
from bench.types import Measure

MINE = {"title": "Mine, tuned", "dataset_title": "Our data"}
TWENTY = {str(step): f"{step} points" for step in range(1, 21)}


@pytest.fixture
def clicked(bench, row):
    """A run of 20 clicks, and one with attributes, of a model and data with titles of their own."""
    rows = [
        row(image_id=f"i{mask}", mask_id=f"m{mask}", step=step, n_points=step, prompt="points",
            iou=min(1.0, step / (10 + mask)), attributes={"age": "old" if mask % 2 else "young"})
        for mask in range(6)
        for step in range(1, 21)
    ]  # fmt: skip
    return bench.run(prompt="points", rows=rows, report_steps=TWENTY, **MINE)


def test_every_table_of_a_report_has_the_titles(clicked):
    selection = select([clicked])
    (noc,) = noc_section(selection)
    assert noc.rows[0][:2] == ("Our data", "Mine, tuned")
    assert (noc.lines["dataset"][0], noc.lines["model"][0]) == ("shapes", "sam_b")
    sliced = slice_section(selection, "attribute:age", None)
    assert {(row[0], row[3]) for row in sliced.rows} == {("Our data", "Mine, tuned")}


def test_a_published_number_stands_beside_the_title(bench, row):
    rows = [
        dataclasses.replace(row(iou=0.5 + i / 100, image_id=f"{i}", mask_id=f"{i}"),
                            dataset="coco_val2017", model="sam_vit_h", protocol="efficient_sam")
        for i in range(9)
    ]  # fmt: skip
    store = bench.run("coco_val2017", "sam_vit_h", "point_1", protocol="efficient_sam", rows=rows,
                      **MINE)  # fmt: skip
    selection = select([store])
    found = published_lines(miou_table(selection).lines, selection)
    shown = section(found, {kind: selection.titles(kind) for kind in ("dataset", "model")})
    assert {(row[0], row[2]) for row in shown.rows} == {("Our data", "Mine, tuned")}
    assert set(shown.lines["model"]) == {"sam_vit_h"}


def test_the_papers_tables_show_titles_beside_their_numbers(bench, row):
    stores = []
    for model, title, dataset, name in (("z", "A", "x", "Y"), ("a", "Z", "x", "Y"),
                                        ("z", "A", "y", "X"), ("a", "Z", "y", "X")):  # fmt: skip
        rows = [
            row(model=model, dataset=dataset, mask_id=f"m{i}", attributes={"age": age},
                iou=ord(model) / 200 + ord(dataset) / 1000 + i / 100)
            for i, age in enumerate(("old", "young"))
        ]  # fmt: skip
        stores.append(
            bench.run(dataset, model, "point_1", rows=rows, title=title, dataset_title=name)
        )
    (table,) = paper_table("table2", select(stores), (), None)
    assert table.heads[:2] == ("dataset", "model")
    seen = set()
    for dataset, model, _, group, value, _ in table.rows:
        name, data = {"A": "z", "Z": "a"}[model], {"Y": "x", "X": "y"}[dataset]
        iou = ord(name) / 200 + ord(data) / 1000 + ["old", "young"].index(group) / 100
        assert value == f"{100 * iou:.1f}"
        seen.add((dataset, model, group))
    assert len(seen) == len(table.rows) == 8


def test_an_ablation_and_a_check_of_parity_show_titles(bench):
    a = bench.run("shapes", "m", "point_1", images=3, **MINE)
    b = bench.run("shapes", "m", "point_1", images=3, protocol="other", skill=2.0, **MINE)
    (found,) = ablation(a, b, {})
    assert found.title.startswith("Mine, tuned on Our data, 1 point: A sam ")
    same = parity([a], [a], "m")
    assert same.section.rows[0][:2] == ("Our data", "1 point")


@pytest.mark.long
def test_the_parity_of_several_models_compares_each_with_itself(bench, new_bench, tmp_path):
    stores = in_no_order(bench)
    other = new_bench(tmp_path / "other")
    same = in_no_order(other)
    found = parity(stores, same, "three models")
    assert found.verdict == "safe"
    assert (found.section.lines["changed"] == 0).all()
    assert found.section.heads[:3] == ("dataset", "model", "prompt")
    steps = {
        (DATASETS[s.header()["dataset"]["name"]], LABELS[s.header()["model"]["name"]], label): s
        for s in stores
        for label in s.header()["report_steps"].values()
    }
    assert {row[:3] for row in found.section.rows} == set(steps)
    for row in found.section.rows:
        rows = read_runs([steps[row[:3]]])
        label = row[2]
        step = {"box": 1, "1 point": 1}.get(label, int(label[0]) if label[0].isdigit() else 1)
        latest = rows[rows["step"] <= step].groupby("mask_id").last()
        assert row[3] == row[4] == f"{100 * latest['iou'].mean():.2f}"


def test_rescored_means_bear_the_titles():
    line = {"run": "r", "dataset": "d", "model": "m", "protocol": "sam", "prompt": "1 point",
            "metric": "dice", "masks": 3, "images": 2, "mean": 0.5, "low": 0.4,
            "high": 0.6, "few": False}  # fmt: skip
    means = pd.DataFrame([line, line | {"protocol": "sam2", "mean": 0.7}])
    titles = {"dataset": {"d": "Our data"}, "model": {"m": "Mine, tuned"}}
    table = _table(means, {"dice": Measure("dice", "dice", "Dice")}, titles)
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns["dataset"] == ["Our data"] * 2
    assert columns["model"] == ["Mine, tuned"] * 2
    assert columns["protocol"] == ["sam", "sam2"]
    assert columns["mean"] == ["50.0 (40.0–60.0)", "70.0 (40.0–60.0)"]
    marked = _table(means.assign(few=True), {"dice": Measure("dice", "dice", "Dice")}, titles)
    assert list(marked.columns[-1].cells) == ["50.0 (40.0–60.0)*", "70.0 (40.0–60.0)*"]


def test_a_comparison_says_titles_everywhere(bench):
    runs = [
        bench.run("shapes", model, "point_1", images=3, skill=skill, title=title,
                  dataset_title="Our data")
        for model, title, skill in (("z", "Mine, tuned", 2.0), ("a", None, 0.5))
    ]  # fmt: skip
    (found,) = compare_all([[run] for run in runs])
    assert (found.a, found.b) == ("Mine, tuned", "a")
    assert found.datasets == {"shapes": "Our data"}
    assert all("on Our data" in sentence for sentence in found.answer)


def test_runs_of_one_name_with_several_titles_go_by_name(bench):
    stores = [
        bench.run("shapes", "m", "point_1", images=2, title="First"),
        bench.run("leaves", "m", "point_1", images=2, title="Second"),
    ]
    assert select(stores).titles("model") == {"m": "m"}


def test_a_badge_is_that_of_all_runs(bench):
    stores = []
    for dataset, dtype in (("shapes", "bfloat16"), ("leaves", "float32")):
        store = bench.run(dataset, "m", "point_1", images=2, title="M")
        part = store.header()["model"] | {"args": {"dtype": dtype}}
        store.write_header(store.header() | {"model": part})
        stores.append(store)
    assert select(stores).titles("model") == {"m": "M [bfloat16; float32]"}
    assert select(stores[:1]).titles("model") == {"m": "M [bfloat16]"}


def test_a_title_that_is_anothers_name_does_not_make_two_alike(bench):
    stores = [
        bench.run("shapes", name, "point_1", images=2, title=title)
        for name, title in (("x", "Twin"), ("y", "Twin"), ("z", "x"))
    ]
    assert select(stores).titles("model") == {"x": "x", "y": "y", "z": "z"}
    assert distinct([("A",), ("A",)]) == ["A", "A"], "nothing else is left to say"


def test_two_measures_of_one_title_are_told_apart(bench, row):
    measures = {
        name: Measure(name, f"mean_{name}", "Boundary").plain()
        for name in ("boundary_iou", "boundary_f")
    }
    rows = [row(metrics={"boundary_iou": 0.3, "boundary_f": 0.6})]
    store = bench.run(prompt="point_1", rows=rows, metrics=measures)
    titles = [measure.title for measure in select([store]).further]
    assert len(set(titles)) == len(titles) == 2


def test_the_overall_line_is_found_wherever_it_stands():
    lines = pd.DataFrame({"dataset": [None, "a", "b"], "miou": [0.5, 0.4, 0.6]})
    for order in ([0, 1, 2], [1, 0, 2], [2, 1, 0]):
        assert overall(lines.iloc[order])["miou"] == 0.5
    assert overall(lines[lines["dataset"] == "b"])["miou"] == 0.6


def test_a_swept_dataset_is_read_by_its_own_reader(tmp_path, monkeypatch):
    """Two datasets of one name: each run's pictures come from the data that it saw."""
    from bench.cli import console

    seen = []

    def show_runs(request, out, as_json):
        seen.append(request)
        return 0

    monkeypatch.setattr(console, "show_runs", show_runs)
    words = ["run", "model=disk", "dataset=shapes", "dataset.args.count=2", "prompt=[point_1]",
             "dataset.args.seed=1,2", f"runtime.results={tmp_path}"]  # fmt: skip
    assert main(words) == 0
    (request,) = seen
    image = "shapes_00000"
    for store in request.stores:
        ids = read_runs([store])["image_id"].unique()
        image = str(ids[0])
    first, second = (request.read_sample(store, image).image for store in request.stores)
    assert not np.array_equal(first, second)
