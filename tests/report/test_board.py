"""The board of whole folders: every cell is its run's number, and what doesn't fit is named."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest
import yaml
from finished import one_line

from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.cli import main
from bench.config.folders import conf_dir
from bench.store.cards import read_card, write_card
from bench.store.runs import RunStore

NASTY = "</script><img src=x onerror=alert(1)>"
SKILLS = {"zeta": 1.0, "alpha": 2.5, "mid": 0.6}
DATASETS = {"nuclei": 6, "shapes": 13, "zebra": 7, "berries": 8}
"""Images of each; the names are in no order of theirs."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, new_bench):
    """Three models on four datasets; one run is unfinished, one is missing."""
    made = new_bench(tmp_path_factory.mktemp("board") / "results")
    for dataset, images in DATASETS.items():
        for model, skill in SKILLS.items():
            if (model, dataset) == ("mid", "zebra"):
                continue
            status = "partial" if (model, dataset) == ("mid", "berries") else "complete"
            made.run(dataset, model, "point_3", images=images, skill=skill, seed=images,
                     status=status, title=NASTY if model == "zeta" else model,
                     finished=f"2026-11-{images:02d}T10:00:00+00:00",
                     facts={"checkpoint_sha256": f"{model:f<64}"})  # fmt: skip
    return made


def board(out: Path, *folders: object, code: int = 0) -> dict:
    assert main(["board", *map(str, folders), "--out", str(out)]) == code
    return json.loads((out / "report.json").read_text()) if not code else {}


@pytest.fixture(scope="module")
def written(drawn, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "board"
    return board(out, drawn.results), (out / "index.html").read_text()


def test_every_cell_is_the_number_of_its_run(drawn, written) -> None:
    cells = {each["run"]: each for each in written[0]["cells"]}
    assert len(cells) == 11
    for store in drawn.results.glob("runs/*"):
        cell = cells[store.name]
        if cell["state"] == "partial":
            assert (store.name.startswith("berries-mid"), cell["mean"]) == (True, None)
            continue
        line = miou_table(select([RunStore(store)])).lines.iloc[0]
        assert cell["mean"] == line["miou"]
        assert (cell["low"], cell["high"]) == (line["miou_low"], line["miou_high"])
        assert cell["checkpoint"] == f"{line['model']:f<64}"[:12]
        assert cell["finished"] == f"2026-11-{DATASETS[line['dataset']]:02d}"
        assert f">{100 * line['miou']:.1f}<" in written[1]


def test_only_models_without_a_hole_are_ranked(written) -> None:
    (panel,) = written[0]["panels"]
    assert panel["prompt"] == "3 points"
    assert sorted(panel["datasets"]) == ["berries", "nuclei", "shapes", "zebra"]
    assert [each["model"] for each in panel["ranking"]] == ["alpha", NASTY]
    means = {(e["model"], e["dataset"]): e["mean"] for e in written[0]["cells"]}
    wins = [means["alpha", d] > means[NASTY, d] for d in DATASETS]
    assert panel["ranking"][0]["wins"] == sum(wins) / 4
    assert panel["ranking"][0]["rank"] == 2 - sum(wins) / 4
    said = " ".join(unescape(written[1]).split())
    assert "mid lacks berries, zebra." in said
    assert "alpha ranks best of 2 models on the same 4 datasets" in said


def test_the_page_asks_nothing_and_runs_no_text_of_the_data(written) -> None:
    page = written[1]
    assert "<img" not in page
    assert "default-src 'none'" in unescape(page)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)
    assert page.count("<script>") == 1


def test_cards_give_the_same_board_as_the_runs(drawn, written, tmp_path, capsys) -> None:
    complete = [p.parent.name for p in drawn.results.glob("runs/*/run.json")
                if json.loads(p.read_text())["status"] == "complete"]  # fmt: skip
    words = [*complete, "--results", str(drawn.results), "--out", str(tmp_path / "cards")]
    assert main(["card", *words]) == 0
    (tmp_path / "cards" / "other.json").write_text("{}")
    capsys.readouterr()
    found = board(tmp_path / "board", tmp_path / "cards")
    assert found["panels"] == written[0]["panels"]
    assert found["cells"] == [e for e in written[0]["cells"] if e["state"] == "complete"]
    assert "other.json: this is no card" in one_line(capsys.readouterr().err)
    assert "other.json: this is no card" in (tmp_path / "board" / "index.html").read_text()


