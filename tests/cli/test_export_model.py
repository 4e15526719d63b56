"""``sam-bench export-model``: what it writes is measured like any other model."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bench.cli import main

pytestmark = pytest.mark.long  # exporting takes seconds


def test_an_export_is_measured_and_compared_with_its_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export-model", "--format", "torchscript", "model=demo_s"]) == 0
    assert "--config-dir exports model=demo_s_torchscript" in capsys.readouterr().out
    written = yaml.safe_load((tmp_path / "exports/model/demo_s_torchscript.yaml").read_text())
    assert written["target"] == "bench.models.exported.Exported"
    asked = ["dataset=shapes", "dataset.args.count=6", "prompt=[points]", "metrics=[]"]
    for model in ("demo_s", "demo_s_torchscript"):
        assert main(["run", "--config-dir", "exports", f"model={model}", *asked]) == 0
    gate = ["--gate", "delta_miou>-0.1"]
    assert main(["compare", "demo_s_torchscript", "demo_s", *gate]) == 0
    assert "gate delta_miou>-0.1 holds" in capsys.readouterr().out


def test_what_follows_an_export_into_ones_own_folder_is_the_run_on_ones_own_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_conf" / "dataset").mkdir(parents=True)
    (tmp_path / "my_conf" / "dataset" / "beans.yaml").touch()
    words = ["export-model", "--format", "torchscript", "model=demo_s", "--output-dir", "my_conf"]
    assert main(words) == 0
    assert "next: sam-bench run model=demo_s_torchscript dataset=beans\n" in capsys.readouterr().out


def test_an_earlier_export_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["export-model", "model=demo_s", "--format=torchscript", f"--output-dir={tmp_path}"]
    assert main(ask) == 0
    before = (tmp_path / "model" / "demo_s_torchscript.yaml").read_bytes()
    assert main(ask) == 2
    assert "is there already; --overwrite writes another" in capsys.readouterr().err
    assert main([*ask, "--overwrite"]) == 0
    assert (tmp_path / "model" / "demo_s_torchscript.yaml").read_bytes() == before


def test_what_is_no_sam_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["export-model", "model=disk", "--format=onnx", f"--output-dir={tmp_path}"]
    assert main(ask) == 2
    assert "model disk (Disk) is no Segment Anything model" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
