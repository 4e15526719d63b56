"""A package outside the bench adds one of each thing, and each goes all the way to the page.

The package is ``tests/outside`` with YAMLs of its own: a reader, a model whose prompts are not
SAM's, a prompt with a cue of its own, a protocol, metrics, a task whose rows are no masks, and a
figure. No file of ``bench/`` is named here or there but public contracts.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import bench

pytestmark = pytest.mark.long

HERE = Path(__file__).parent
CONF = ["--config-dir", str(HERE / "outside" / "conf")]
OWN = ["dataset=beans", "protocol=pens", "runtime.allow_modules=[outside]"]
MASKS = ["model=pen", "prompt=[strokes]", "metrics=[boundary_iou,outside.metrics.AREA_RATIO]",
         "figure=outside.figure"]  # fmt: skip
COUNTS = ["task=count", "model=pen", "figure=outside.figure"]
TASKS = {"masks": MASKS, "counts": COUNTS}


def command(*words: str, dies_at: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, which may be killed on the way."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    if dies_at is not None:
        environment["OUTSIDE_DIES"] = str(dies_at)
    return subprocess.run(
        [sys.executable, "-m", "bench", *words],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def plain(results: Path) -> list[dict[str, object]]:
    rows = bench.read_runs(results=results)
    return rows.drop(columns="run").map(str).to_dict("records")


@pytest.fixture(scope="module", params=TASKS)
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, task: str) -> Path:
    """A finished run of each task, with its report."""
    results = tmp_path_factory.mktemp(task) / "results"
    words = [*OWN, *TASKS[task], f"runtime.results={results}"]
    done = command("run", *CONF, *words, "--report", "own")
    assert done.returncode == 0, done.stderr
    return results


def test_a_run_killed_in_the_middle_goes_on_where_it_was(
    task: str, results: Path, tmp_path: Path
) -> None:
    deadly = tmp_path / "deadly"
    deadly.write_text("bean_04")
    words = [*OWN, *TASKS[task], f"runtime.results={tmp_path / 'results'}", "runtime.workers=1",
             "runtime.part_images=1"]  # fmt: skip
    killed = command("run", *CONF, *words, dies_at=deadly)
    assert killed.returncode == -9
    again = command("run", *CONF, *words, dies_at=deadly)
    assert again.returncode == 0, again.stderr
    assert plain(tmp_path / "results") == plain(results)
    third = command("run", *CONF, *words, dies_at=deadly)
    assert third.returncode == 0
    assert "images," not in third.stderr, "nothing is left to do"


def test_two_processes_one_of_which_dies_give_the_same_rows(
    task: str, results: Path, tmp_path: Path
) -> None:
    deadly = tmp_path / "deadly"
    deadly.write_text("bean_03")
    words = [*OWN, *TASKS[task], f"runtime.results={tmp_path / 'results'}",
             "runtime.devices=[cpu,cpu]"]  # fmt: skip
    done = command("run", *CONF, *words, dies_at=deadly)
    assert done.returncode == 0, done.stderr
    assert not deadly.exists()
    assert plain(tmp_path / "results") == plain(results)


def test_rows_hold_what_was_declared(task: str, results: Path) -> None:
    rows = bench.read_runs(results=results)
    if task == "counts":
        assert len(rows) == 6
        assert (rows["off"] == (rows["guess"] - rows["truth"]).abs()).all()
        assert rows["truth"].tolist() == [1, 2, 3, 4, 1, 2]
        return
    assert len(rows) == 2 * (1 + 2 + 3 + 4 + 1 + 2)
    assert rows.loc[rows["step"] == 1, "ious"].map(len).eq(1).all()
    assert rows.loc[rows["step"] == 2, "ious"].map(len).eq(3).all()
    assert rows["area_ratio"].between(0.1, 2).all()
    first, second = (json.loads(text) for text in rows.loc[:1, "cues"])
    assert [cue["kind"] for cue in first] == ["strokes"]
    assert len(first[0]["plain"]) == 1
    assert len(second[0]["plain"]) == 2


def test_every_table_shows_it(task: str, results: Path) -> None:
    report = results / "reports" / "own"
    lines = pd.read_csv(report / "table.csv")
    rows = bench.read_runs(results=results)
    texts = [(report / name).read_text() for name in ("table.md", "table.tex", "index.html")]
    if task == "counts":
        assert lines["mean_off"].tolist() == [rows["off"].mean()]
        shown = ["count error", f"{rows['off'].mean():.2f}", "a look", "18 beans in all"]
        shown[3] = "13 beans in all"
    else:
        last = rows.groupby("step")["area_ratio"].mean()
        assert lines["mean_area_ratio"].tolist() == pytest.approx(last.tolist())
        assert lines["prompt"].tolist() == ["1 stroke", "2 strokes"]
        shown = ["area ratio", f"{last[2]:.3f}", "2 strokes", "Predicted pixels by target pixels"]
    for text in texts:
        for words in ("Beans", "Pen", *shown):
            assert words in text
    assert (report / "figures" / "ranked.svg").is_file()
    assert 'id="masks-data"' in texts[2] or task == "counts"


def test_the_page_draws_each_stroke(task: str, results: Path) -> None:
    if task == "counts":
        pytest.skip("its rows are no masks")
    page = (results / "reports" / "own" / "index.html").read_text()
    data = json.loads(re.search(r'id="masks-data">(.*?)</script>', page, re.DOTALL)[1])
    pictures = data["pictures"].values()
    assert len(pictures) == 13
    for picture in pictures:
        (steps,) = picture["runs"].values()
        assert [len(step["lines"]) for step in steps] == [1, 2]
        assert all("area ratio" in step["further"] for step in steps)
        assert all(step["outline"] for step in steps)


def test_a_report_and_a_comparison_later(task: str, results: Path) -> None:
    wider = ["model.name=wider", "model.args.width=13", f"runtime.results={results}"]
    done = command("run", *CONF, *OWN, *TASKS[task], *wider)
    assert done.returncode == 0, done.stderr
    where = ["--results", str(results), "--allow-module", "outside"]
    report = command("report", "*", "--name", "both", "--figure", "outside.figure", *where)
    assert report.returncode == 0, report.stderr
    assert "wider" in (results / "reports" / "both" / "table.md").read_text()
    pen, other = (f"beans-{model}-*" for model in ("pen", "wider"))
    compared = command("compare", pen, other, "--name", "pens", *where)
    assert compared.returncode == 0, compared.stderr
    folder = results / "reports" / "pens"
    rows = bench.read_runs(results=results)
    table = pd.read_csv(folder / "comparison.csv")
    value, mean = ("off", "mean_off") if task == "counts" else ("iou", "miou")
    last = rows[rows["step"] == rows["step"].max()].groupby("model")[value].mean()
    line = table.iloc[-1]
    assert line[f"{mean}_a"] == pytest.approx(last["pen"])
    assert line["delta"] == pytest.approx(last["pen"] - last["wider"])
    if task == "masks":
        further = pd.read_csv(folder / "measures.csv").set_index("measure")
        assert set(further.index) == {"boundary_iou", "area_ratio"}
        assert "area ratio" in (folder / "index.html").read_text()


def test_a_metric_is_added_later_and_stands_in_the_next_report(task: str, results: Path) -> None:
    words = ["--results", str(results), "--allow-module", "outside"]
    done = command("rescore", "beans-pen-*", "--metric", "outside.metrics.WIDTH_OFF", *words)
    if task == "counts":
        assert done.returncode == 2
        assert "rows of count hold no masks" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        return
    assert done.returncode == 0, done.stderr
    report = command("report", "beans-pen-*", "--name", "later", *words)
    assert report.returncode == 0, report.stderr
    table = (results / "reports" / "later" / "table.md").read_text()
    assert "width off" in table
    assert "by how many pixels the box is too wide" in table.lower()
    rows = bench.read_runs("beans-pen-*", results=results)
    lines = pd.read_csv(results / "reports" / "later" / "table.csv").set_index("prompt")
    means = rows.groupby("step")["width_off"].mean()
    assert lines["mean_width_off"].tolist() == pytest.approx(means.tolist())


def test_modules_that_nobody_allowed_are_refused(tmp_path: Path, task: str) -> None:
    words = [*OWN[:2], *TASKS[task], f"runtime.results={tmp_path}"]
    done = command("run", *CONF, *words)
    assert done.returncode == 2
    assert "allow" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_metrics_of_rows_that_are_no_masks_are_refused(tmp_path: Path) -> None:
    words = [*OWN, *COUNTS, f"runtime.results={tmp_path / 'results'}"]
    done = command("run", *CONF, *words, "metrics=[dice]")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "metrics=[dice]: the rows of the task count are no masks; leave metrics out" in line
    assert not (tmp_path / "results").exists()


def test_nothing_of_it_is_named_in_the_bench() -> None:
    root = Path(bench.__file__).parent
    for path in (*root.rglob("*.py"), *(root.parent / "conf").rglob("*.yaml")):
        named = r"outside\.(reader|model|prompt|task|metrics|figure)\b|StrokesCue|\bBeans\b"
        assert not re.search(named, path.read_text()), path
    contracts = {"bench.types", "bench.types.rows", "bench.types.stopwatch", "bench.protocol",
                 "bench.scoring.metrics", "bench.tasks.contract", "bench.config.component",
                 "bench.config.composing", "bench.config.run_key", "bench.models.loading",
                 "bench.report.figures.figures"}  # fmt: skip
    for path in (HERE / "outside").glob("*.py"):
        named = set(re.findall(r"^from (bench[\w.]*) import", path.read_text(), re.MULTILINE))
        assert named <= contracts, path
