"""``sam-bench doctor`` tells what is there, what is not, and how to get it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.cli import doctor, main
from bench.types import BenchError


def examined(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["doctor", "--json", *words])
    said = json.loads(capsys.readouterr().out)
    return code, {f"{one['section']} {one['what']}": one for one in said["findings"]}


@pytest.mark.long
def test_a_default_run_works_and_what_is_missing_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--results", f"{tmp_path}/new", "--checkpoints", f"{tmp_path}/c", "--datasets", "no"]
    code, found = examined(capsys, *words)
    assert code == 0
    assert found["models demo"]["state"] == found["datasets shapes"]["state"] == "ready"
    assert found["devices cpu"]["said"].endswith("a product of matrices is right")
    assert found["installed torch"]["said"] == str(torch.__version__).partition("+")[0]
    lacking = found["models sam_vit_b"]
    assert lacking["state"] == "missing"
    assert "sam_vit_b_01ec64.pth" in lacking["said"]
    assert "https://" in lacking["get"]
    assert "sam-bench fetch model=sam_vit_b runtime.datasets=no runtime.c" in lacking["get"]
    assert f"runtime.results={tmp_path}/new fetches it" in lacking["get"]
    assert "sam-bench fetch model=sam3 " in found["models sam3"]["get"]
    assert found["models disk"]["get"] == ""
    assert found["datasets bbbc038"]["state"] == "missing"
    assert "https://" in found["datasets bbbc038"]["get"]
    assert not (tmp_path / "new").exists(), "it only looks"


@pytest.mark.long
def test_a_folder_that_cannot_be_written_ends_in_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["doctor", "--results", f"{tmp_path}/file/results"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "runtime.results=PATH" in out
    assert "not yet: results:" in out


@pytest.mark.long
def test_a_wrong_checkpoint_is_broken_and_not_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sam_vit_b_01ec64.pth").write_bytes(b"something else")
    _, found = examined(capsys, "--checkpoints", str(tmp_path))
    assert found["models sam_vit_b"]["state"] == "broken"
    assert "found 14" in found["models sam_vit_b"]["said"]


def test_a_configuration_that_does_not_load_ends_in_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(words: list[str]) -> None:
        raise BenchError("conf: torn")

    monkeypatch.setattr(doctor, "load_configs", broken)
    code, found = examined(capsys)
    assert code == 1
    assert found["configuration conf"]["said"] == "conf: torn"


def test_every_extra_is_looked_for() -> None:
    tomllib = pytest.importorskip("tomllib")
    written = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    extras = written["project"]["optional-dependencies"]
    asked = {
        name: tuple(re.split(r"[\[>=; ]", each)[0] for each in several)
        for name, several in extras.items()
        if name not in ("dev", "docs")
    }
    assert dict(doctor.EXTRAS) == asked
