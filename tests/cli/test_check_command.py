"""``sam-bench check`` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from finished import dataset_words

from bench.cli import main
from bench.data.manifest import load_manifest


@pytest.fixture
def words(coco_folder: Callable[..., Path]) -> list[str]:
    folder = coco_folder(images=5, masks=3)
    return dataset_words(folder)


def results(words: list[str]) -> Path:
    return Path(words[-1].partition("=")[2])


def test_a_sound_dataset_gives_0_a_table_a_page_and_json(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *words, "--report", "blobs"]) == 0
    out = capsys.readouterr().out
    assert "blobs: 15 masks in 5 of 5 images" in out
    assert "Findings" in out
    folder = results(words) / "reports" / "blobs"
    assert f"report: {folder / 'index.html'}" in out
    assert json.loads((folder / "report.json").read_text())["masks"] == 15
    assert (folder / "index.html").read_text().count("data:image/webp") >= 10


def test_a_count_that_differs_gives_1(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *words, "+dataset.about.expected.masks=16"]) == 1
    assert "16 masks are expected, 15 found." in capsys.readouterr().out


def test_an_unreadable_file_gives_1_and_is_named(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    broken = results(words).parent / "coco" / "images" / "002.png"
    broken.write_bytes(b"")
    assert main(["check", *words]) == 1
    assert "002.png" in capsys.readouterr().out


def test_a_manifest_of_what_can_be_read_lets_a_run_begin(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (results(words).parent / "coco" / "images" / "002.png").unlink()
    run = ["run", *words, "model=disk", "prompt=point_1", "runtime.device=cpu"]
    assert main(run) == 2
    err = capsys.readouterr().err
    assert "002.png: no such picture" in err
    assert "--manifest" in err
    path = tmp_path / "mine.json"
    assert main(["check", *words, "--manifest", str(path)]) == 1
    manifest = load_manifest(path)
    assert list(manifest.mask_counts.items()) == [("0", 3), ("1", 3), ("3", 3), ("4", 3)]
    assert main([*run, f"dataset.args.manifest={path}"]) == 0
    assert "blobs" in capsys.readouterr().out


def test_the_manifest_of_a_subsample_is_that_of_a_run(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "drawn.json"
    rule = "dataset.args.subsample={above: 8, masks: 5}"
    assert main(["check", *words, rule, "--manifest", str(path)]) == 0
    out = capsys.readouterr().out
    assert "15 masks in 5 of 5 images" in out, "the whole is checked"
    assert "subsample takes 2 images, 6 masks." in out
    run = ["run", *words, "model=disk", "prompt=point_1", "runtime.device=cpu", rule]
    assert main(run) == 0
    (kept,) = (results(words) / "manifests").iterdir()
    assert kept.read_text() == path.read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "say which dataset"),
        (["model=disk"], "say which dataset"),
        (["dataset=shapes,photos"], "one dataset at a time"),
        (["parities"], "found 'parities'"),
        (["dataset=nothing"], "nothing"),
        (["dataset=bbbc038", "runtime.datasets=/nowhere"], "/nowhere"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *arguments]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert len(err.strip().splitlines()) == 1
