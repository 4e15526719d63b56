"""What TAB offers, asked as a shell asks; groups in the help; addresses in one piece."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import main
from bench.config.folders import group_names, groups


def offered(line: str, **environment: str) -> list[str]:
    """The completions of a line that ends at the cursor."""
    pytest.importorskip("argcomplete")
    told = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)),
            "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
            "_ARGCOMPLETE_COMP_WORDBREAKS": " \t\n"}  # fmt: skip
    words = [sys.executable, "-c", _ASKING]
    done = subprocess.run(
        words, env=os.environ | told | environment, capture_output=True, text=True, check=False
    )
    return done.stdout.split("\n") if done.stdout else []


_ASKING = """
import os, sys, tempfile
with tempfile.NamedTemporaryFile() as file:
    os.environ["_ARGCOMPLETE_STDOUT_FILENAME"] = file.name
    if not os.fork():
        from bench.cli import main
        main(["run"])
        os._exit(1)
    os.wait()
    sys.stdout.write(open(file.name).read())
"""


def test_names_of_a_group_are_offered() -> None:
    names = [name for name in group_names("model") if name.startswith("sam_vit")]
    assert offered("sam-bench run model=sam_vit") == [f"model={name}" for name in names]


def test_names_in_a_list_and_own_yamls_are_offered(tmp_path: Path) -> None:
    (tmp_path / "prompt").mkdir()
    (tmp_path / "prompt" / "box_of_mine.yaml").write_text("name: box_of_mine\n")
    found = offered(f"sam-bench run --config-dir {tmp_path} prompt=[point_1,box_o")
    assert [shlex.split(each) for each in found] == [["prompt=[point_1,box_of_mine"]]


def test_keys_are_offered() -> None:
    assert offered("sam-bench run runtime.lim") == ["runtime.limit="]
    assert offered("sam-bench check data") == ["dataset="]


def test_runs_are_offered(tmp_path: Path) -> None:
    for name in ("shapes-zeta-box-1", "photos-zeta-box-2"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").write_text("{}")
    assert offered(f"sam-bench report --results {tmp_path} shapes") == ["shapes-zeta-box-1"]


def test_the_help_of_run_names_every_group_and_how_to_list_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    lines = capsys.readouterr().out.splitlines()
    shown = {line.split("=")[0].strip(): line for line in lines if "sam-bench ls " in line}
    assert shown.keys() == {*groups(), "suite"}
    for line in shown.values():
        assert main(["ls", line.split()[-1]]) == 0


def test_an_address_of_a_model_stands_in_one_piece(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["ls", "models", "--json"]) == 0
    ways = {each["name"]: each["next"] for each in json.loads(capsys.readouterr().out)}
    assert any("https://" in way for way in ways.values() if way)
    assert main(["ls", "models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, way in ways.items():
        if way is not None:
            assert f"{name}: {way}" in lines
