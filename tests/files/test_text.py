"""Names that steer, where they are shown: in the terminal, in a log, in plain ASCII."""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rich.table import Table

from bench.cli import _log_to, console, main
from bench.data.manifest import Manifest, load_manifest, save_manifest
from bench.data.recognise import Recognised
from bench.data.recognise.writing import write_yaml
from bench.files.documents import strict_json
from bench.files.text import as_cell, csv_cell, visible, visible_line
from bench.store.runs import RunStore
from bench.types import BenchError

STEERING = "\x1b]0;title\x07\x1b[31m\x9b2J\r\x08\u202egnp\u2066\x00\x7f"


def test_nothing_that_steers_is_left_and_the_rest_is_as_it_was() -> None:
    plain = "Größe 介绍 ∑ 🙂 a\tb"
    assert visible(plain) == visible_line(plain) == plain
    for text in (visible(STEERING), visible_line(STEERING), as_cell(STEERING)):
        assert all(c.isprintable() for c in text)
    assert visible("\x1b[31m\ud800") == "\\x1b[31m\\ud800"
    assert visible("a\nb") == "a\nb"


def test_written_files_steer_no_terminal() -> None:
    cell, text = csv_cell(STEERING), strict_json({"a": STEERING})
    for each in (cell, text):
        assert visible(each) == each
    assert json.loads(text)["a"] == STEERING, "a parser reads what it was"
    assert visible_line("a\nb") == "a\\nb"


def test_headers_manifests_and_yamls_steer_no_terminal_and_read_back(tmp_path: Path) -> None:
    name = STEERING.replace("\x00", "") + "\x85\u2028."
    store = RunStore.create(tmp_path, "run")
    store.write_header({"name": name})
    save_manifest(Manifest(name, "1", {name: 2}, rule=name), tmp_path / "manifest.json")
    found = Recognised("coco", "", "x.Coco", Path(name), {"images": name}, name, (name,), (name,))
    path = write_yaml("mine", found, tmp_path)
    for file in (store.folder / "run.json", tmp_path / "manifest.json", path):
        text = file.read_bytes().decode()
        assert visible(text) == text, file
    assert store.header() == {"name": name}
    assert load_manifest(tmp_path / "manifest.json").mask_counts == {name: 2}
    assert yaml.safe_load(path.read_text())["args"]["images"] == name


@pytest.mark.parametrize("terminal", [True, False])
def test_no_text_steers_the_terminal_or_forges_a_line_of_the_log(
    monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.StringIO())
    monkeypatch.setenv("TTY_COMPATIBLE", "1" if terminal else "0")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    before = logging.getLogger().handlers[:]
    try:
        _log_to(console.errors(), argparse.Namespace(quiet=False, verbose=False))
        logging.getLogger("bench").warning("%s", f"a{STEERING}\nWARNING  forged")
    finally:
        logging.getLogger().handlers[:] = before
    table = Table(title=STEERING, caption=STEERING)
    table.add_column(STEERING)
    table.add_row(f"b{STEERING}")
    console.show(table, console.output())
    console.output().print(f"c{STEERING}", markup=False)
    console.complain(f"d{STEERING}\nsam-bench: forged")
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, io.StringIO)
        said = stream.getvalue()
        assert said
        assert all(c.isprintable() for c in said.replace("\n", "")), said
    assert not any(line.startswith("WARNING  forged") for line in sys.stderr.getvalue().split("\n"))
    assert "\nsam-bench: forged" not in sys.stderr.getvalue()


def test_a_complaint_is_one_line_whatever_it_quotes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise BenchError(f"{STEERING}\nsecond")

    monkeypatch.setattr("bench.store.runs.find_runs", refuse)
    assert main(["report", "x"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("sam-bench: \\x1b]0;title\\x07\\x1b[31m")
    assert err.endswith("\\nsecond\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_where_only_ascii_is_possible_all_is_said(encoding: str) -> None:
    code = (
        "import sys; from bench.cli import console; from rich.table import Table\n"
        "console.take_every_text(); t = Table('a × b'); t.add_row('58.0–64.1 …Größe 介')\n"
        "console.show(t, console.output()); console.output().print('≥ ─ 介')\n"
        "sys.stdout.write('介 × –\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.decode(encoding)
    assert "\\u4ecb" in said
    assert ("58.0-64.1 ...Gr\\xf6\\xdfe" if encoding == "ascii" else "Größe") in said
