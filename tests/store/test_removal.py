"""Runs that are deleted: all of one and nothing else, and what a kill leaves is still a run."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from finished import dataset_words

from bench.cli import main
from bench.files.places import place
from bench.store.lock import hold
from bench.store.removal import remove
from bench.store.runs import find_runs, read_runs
from bench.types import BenchError


@pytest.fixture
def results(coco_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> Path:
    words = dataset_words(coco_folder(images=3, masks=2))
    assert main(["run", "model=disk", "prompt=[point_1,box]", *words]) == 0
    capsys.readouterr()
    return Path(words[-1].partition("=")[2])


def names(results: Path) -> list[str]:
    return sorted(path.name.split("-")[2] for path in (results / "runs").iterdir())


def test_a_run_is_deleted_whole_and_the_other_stays(results: Path, tmp_path: Path) -> None:
    other = tmp_path / "precious.txt"
    other.write_text("mine")
    (folder,) = (results / "runs").glob("*-box-*")
    (folder / "linked").symlink_to(tmp_path)
    assert main(["rm", "*-box-*", "--yes", "--results", str(results)]) == 0
    assert names(results) == ["point_1"]
    assert other.read_text() == "mine"
    assert len(read_runs(find_runs(place(str(results))))) == 6


def test_it_asks_and_takes_no_silence_for_a_yes(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["rm", "*", "--results", str(results)]
    assert main(words) == 2
    assert "nobody can be asked here: give --yes" in capsys.readouterr().err

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for answer, left in (("\n", 2), ("no\n", 2), ("y\n", 0)):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        assert main(words) == (0 if left == 0 else 1)
        assert len(names(results)) == left
    assert main(words) == 2, "there is none any longer"


def test_what_another_command_is_at_work_on_stays(results: Path) -> None:
    store, _ = find_runs(place(str(results)))
    with hold([store.folder]), pytest.raises(BenchError, match="another command is at work"):
        remove(store)
    assert len(names(results)) == 2


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_kill_leaves_what_can_be_deleted_or_made_whole(
    after: int, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = find_runs(place(str(results)))
    left = after
    plain = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        nonlocal left
        if path.name not in (".lock", "owner.json"):
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
        plain(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        try:
            remove(store)
        except KeyboardInterrupt:
            assert (store.folder / "run.json").is_file()
    assert main(["rm", str(store.folder), "--yes", "--results", str(results)]) in (0, 2)
    assert not store.folder.exists()
    assert len(names(results)) == 1


def test_a_run_in_a_bucket_is_deleted_too(coco_folder: Callable[..., Path]) -> None:
    words = dataset_words(coco_folder(images=2, masks=1))[:-1]
    there = "memory://removal/results"
    run = ["run", "model=disk", "prompt=[point_1,box]", *words, f"runtime.results={there}"]
    assert main(run) == 0
    assert main(["rm", "*-box-*", "--yes", "--results", there]) == 0
    (left,) = find_runs(place(there))
    assert "-point_1-" in left.folder.name
