"""The benchmarks for a GPU, as far as a machine without one can tell that they are ready."""

from __future__ import annotations

import sys
from pathlib import Path

import gpu
import gpu_decoder
import pytest
import result_files
import torch
from speed_cases import CASES

from bench.config.composing import load_configs


def test_every_step_s_words_are_understood(tmp_path: Path) -> None:
    """A setting that was renamed would be found out on the GPU only."""
    checked = 0
    for step in gpu.steps(Path("checkout")).values():
        overrides = [
            word for flag, word in zip(step.words, step.words[1:], strict=False)
            if flag == "--override"
        ]  # fmt: skip
        if overrides:
            checked += 1
            words = ["model=sam_vit_h", "dataset=shapes", "prompt=[point_1,box]"]
            load_configs([*words, *overrides, f"runtime.results={tmp_path}"])
    assert checked == 6


def test_the_important_ones_fit_ten_minutes() -> None:
    steps = gpu.steps(None)
    assert list(steps)[:3] == ["rows", "vit_h", "decoder"]
    assert sum(step.seconds for name, step in steps.items() if name != "tests") <= 600


def test_every_case_that_is_run_is_there() -> None:
    known = {case.name for case in CASES}
    asked = {word for step in gpu.steps(None).values() for word in step.words if "_known" in word}
    assert asked == {"vit_b_known", "vit_l_known", "vit_h_known"} <= known


def test_one_that_fails_or_takes_too_long_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    python = sys.executable, "-c"
    made = {
        "fails": gpu.Step("", (*python, "raise SystemExit(3)"), 30),
        "hangs": gpu.Step("", (*python, "import time; time.sleep(60)"), 1),
        "ends": gpu.Step("", (*python, "pass"), 30),
    }
    monkeypatch.setattr(gpu, "steps", lambda fast: made)
    assert gpu.main([]) == 1
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" in ")[0] for line in said[-3:]] == [
        "fails: ended with 3",
        "hangs: not done",
        "ends: done",
    ]
    assert gpu.main(["ends"]) == 0


def test_it_says_which_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--list", "--fast", "checkout"]) == 0
    said = capsys.readouterr().out
    for line in said.splitlines()[1::2]:
        script = next(word for word in line.split() if word.endswith(".py"))
        assert Path(script).is_file()
    with pytest.raises(SystemExit):
        gpu.main(["nonsense"])


@pytest.mark.long
@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU itself is asked")
def test_the_decoder_s_kernels_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(result_files, "RESULTS", tmp_path)
    monkeypatch.setattr(gpu_decoder, "ROUNDS", 1)
    words = ["--device", "cpu", "--dtype", "float32", "--prompts", "1"]
    assert gpu_decoder.main(words) == 0
    said = capsys.readouterr().out
    assert said == (tmp_path / "gpu_decoder.md").read_text()
    rows = [line.split("|")[1:-1] for line in said.splitlines() if line.startswith("| ")]
    asked = [row for row in rows if row[0].strip() in gpu_decoder.prompts()]
    assert len(asked) == 4
    assert all(float(row[2]) > 0 and float(row[3]) > 0 for row in asked)
    assert "aten::addmm" in said
    with pytest.raises(SystemExit):
        gpu_decoder.main([])
