"""Cards compared: the numbers of the rows' own comparison, and what cards can't tell is said."""

from __future__ import annotations

import json

import pytest
from finished import one_line

from bench.analysis.comparing.comparison import compare
from bench.cli import main
from bench.report.pages.folder import records
from bench.store.runs import find_runs

IMAGES = {"nuclei": 13, "shapes": 16}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, new_bench):
    """Two models on two datasets and two prompts, and the cards of one of them."""
    made = new_bench(tmp_path_factory.mktemp("cards") / "results")
    for dataset, images in IMAGES.items():
        for model, skill in (("zeta", 1.0), ("alpha", 2.5)):
            for prompt in ("point_3", "box"):
                made.run(dataset, model, prompt, images=images, skill=skill, seed=images,
                         finished=f"2026-0{len(dataset)}-01")  # fmt: skip
    cards = made.results.parent / "theirs"
    words = ["--results", str(made.results), "--out", str(cards)]
    assert main(["card", "*-alpha-*", *words]) == 0
    return made.results, cards


def compared(capsys, results, *sides: object, code: int = 0) -> dict:
    words = ["compare", *map(str, sides), "--results", str(results), "--json"]
    capsys.readouterr()
    assert main(words) == code
    found = json.loads(capsys.readouterr().out)
    (one,) = found["comparisons"]
    return one | {"gate": found["gate"]}


SAME = ("miou_a", "miou_b", "delta", "low", "high", "delta_images", "delta_images_low",
        "delta_images_high", "p", "p_holm")  # fmt: skip


def test_cards_give_the_numbers_of_the_rows(drawn, capsys) -> None:
    results, cards = drawn
    sides = [find_runs(results, [f"*-{model}-*"]) for model in ("zeta", "alpha")]
    of_rows = records(compare(*sides).table)
    found = compared(capsys, results, "zeta", cards, "--name", "cards")
    rows = {(line["prompt"], line["dataset"]): line for line in of_rows}
    lines = {(line["prompt"], line["dataset"]): line for line in found["lines"]}
    assert lines.keys() == rows.keys()
    assert len(lines) == 6
    for key, line in lines.items():
        for name in SAME:
            if name == "p_holm" and key[1] is None:
                continue
            assert line[name] == pytest.approx(rows[key][name], abs=2e-5), (key, name)
        assert (line["masks"], line["images"]) == (rows[key]["masks"], rows[key]["images"])
    assert (found["a"], found["b"]) == ("zeta", "alpha")


def test_the_table_and_the_page_of_a_job_say_every_number(drawn, capsys) -> None:
    results, cards = drawn
    found = compared(capsys, results, cards, "zeta", "--name", "turned")
    text = (results / "reports" / "turned" / "summary.md").read_text()
    assert "Of cards alone: no share of masks won" in text
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert len(rows) == len(found["lines"])
    for line, row in zip(found["lines"], rows, strict=True):
        cells = row.strip("| ").split(" | ")
        assert cells[:2] == [line["prompt"], line["dataset"] or "mean over datasets"]
        assert cells[2:4] == [f"{line['masks']:,}", f"{line['images']:,}"]
        assert cells[4:6] == [f"{100 * line[f'miou_{side}']:.1f}" for side in "ab"]
        numbers = [f"{100 * line[name]:+.1f}" for name in ("delta", "low", "high")]
        assert cells[6] == "{} ({} to {})".format(*numbers).replace("-", "−")
        assert cells[8] == f"{line['p']:.3f}"
    assert any("alpha is ahead of zeta by" in sentence for sentence in found["answer"])


@pytest.mark.parametrize(
    ("gate", "code", "outcome"), [("delta_miou>-50", 0, "holds"), ("delta_miou>50", 1, "fails")]
)
def test_a_gate_is_judged(drawn, capsys, gate, code, outcome) -> None:
    results, cards = drawn
    words = ("zeta", cards, "--gate", gate, "--gate-each", "--name", "gate")
    found = compared(capsys, results, *words, code=code)["gate"]
    assert found["holds"] == (code == 0)
    assert len(found["verdicts"]) == 6
    assert {each["outcome"] for each in found["verdicts"]} == {outcome}


def test_a_single_card_is_a_side(drawn, capsys) -> None:
    results, cards = drawn
    (one,) = cards.glob("shapes-alpha-box-*.json")
    found = compared(capsys, results, one, "shapes-zeta-*", "--name", "one")
    assert [(line["prompt"], line["dataset"]) for line in found["lines"]] == [("box", "shapes")]


def test_other_masks_protocols_and_data_are_refused(drawn, tmp_path, new_bench, capsys) -> None:
    _, cards = drawn
    made = new_bench(tmp_path / "results")
    made.run("shapes", "other", "box", images=16, seed=16, dataset_fingerprint="new")
    made.run("zebra", "far", "box", images=3)
    store = made.run("shapes", "strict", "box", images=16, seed=16)
    store.write_header(store.header() | {"protocol": {"name": "sam", "version": 2, "args": {}}})
    for name, says in (
        ("other", "on shapes one saw data of fingerprint new, the other shapes-1"),
        ("far", "these cards have no masks in common"),
        ("strict", "one followed protocol sam version 2, the other sam version 1"),
    ):
        words = ["compare", name, str(cards), "--results", str(made.results)]
        capsys.readouterr()
        assert main(words) == 2
        assert says in one_line(capsys.readouterr().err)
    found = compared(capsys, made.results, "strict", cards, "--allow-mixed")
    assert len(found["lines"]) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["zeta", "{cards}", "--gate", "win_rate>50"], "win_rate needs the rows"),
        (["zeta", "{cards}", "alpha"], "of cards two sides at a time"),
        (["zeta", "{edited}"], "this card was changed after it was written"),
        (
            ["zeta", "{cards}", "--digits", "2", "--pictures", "all"],
            "leave out --digits, --pictures",
        ),
        (["zeta", "{cards}", "--label", "zeta=Z", "--width", "cvpr"], "leave out --label, --width"),
        (["{both}", "zeta"], "holds several models (alpha, zeta)"),
    ],
)
def test_what_cards_cannot_tell_is_one_line(drawn, tmp_path, capsys, words, says) -> None:
    results, cards = drawn
    (one,) = cards.glob("shapes-alpha-box-*.json")
    edited = tmp_path / "edited.json"
    edited.write_text(one.read_text().replace('"few": true', '"few": false'))
    both = tmp_path / "both"
    assert main(["card", "shapes-*-box-*", "--results", str(results), "--out", str(both)]) == 0
    capsys.readouterr()
    named = {"cards": cards, "edited": edited, "both": both}
    asked = [word.format(**named) for word in words]
    assert main(["compare", *asked, "--results", str(results)]) == 2
    assert says in one_line(capsys.readouterr().err)
