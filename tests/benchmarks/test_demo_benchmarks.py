"""The figures of the demo models' cards that come from ``benchmarks/``."""

from __future__ import annotations

import json
from pathlib import Path

import classical
import demo_speed
import grabcut_window
import pandas as pd
import pytest
import result_files

import bench


@pytest.mark.long
def test_classical_tells_the_mean_of_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(result_files, "RESULTS", tmp_path / "figures")
    runs = str(tmp_path / "runs")
    words = ["--sets", "photos", "--models", "demo", "--pictures", "3", "--results", runs]
    assert classical.main(words) == 0
    text = capsys.readouterr().out
    assert (tmp_path / "figures" / "classical.md").read_text() == text
    drawn = tmp_path / "figures" / "classical.png"
    first = drawn.read_bytes()
    drawn.unlink()
    assert classical.main(["--figure"]) == 0
    assert drawn.read_bytes() == first
    line = next(line for line in text.splitlines() if line.startswith("| photos | demo | 3 |"))
    rows = bench.read_runs(results=runs)
    for cell, prompt, step in zip(
        line.split("|")[5:9], ("points", "points", "points", "box"), (1, 3, 9, 1), strict=True
    ):
        mean = rows[(rows["prompt"] == prompt) & (rows["step"] == step)]["iou"].mean()
        assert cell.split()[0] == f"{100 * mean:.1f}"


def test_the_figure_of_classical_has_every_number() -> None:
    prompts = ["1 point", "3 points", "9 points", "box"]
    means = {
        ("a", "demo"): [0.1, 0.2, 0.3, 0.9],
        ("a", "grabcut"): [0.4, 0.5, 0.6, 0.8],
        ("b", "demo"): [0.15, 0.25, 0.35, 0.7],
        ("b", "grabcut"): [0.45, 0.55, 0.65, 0.75],
    }
    lines = pd.DataFrame(
        {"set": name, "model": model, "prompt": prompt, "miou": miou, "masks": 5, "images": 3}
        for (name, model), values in means.items()
        for prompt, miou in zip(prompts, values, strict=True)
    )
    panels = classical.figure(lines).axes
    assert [panel.get_title(loc="center")[:1] for panel in panels] == ["a", "b"]
    for panel, name in zip(panels, "ab", strict=True):
        demo, demo_box, other, other_box = panel.lines
        assert (demo.get_label(), other.get_label()) == ("demo", "grabcut")
        for drawn, box, model in ((demo, demo_box, "demo"), (other, other_box, "grabcut")):
            *clicks, last = (100 * each for each in means[name, model])
            assert list(drawn.get_xdata()) == [1, 3, 9]
            assert list(drawn.get_ydata()) == pytest.approx(clicks)
            assert list(box.get_ydata()) == pytest.approx([last])
            assert min(box.get_xdata()) > 9
            assert box.get_color() == drawn.get_color()


@pytest.mark.long
def test_a_window_is_compared_with_the_whole_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(result_files, "RESULTS", tmp_path)
    assert grabcut_window.main(["--pictures", "1", "--masks", "2"]) == 0
    text = capsys.readouterr().out
    lines = json.loads((tmp_path / "grabcut.json").read_text())["lines"]
    assert [line["prompt"] for line in lines] == ["box", "1 point", "3 points"] * 2
    box = [line for line in lines if line["prompt"] == "box"]
    means = [
        f"{50 * sum(line[name] for line in box):.1f}" for name in ("window", "whole", "agreement")
    ]
    assert f"| photos | box | 2 | {' | '.join(means)} |" in text


def test_two_pictures_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        classical.main(["--pictures", "2"])
    assert "an interval needs 3 pictures, found 2" in capsys.readouterr().err


@pytest.mark.long
def test_speed_of_one_core_is_told_for_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_files, "RESULTS", tmp_path)
    demo_speed.main(["demo_s", "--turns", "2"])
    found = json.loads((tmp_path / "demo_speed.json").read_text())["milliseconds"]["demo_s"]
    assert list(found) == ["SamPredictor", "bench"]
    assert all(0 < found[way][column] < 10_000 for way in found for column in demo_speed.COLUMNS)
    table = (tmp_path / "demo_speed.md").read_text()
    assert f"| demo_s | bench | {found['bench']['embed']:.1f} |" in table
