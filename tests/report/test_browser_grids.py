"""The pages of edges and of proposals in a browser: every number and point is that of its rows.

Without Chromium these tests are skipped, or fail where ``BENCH_BROWSER=required`` (as in CI).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.cli import main
from bench.store.runs import find_runs, read_runs
from bench.types.rows.proposals import GROUPS

# A browser's start and whole runs; other tests look at the sections without one.
pytestmark = pytest.mark.long

PAGE = """
const section = document.getElementById(arguments[0]);
const text = (cell) => cell.textContent.trim().replace(/\\s+/g, ' ');
return {
  title: document.querySelector('h1').textContent,
  heads: [...section.querySelectorAll('thead th')].map(text),
  rows: [...section.querySelectorAll('tbody tr')].map((row) => [...row.cells].map(text)),
};
"""

CURVES = """
const drawing = document.querySelector('[aria-labelledby^="edges-title"] svg');
const paths = (part) => [...drawing.querySelectorAll(`g[id*="${part}"] > path`)];
return {
  frame: drawing.querySelector('g[id$="patch_2"] > path').getAttribute('d'),
  lines: paths('line2d').map((path) => path.getAttribute('d')),
};
"""


def numbers(path: str) -> np.ndarray:
    """The places (N, 2) that a path goes through."""
    return np.array(re.findall(r"-?[\d.]+(?:e-?\d+)?", path), float).reshape(-1, 2)


def shown(value: float) -> str:
    return f"{100 * value:.1f}"


def first(cell: str) -> str:
    """A number without its interval."""
    return cell.split(" ")[0]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grids") / "results"
    size = "dataset.args={count: 4, objects: 3, sizes: [[48, 64], [40, 72]]}"
    words = ["dataset=shapes", size, f"runtime.results={folder}", "runtime.device=cpu"]
    for name in ("sobel", "canny"):
        made = ["run", "task=edge_maps", f"task.args.filter={name}", "task.args.levels=9"]
        assert main([*made, *words]) == 0
    assert main(["report", "*-edges-*", "--results", str(folder), "--name", "edges"]) == 0
    asked = ["task=proposals", "task.args.points_per_side=5", "model=disk"]
    assert main(["run", *asked, *words, "--report", "proposals"]) == 0
    return folder


def summed(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision of all pictures together, at each threshold."""
    columns = ("matched", "predicted", "recalled", "truth")
    sums = {name: sum(np.array(each, float) for each in rows[name]) for name in columns}
    precision = sums["matched"] / np.maximum(sums["predicted"], 1)
    recall = sums["recalled"] / np.maximum(sums["truth"], 1)
    there = sums["predicted"] > 0
    return recall[there], precision[there]


def test_the_page_of_edges_shows_what_its_rows_say(chromium, results: Path) -> None:
    chromium.get((results / "reports" / "edges" / "index.html").as_uri())
    page = chromium.execute_script(PAGE, "edges")
    assert page["title"] == "Edge detection on Shapes"
    rows = read_runs(find_runs(results, ["*-edges-*"]))
    by_model = dict(iter(rows.groupby("model")))
    assert len(page["rows"]) == len(by_model) == 2
    for row in page["rows"]:
        cells = dict(zip(page["heads"], row, strict=True))
        of_model = by_model[cells["model"]]
        recall, precision = summed(of_model)
        score = 2 * recall * precision / np.maximum(recall + precision, 1e-12)
        assert float(first(cells["ODS"])) >= float(shown(score.max())) - 1e-9  # or between two
        assert float(first(cells["ODS"])) <= 100 * score.max() + 1
        best = [row[np.argmax(row)] for row in of_each(of_model)]
        assert first(cells["images"]) == str(len(best)) == "4"
    drawn = chromium.execute_script(CURVES)
    frame = numbers(drawn["frame"])
    low, high = frame.min(axis=0), frame.max(axis=0)
    curves = [(numbers(line) - low) / (high - low) for line in drawn["lines"]]
    curves = [np.column_stack([one[:, 0], 1 - one[:, 1]]) for one in curves]
    for of_model in by_model.values():
        expected = np.column_stack(summed(of_model))
        same = [one for one in curves if one.shape == expected.shape]
        assert any(np.abs(one - expected).max() < 1e-4 for one in same)


def of_each(rows: pd.DataFrame) -> list[np.ndarray]:
    """F of each picture at each threshold."""
    return [2 * r * p / np.maximum(r + p, 1e-12)
            for r, p in (summed(rows.iloc[[n]]) for n in range(len(rows)))]  # fmt: skip


def test_the_page_of_proposals_shows_what_its_rows_say(chromium, results: Path) -> None:
    chromium.get((results / "reports" / "proposals" / "index.html").as_uri())
    (store,) = find_runs(results, ["*-proposals-*"])
    rows = read_runs([store])
    page = chromium.execute_script(PAGE, "table")
    assert page["title"] == "Object proposals on Shapes"
    ((*cells,),) = page["rows"]
    known = dict(zip(page["heads"], cells, strict=True))
    wanted = {"AR@1000": "ar_1000", "AR@100": "ar_100", "AR@10": "ar_10"}
    wanted |= {group: f"ar_1000_{group}" for group in GROUPS}
    seen = 0
    for head, column in wanted.items():
        values = rows[column].dropna()
        if values.empty:
            assert head not in known
            continue
        seen += 1
        assert first(known[head]) == shown(values.mean())
        count = f"({len(values)})"
        assert (count in known[head]) == (len(values) < len(rows)) or head == "AR@1000"
    assert seen >= 4
    maps = chromium.execute_script(PAGE, "label_maps")
    ((*cells,),) = maps["rows"]
    known = dict(zip(maps["heads"], cells, strict=True))
    pictures = []
    for _, some in rows.groupby("image_id"):
        hits = sum(np.array(each, float) for each in some["mapped"])
        both = some["segments"].iloc[0] + len(some)
        accuracy = hits / (both - hits)
        pictures.append((accuracy.mean(), accuracy[0], 2 * hits[0] / both))
    for head, value in zip(("mSA", "SA50", "F1"), np.mean(pictures, axis=0), strict=True):
        assert first(known[head]) == shown(value)
