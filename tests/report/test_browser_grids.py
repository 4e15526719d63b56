"""The pages of edges and of proposals in a browser: every number and point is that of its rows.

Without Chromium these tests are skipped, or fail where ``BENCH_BROWSER=required`` (as in CI).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.analysis.sections.edges import edges_section
from bench.analysis.selection import select
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


COUNTS = ("matched", "predicted", "recalled", "truth")


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
    sums = {name: sum(np.array(each, float) for each in rows[name]) for name in COUNTS}
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
    (section,) = edges_section(select(find_runs(results, ["*-edges-*"])))
    assert page["heads"] == list(section.heads)
    assert page["rows"] == [list(row) for row in section.rows]
    for row in page["rows"]:
        cells = dict(zip(page["heads"], row, strict=True))
        of_model = by_model[cells["model"]]
        score, precision, recall = best_between(of_model)
        assert first(cells["ODS"]) == shown(score)
        assert (cells["precision"], cells["recall"]) == (shown(precision), shown(recall))
        assert first(cells["OIS"]) == shown(best_of_each(of_model))
        assert first(cells["images"]) == str(len(of_model)) == "4"
    drawn = chromium.execute_script(CURVES)
    frame = numbers(drawn["frame"])
    low, high = frame.min(axis=0), frame.max(axis=0)
    curves = [(numbers(line) - low) / (high - low) for line in drawn["lines"]]
    curves = [np.column_stack([one[:, 0], 1 - one[:, 1]]) for one in curves]
    for of_model in by_model.values():
        expected = np.column_stack(summed(of_model))
        same = [one for one in curves if one.shape == expected.shape]
        assert any(np.abs(one - expected).max() < 1e-4 for one in same)


def best_between(rows: pd.DataFrame) -> tuple[float, float, float]:
    """The best F of all pictures together, at a hundredth of the way between two thresholds."""
    recall, precision = summed(rows)
    found = []
    for place in range(len(recall) - 1):
        for share in np.linspace(0, 1, 100):
            r = recall[place] * (1 - share) + recall[place + 1] * share
            p = precision[place] * (1 - share) + precision[place + 1] * share
            found.append((2 * r * p / max(r + p, 1e-12), p, r))
    return max(found)


def best_of_each(rows: pd.DataFrame) -> float:
    """F of the counts of each picture at its own best threshold, added up."""
    matched = predicted = recalled = truth = 0.0
    for row in rows.to_dict("records"):
        m, d, r, t = (np.array(row[name], float) for name in COUNTS)
        p, q = m / np.maximum(d, 1), r / np.maximum(t, 1)
        best = int(np.argmax(2 * p * q / np.maximum(p + q, 1e-12)))
        matched, predicted = matched + m[best], predicted + d[best]
        recalled, truth = recalled + r[best], truth + t[best]
    precision, recall = matched / predicted, recalled / truth
    return 2 * precision * recall / (precision + recall)


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
