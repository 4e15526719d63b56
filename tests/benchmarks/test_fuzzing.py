"""A few of what ``benchmarks/fuzz.py`` makes by the thousand; its judges see what is wrong."""

from __future__ import annotations

import json
import os
import platform
import random
import socket
from pathlib import Path
from typing import Any

import fuzz
import numpy as np
import pytest
from fuzzing.kinds import MAKERS, maker
from fuzzing.pictures import WrongError
from fuzzing.strings import (
    Page,
    csv_cells,
    latex_cells,
    markdown_cells,
    plain,
    raw_characters,
    runs_as_formula,
)
from fuzzing.watch import Watch

from bench.types import BenchError

CHEAP = ("image", "mask", "coco", "rle", "labelme", "yolo", "panoptic", "hdf5", "mat",
         "archive", "wrapped")  # fmt: skip


@pytest.fixture(scope="module")
def watch() -> Watch:
    platform.processor()  # asks a program, once in a process; a header of a run wants it
    return Watch()


def outcome(kind: str, number: int, folder: Path, watch: Watch, seed: str = "test") -> str:
    folder.mkdir()
    judge = maker(kind)(random.Random(f"{seed}/{kind}/{number}"), folder)
    with watch.over(folder):
        try:
            verify = judge()
        except BenchError as error:
            return str(error).replace(str(folder), "")
    assert watch.seen == []
    try:
        verify()
    except BenchError as error:
        return str(error).replace(str(folder), "")
    return "read"


@pytest.mark.parametrize("kind", CHEAP)
def test_a_kinds_cases_are_good_and_the_same_again(kind: str, tmp_path: Path, watch: Watch) -> None:
    found = [outcome(kind, number, tmp_path / str(number), watch) for number in range(6)]
    again = [outcome(kind, number, tmp_path / f"again{number}", watch) for number in range(2)]
    assert found[:2] == again
    assert len(set(found)) > 1


ONCE_FAULTY = [("labelme", 100), ("mat", 13), ("mat", 157), ("mat", 170), ("archive", 231)]


@pytest.mark.parametrize(("kind", "number"), ONCE_FAULTY)
def test_cases_that_were_faulty_once_are_good(
    kind: str, number: int, tmp_path: Path, watch: Watch
) -> None:
    assert outcome(kind, number, tmp_path / "a", watch, seed="1") != "read"


@pytest.mark.long
@pytest.mark.parametrize("kind", sorted(set(MAKERS) - set(CHEAP)))
def test_the_cases_of_slower_kinds_are_good(kind: str, tmp_path: Path, watch: Watch) -> None:
    for number in range(6):
        outcome(kind, number, tmp_path / str(number), watch)


def test_the_watch_sees_files_connections_and_programs_beyond_the_folder(
    tmp_path: Path, watch: Watch
) -> None:
    own, beside = tmp_path / "own", tmp_path / "beside"
    own.mkdir()
    (own / "link").symlink_to(beside)
    with watch.over(own):
        (own / "a").write_text("mine")
        (own / "a").rename(own / "b")
        (own / "b").unlink()
    assert watch.seen == []
    reaching: dict[str, Any] = {
        "open": lambda: beside.write_text("theirs"),
        "through": lambda: (own / "link").write_text("theirs"),
        "os.remove": beside.unlink,
        "os.mkdir": (tmp_path / "folder").mkdir,
        "os.system": lambda: os.system("true"),
        "socket.getaddrinfo": lambda: socket.getaddrinfo("localhost", 9),
    }
    for event, act in reaching.items():
        with watch.over(own):
            act()
        assert watch.seen, event
    with watch.over(own):
        pass
    assert watch.seen == []


