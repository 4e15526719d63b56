"""A report's files are all there or none, whenever the command that writes them ends."""

import contextlib
import json
import os
import shutil
import time

import pytest

from bench.report.pages import folder as folder_module
from bench.report.pages.folder import report_folder
from bench.types import BenchError


def texts(out):
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}


@pytest.mark.parametrize("at", range(7))
def test_a_report_cut_short_as_it_is_published_is_the_old_one_or_the_new(tmp_path, monkeypatch, at):
    """Whichever file operation is the last: killed there, nothing is tidied any more."""
    out = tmp_path / "report"
    for number, more in ((1, ("old.csv",)), (2, ("new.csv",))):
        with report_folder(out) as folder:
            for name in ("table.csv", "index.html", "figures/a.svg", *more):
                folder.write(name, f"{number}")
            before = texts(out) if out.exists() else {}
            if number == 2:
                fuse = iter(range(at))
                for owner, name in ((os, "replace"), (os, "rename"), (folder_module, "exchange"),
                                    (os, "unlink"), (os, "mkdir")):  # fmt: skip
                    monkeypatch.setattr(owner, name, until(fuse, getattr(owner, name)))
                monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
            with contextlib.suppress(KilledError):
                folder.publish({"number": number})
    monkeypatch.undo()
    after = texts(out)
    assert after == before or (
        after["table.csv"] == after["index.html"] == b"2"
        and sorted(after) == ["figures/a.svg", "index.html", "new.csv", "report.json", "table.csv"]
    )
    (left,) = tmp_path.glob(".*")
    os.utime(left, (1, time.time() - 60))
    with report_folder(out) as folder:
        folder.write("index.html", "3")
        folder.publish({})
    assert sorted(texts(out)) == ["index.html", "report.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


@pytest.mark.parametrize("at", range(12))
def test_beside_files_of_others_no_page_stands_beside_another_reports_table(
    tmp_path, monkeypatch, at
):
    out = tmp_path / "report"
    for number in (1, 2):
        with contextlib.suppress(KilledError), report_folder(out) as folder:
            for name in ("table.csv", "index.html", "figures/a.svg"):
                folder.write(name, f"{number}")
            if number == 2:
                (out / "mine.txt").write_text("mine")
                fuse = iter(range(at))
                for name in ("replace", "rename", "unlink", "mkdir"):
                    monkeypatch.setattr(os, name, until(fuse, getattr(os, name)))
            folder.publish({"number": number})
    monkeypatch.undo()
    after = texts(out)
    assert after["mine.txt"] == b"mine"
    if "index.html" in after:
        assert after["table.csv"] == after["figures/a.svg"] == after["index.html"]


class KilledError(BaseException):
    """Where a process would have ended."""


def until(fuse, work):
    def limited(*args, **words):
        if next(fuse, None) is None:
            raise KilledError
        return work(*args, **words)

    return limited


def test_what_a_command_at_work_is_writing_is_left_alone(tmp_path):
    out = tmp_path / "report"
    with report_folder(out) as folder:
        folder.write("index.html", "1")
        os.utime(next(tmp_path.glob(".report.*")), (1, time.time() - 60))
        with report_folder(out) as other:
            other.write("index.html", "2")
            other.publish({})
        folder.publish({})
    assert texts(out)["index.html"] == b"1"


def test_a_file_where_a_report_is_to_be_stays(tmp_path):
    (tmp_path / "report").write_text("mine")
    with (
        pytest.raises(BenchError, match="can't be written"),
        report_folder(tmp_path / "report") as folder,
    ):
        folder.publish({})
    assert (tmp_path / "report").read_text() == "mine"


def test_numbers_that_json_lacks_are_told_by_name(tmp_path):
    """As a run's header may hold them, which is written by Python."""
    with report_folder(tmp_path / "report") as folder:
        folder.publish({"facts": {"beta": float("nan"), "args": [float("-inf"), 1.5]}})
    text = (tmp_path / "report" / "report.json").read_text()
    refuse = {"parse_constant": lambda name: pytest.fail(name)}
    assert json.loads(text, **refuse)["facts"] == {"beta": "NaN", "args": ["-Infinity", 1.5]}


def test_a_reports_own_list_may_be_anything(tmp_path):
    for text in ("[" * 5000, "{}", '{"files": 3}', "\xff"):
        with report_folder(tmp_path / "report") as folder:
            folder.write("index.html", text[:9])
            folder.publish({})
        assert (tmp_path / "report" / "index.html").read_text() == text[:9]
        (tmp_path / "report" / "report.json").write_text(text, encoding="latin-1")