def test_a_cell_links_to_the_report_of_its_run(new_bench, tmp_path) -> None:
    made = new_bench(tmp_path / "a results")
    store = made.run("shapes", "zeta", "box", images=3, seed=2)
    made.run("shapes", "alpha", "box", images=3, seed=2)
    words = ["--results", str(made.results), "--name", "of zeta"]
    assert main(["report", store.folder.name, *words]) == 0
    out = made.results / "reports" / "board"
    assert main(["board", "--results", str(made.results)]) == 0
    page = (out / "index.html").read_text()
    assert re.findall(r'<a href="([^#"]+)"', page) == ["../of%20zeta/index.html"]
    assert (out / ".." / "of zeta" / "index.html").is_file()


def test_the_same_run_with_other_numbers_is_marked_and_not_ranked(drawn, tmp_path, capsys) -> None:
    (name,) = (p.name for p in drawn.results.glob("runs/shapes-alpha-*"))
    (other,) = (p.name for p in drawn.results.glob("runs/shapes-zeta-*"))
    cards = tmp_path / "cards"
    words = ["--results", str(drawn.results), "--out", str(cards)]
    assert main(["card", name, other, *words]) == 0
    theirs, mine = read_card(cards / f"{name}.json"), read_card(cards / f"{other}.json")
    forged = type(theirs)(theirs.header, mine.clusters, mine.steps)
    write_card(forged, cards / f"{other}.json")
    found = board(tmp_path / "board", drawn.results, cards)
    (note,) = found["notes"]
    assert name in note
    assert f"{other}.json" in note
    assert note.endswith("are the same run with other numbers: it is not ranked.")
    states = {each["run"]: each["state"] for each in found["cells"]}
    assert states[name] == "contradicted"
    assert "shapes" not in found["panels"][0]["datasets"]


def test_other_versions_and_other_data_stand_apart(new_bench, tmp_path) -> None:
    made = new_bench(tmp_path / "results")
    protocol = {"name": "sam", "version": 2, "args": {}}
    made.run("shapes", "zeta", "box", images=3, seed=2)
    made.run("shapes", "alpha", "box", images=3, seed=2, protocol="sam", key="b1",
             dataset_fingerprint="other")  # fmt: skip
    store = made.run("shapes", "mid", "box", images=3, seed=2)
    store.write_header(store.header() | {"protocol": protocol})
    found = board(tmp_path / "board", made.results)
    assert sorted(each["protocol"] for each in found["panels"]) == ["sam v1", "sam v2"]
    assert len({each["dataset"] for each in found["cells"] if each["protocol"] == "sam v1"}) == 2
    assert all(not each["ranking"] for each in found["panels"])


def test_a_suite_has_a_number_only_where_nothing_is_missing(drawn, tmp_path) -> None:
    conf = tmp_path / "conf"
    for group in ("suite", "dataset"):
        (conf / group).mkdir(parents=True)
    for name in DATASETS:
        text = (conf_dir() / "dataset" / "shapes.yaml").read_text()
        (conf / "dataset" / f"{name}.yaml").write_text(text)
    suite = {
        "name": "four", "version": "1", "datasets": list(DATASETS), "prompts": ["point_3"],
        "protocol": "sam", "aggregate": "mean_over_datasets", "about": {"title": "Four"},
    }  # fmt: skip
    (conf / "suite" / "four.yaml").write_text(yaml.safe_dump(suite))
    words = ["board", str(drawn.results), "--out", str(tmp_path / "b"), "--config-dir", str(conf)]
    assert main(words) == 0
    found = json.loads((tmp_path / "b" / "report.json").read_text())
    means = {(e["model"], e["dataset"]): e["mean"] for e in found["cells"]}
    lines = {each["model"]: each for each in found["suites"] if each["suite"] == "four"}
    assert sorted(lines) == sorted([NASTY, "alpha", "mid"])
    for model in ("alpha", NASTY):
        mean = sum(means[model, dataset] for dataset in DATASETS) / 4
        assert lines[model]["mean"] == pytest.approx(mean, abs=2e-6)
        assert lines[model]["missing"] == ""
    assert lines["mid"]["mean"] is None
    assert lines["mid"]["missing"] == "zebra, berries"
    assert "2 of 4: zebra, berries" in (tmp_path / "b" / "index.html").read_text()


@pytest.mark.parametrize(
    ("name", "said"),
    [("nowhere", "no such folder"), ("empty", "neither runs"), ("bad", "no run and no card")],
)
def test_a_folder_without_runs_and_cards_is_one_line(tmp_path, capsys, name, said) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.json").write_text("[")
    board(tmp_path / "out", tmp_path / name, code=2)
    err = capsys.readouterr().err
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()