def wrong_after(kind: str, spoil: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the judge of the first case that is read says once its reader is spoiled."""
    for number in range(60):
        own = folder / str(number)
        own.mkdir(parents=True)
        judge = maker(kind)(random.Random(number), own)
        with monkeypatch.context() as patch:
            spoil(patch)
            try:
                judge()()
            except BenchError:
                continue
            except WrongError as error:
                return str(error)
    return "nothing"


def test_the_judges_see_another_mask_and_a_number_that_wraps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.data.formats import hdf5
    from bench.data.readers import labelme, yolo

    def wraps(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(hdf5, "label_array", lambda values: np.asarray(values).astype(np.int32))

    def half(patch: pytest.MonkeyPatch) -> None:
        draw = yolo.draw_outlines
        shifted = lambda outlines, h, w: draw([one + 1 for one in outlines], h, w)  # noqa: E731
        patch.setattr(yolo, "draw_outlines", shifted)

    def rounded(patch: pytest.MonkeyPatch) -> None:
        points = labelme.points_of
        patch.setattr(labelme, "points_of", lambda written: points(written) + 1)

    assert "labels were read that are none" in wrong_after(
        "hdf5", wraps, tmp_path / "a", monkeypatch
    )
    assert "another mask" in wrong_after("yolo", half, tmp_path / "b", monkeypatch)
    assert "another mask" in wrong_after("labelme", rounded, tmp_path / "c", monkeypatch)


def test_the_judge_of_archives_sees_a_member_that_climbs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.files import unpacking

    def trusting(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(unpacking, "_inside", lambda archive, name: Path(name))

    said = wrong_after("archive", trusting, tmp_path / "a", monkeypatch)
    assert "beside the folder" in said or "to be refused" in said


def test_what_was_written_is_read_back_by_another_parser() -> None:
    assert csv_cells('a,"b\n""c"\n') == [["a", 'b\n"c']]
    assert [runs_as_formula(cell) for cell in ("=1", " +a", "-1.5", "'=1", "-inf", "@a")] == [
        True, True, False, False, False, True,
    ]  # fmt: skip
    table = "| a | b |\n|---|---|\n| x\\|y | <b>\\*z |\n"
    assert markdown_cells(table) == [["a", "b"], ["x|y", "<html_inline>*z"]]
    latex = "\\midrule\na\\_b & \\textbackslash{}c-{}-d & x_y \\\\\n\\bottomrule"
    assert latex_cells(latex) == [["a_b", "\\c--d", "x<_>y"]]
    assert raw_characters("a\x1b\u202e\n") == "\x1b\u202e"
    assert plain("a\r\n\x1b b") == "a b"
    assert Page("<p title='x'>a&lt;b</p>").tags == [("p", frozenset({"title"}))]


def test_figures_go_on_where_they_stopped_and_a_kind_replaces_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def run(self: fuzz.Worker, kind: str, number: int) -> dict[str, Any]:
        asked.append((kind, number))
        outcome = "wrong" if (kind, number) == ("rle", 1) else "read"
        return {"kind": kind, "number": number, "outcome": outcome, "why": "", "seconds": 0.1,
                "peak": 1 << 20}  # fmt: skip

    monkeypatch.setattr(fuzz.Worker, "run", run)
    words = ["--kind", "rle", "--kind", "mask", "--name", str(tmp_path / "f")]
    assert fuzz.main([*words, "--count", "4"]) == 1
    assert fuzz.main([*words, "--count", "6", "--resume"]) == 1
    assert asked == [("rle", 0), ("rle", 1), ("mask", 0), ("mask", 1), ("rle", 2), ("mask", 2)]
    held = json.loads((tmp_path / "f.json").read_text())
    assert list(held) == ["mask", "rle"]
    assert held["rle"]["outcomes"] == {"read": 2, "wrong": 1}
    assert [each["number"] for each in held["rle"]["failures"]] == [1]
    assert fuzz.main(["--kind", "mask", "--count", "1", "--name", str(tmp_path / "f")]) == 0
    held = json.loads((tmp_path / "f.json").read_text())
    assert (held["mask"]["cases"], held["rle"]["cases"]) == (1, 3)
    assert "| all | 4 | 3 | 0 | 1 | 1 wrong |" in (tmp_path / "f.md").read_text()
