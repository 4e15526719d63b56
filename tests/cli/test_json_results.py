"""What ``--json`` gives is what was found: held against the rows, the masks and the protocols."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.analysis.choices.explain import Goal, explain
from bench.cli import main
from bench.config.composing import load_component
from bench.store.runs import RunStore, find_runs, read_runs

DATA = ["dataset=shapes", "dataset.args.count=3"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("json") / "results"
    words = ["model=disk", *DATA, "prompt=[point_3,box]", "--results", str(folder), "-q"]
    assert main(["run", *words]) == 0
    return folder


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def run_of(results: Path, prompt: str) -> RunStore:
    return find_runs(results, [f"*-{prompt}-*"])[0]


def test_explain_gives_every_choice_and_the_nearest_combinations(results, capsys) -> None:
    store = run_of(results, "point_3")
    words = ["explain", store.key, "--target", "55.6", "--top", "4", "--results", str(results)]
    (found,) = told(capsys, *words)
    expected = explain(store, Goal.read("55.6"))
    assert found["mean"] == pytest.approx(100 * expected.default.mean)
    assert (found["run"], found["target"]) == (store.folder.name, 55.6)
    assert found["tried"] == len(expected.combinations)
    assert found["defaults"] == expected.defaults
    assert len(found["nearest"]) == 4
    for name, frame in (("singles", expected.singles), ("nearest", expected.combinations)):
        for line, row in zip(found[name], frame.to_dict("records"), strict=False):
            assert line == pytest.approx(row)


def test_rescore_gives_the_means_of_the_metric(results, capsys) -> None:
    words = ["rescore", "*", "--metric", "dice", "--results", str(results)]
    lines = {line["run"]: line for line in told(capsys, *words)}
    assert len(lines) == 2
    for name, line in lines.items():
        rows = read_runs(find_runs(results, [name]))
        last = rows.groupby(["image_id", "mask_id"]).last()
        assert line["mean"] == pytest.approx(last["dice"].mean())
        assert (line["metric"], line["masks"]) == ("dice", len(last))


def test_check_counts_the_masks(capsys) -> None:
    found = told(capsys, "check", *DATA)
    assert found["images"] == 3
    assert found["holds"] is True


def test_ablate_gives_what_each_choice_is_worth(results, capsys) -> None:
    words = ["protocol", "ablate", "sam", "hq_sam", "model=disk", *DATA, "prompt=[box]"]
    (lines,) = told(capsys, *words, "--results", str(results))["sections"].values()
    stores = find_runs(results, ["shapes-disk-box-*"])
    miou = {s.header()["protocol"]["name"]: read_runs([s])["iou"].mean() for s in stores}
    whole = next(
        line for line in lines if line["delta"] == pytest.approx(miou["hq_sam"] - miou["sam"])
    )
    assert whole is not None
    changed = {line["choice"] for line in lines}
    a, b = (load_component("protocol", name).args for name in ("sam", "hq_sam"))
    assert {choice for choice in a if a[choice] != b[choice]} <= changed


def test_protocols_are_told_apart(capsys) -> None:
    found = told(capsys, "protocol", "diff", "sam", "hq_sam")
    a, b = (load_component("protocol", name).args for name in ("sam", "hq_sam"))
    assert found["choices"] == [choice for choice in a if a[choice] != b[choice]]
    for name, args in (("sam", a), ("hq_sam", b)):
        for choice, said in found["sides"][name].items():
            assert said["value"] == args[choice]
    shown = told(capsys, "protocol", "show", "sam")
    assert {c: each["value"] for c, each in shown["choices"].items()} == a


def test_a_plan_says_what_is_left(results, capsys) -> None:
    words = ["run", "model=disk", "dataset=shapes", "dataset.args.count=3", "prompt=[box,point_1]"]
    (line,) = told(capsys, *words, "--plan", "--results", str(results))
    assert (line["model"], line["dataset"], line["images"]) == ("disk", "shapes", 3)
    assert line["to_do"] == 3
    assert sorted(line["prompts"]) == ["box", "point_1"]
    assert line["masks"] > 0


def test_a_model_is_checked(capsys) -> None:
    found = told(capsys, "check", "model", "model=disk")
    assert found["holds"]
    assert {each["holds"] for each in found["promises"]} <= {True, None}
    assert found["cost"]["predict"]["rounds"] > 0


def test_masks_by_hand_are_told(tmp_path: Path, capsys) -> None:
    from PIL import Image

    Image.new("RGB", (40, 30), (90, 20, 200)).save(tmp_path / "p.png")
    words = ["segment", "model=disk", "--image-path", f"{tmp_path}/p.png", "--input-point", "9,9"]
    lines = told(capsys, *words, "--output-dir", f"{tmp_path}/out")
    for line in lines:
        mask = np.asarray(Image.open(line["mask"])) > 127
        assert line["pixels"] == mask.sum()
        assert Path(line["overlay"]).is_file()


def test_cards_are_told_one_by_one(results, tmp_path: Path, capsys) -> None:
    cards = told(capsys, "card", "*-box-*", "--results", str(results), "--out", f"{tmp_path}/c")
    assert cards["cards"]
    for path in cards["cards"]:
        assert Path(path).is_file()
    Path(cards["cards"][0]).write_text("{}")
    lines = told(capsys, "card", "--check", f"{tmp_path}/c", code=1)
    assert [line["holds"] for line in lines].count(False) == 1
    assert "this is no card" in next(line["error"] for line in lines if not line["holds"])
