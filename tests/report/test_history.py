"""The history of a cell on a board: every run of it in order, its change held against the rows."""

from __future__ import annotations

import json
from html import unescape

import pytest

from bench.analysis.comparing.comparison import compare
from bench.cli import main


@pytest.fixture(scope="module")
def written(tmp_path_factory, new_bench):
    """Three runs of a cell, finished in another order than they are called; others have one."""
    made = new_bench(tmp_path_factory.mktemp("history") / "results")
    model = {"name": "zeta", "version": 1, "args": {}, "about": {"title": "Zeta"}}
    stores = {}
    for key, skill, when, more in (
        ("c3", 1.0, "2026-03-01", {}),
        ("a1", 2.5, "2026-05-02", {"model": model | {"version": 2}}),
        ("b2", 0.7, "2026-04-03", {"facts": {"checkpoint_sha256": "ab"}, "seed": 0}),
    ):
        stores[key] = made.run("shapes", "zeta", "box", images=12, seed=5, skill=skill, key=key,
                               finished=f"{when}T08:00:00+00:00")  # fmt: skip
        stores[key].write_header(stores[key].header() | more)
    other = made.run("shapes", "zeta", "box", images=4, seed=9, key="d4",
                     finished="2026-06-01T00:00:00+00:00", dataset_fingerprint="new")  # fmt: skip
    made.run("shapes", "alpha", "box", images=12, seed=5)
    words = ["--results", str(made.results), "--out", str(made.results.parent / "cards")]
    assert main(["card", "*-zeta-*", *words]) == 0
    out = made.results.parent / "board"
    folders = [str(made.results), str(made.results.parent / "cards")]
    assert main(["board", *folders, "--out", str(out)]) == 0
    found = json.loads((out / "report.json").read_text())["history"]
    return stores | {"d4": other}, found, (out / "index.html").read_text()


def test_runs_stand_in_the_order_in_which_they_finished(written) -> None:
    stores, found, _ = written
    order = ["c3", "b2", "a1", "d4"]
    assert [each["run"] for each in found] == [stores[key].folder.name for key in order]
    assert [each["other"] for each in found] == [
        "", "weights", "model v1 → v2; weights", "model v2 → v1; dataset's content",
    ]  # fmt: skip


def test_a_change_is_the_paired_difference_on_the_same_masks(written) -> None:
    stores, found, _ = written
    assert found[0]["change"] is None
    for line, now, before in ((found[1], "b2", "c3"), (found[2], "a1", "b2")):
        pair = compare([stores[now]], [stores[before]], allow_mixed=True)
        (row,) = pair.table.to_dict("records")
        assert line["change"] == pytest.approx(row["delta"], abs=2e-6)
        assert line["change_low"] == pytest.approx(row["low"], abs=2e-5)
        assert line["change_high"] == pytest.approx(row["high"], abs=2e-5)
        assert line["mean"] == pytest.approx(row["miou_a"])
    assert found[3]["change"] is None  # other masks


def test_the_page_shows_every_line(written) -> None:
    _, found, page = written
    table = unescape(page.split('id="history"')[1].split("</section>")[0])
    rows = [part for part in table.split("<tr")[2:] if "<td" in part]
    assert len(rows) == len(found)
    for line, row in zip(found, rows, strict=True):
        for said in (line["run"], f"{100 * line['mean']:.1f}", line["finished"][:10]):
            assert f">{said}<" in row
        assert f">{100 * line['low']:.1f} to {100 * line['high']:.1f}*<" in row
        if line["change"] is not None:
            assert f">{100 * line['change']:+.1f} (".replace("-", "−") in row
        assert line["other"] in row
