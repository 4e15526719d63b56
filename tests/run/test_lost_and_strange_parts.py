"""Parts that are missing, added or another run's: no number is made of what is left."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from finished import dataset_words, one_line

import bench
from bench.cli import main
from bench.store.runs import RunStore, find_runs, read_runs
from bench.types import BenchError

RUN = ["run", "model=disk", "prompt=[box]", "runtime.part_images=2", "runtime.workers=1"]


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=6, masks=2)


def rows_of(store: RunStore) -> list[tuple[object, ...]]:
    frame = read_runs([store], ["iou", "mask_rle"]).drop(columns="run")
    return list(frame.itertuples(index=False, name=None))


def readers(store: RunStore, folder: Path) -> list[list[str]]:
    """A command of each kind that reads a run's rows."""
    run, results = str(store.folder), ["--results", str(folder.parent / "results")]
    return [
        ["report", run, *results, "--name", "r"],
        ["compare", run, run, *results],
        ["explain", run, *results, "--target", "50"],
        ["rescore", run, "--metric", "dice"],
        ["export", run, "--coco", str(folder.parent / "masks.json")],
    ]


@pytest.mark.long
def test_a_finished_run_that_lost_parts_is_refused_by_every_reader_and_mended_by_the_same_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*RUN, *dataset_words(folder)]
    assert main(words) == 0
    (store,) = find_runs(folder.parent / "results")
    before = rows_of(store)
    lost = store.parts()[0]
    masks = next(p.contents[0].masks for p in store.survey().sound if p.path == lost)
    lost.unlink()
    capsys.readouterr()
    for command in readers(store, folder):
        assert main(command) == 2, command
        said = one_line(capsys.readouterr().err)
        assert f"says 6 images and 12 masks, the parts hold 4 and {12 - masks}" in said
    with pytest.raises(BenchError, match="copy the run again"):
        bench.read_runs(str(store.folder))
    assert main(["report", str(store.folder), "--results", str(folder.parent / "results"),
                 "--allow-partial"]) == 2  # fmt: skip
    capsys.readouterr()
    assert main(words) == 0
    assert rows_of(RunStore(store.folder)) == before
    assert main(readers(store, folder)[0]) == 0


def test_a_limited_run_that_lost_parts_is_refused_and_a_killed_one_is_what_it_was(
    folder: Path,
) -> None:
    assert main([*RUN, *dataset_words(folder), "runtime.limit=4"]) == 0
    (store,) = find_runs(folder.parent / "results")
    store.parts()[0].unlink()
    with pytest.raises(BenchError, match=r"run\.json says 4 images and 8 masks, the parts hold 2"):
        read_runs([store])
    store.write_header(store.header() | {"status": "running"})
    assert len(read_runs([store])) == 4


def test_a_header_that_knows_of_fewer_images_than_the_parts_hold_is_made_anew(
    folder: Path,
) -> None:
    words = [*RUN, *dataset_words(folder)]
    assert main(words) == 0
    (store,) = find_runs(folder.parent / "results")
    store.write_header(store.header() | {"images_done": 4, "masks": 8, "images_failed": 2})
    with pytest.raises(BenchError, match="says 4 images and 8 masks, the parts hold 6 and 12"):
        read_runs([store])
    assert main(words) == 0
    header = store.header()
    assert (header["images_done"], header["masks"], header["images_failed"]) == (6, 12, 0)
    assert len(read_runs([store])) == 12


def test_parts_of_another_run_of_the_same_name_are_set_aside_and_their_images_done(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*RUN, "model.name=mine", *dataset_words(folder)]
    again = [*words, "model.args.radius=0.4", "prompt=[point_1]"]
    first = [*words, "prompt=[point_1]"]
    results = folder.parent / "results"
    assert main([*first, f"runtime.results={results}"]) == 0
    (theirs,) = find_runs(results)
    assert main([*again, f"runtime.results={folder.parent}/truth"]) == 0
    assert main([*again, "runtime.limit=2"]) == 0
    (ours,) = (store for store in find_runs(results) if store.folder != theirs.folder)
    done = set(ours.content().images)
    moved = [p.path for p in theirs.survey().sound if not done & set(p.images)]
    assert len(moved) == 2
    for path in moved:
        shutil.copy(path, ours.folder / "parts")
    ours = RunStore(ours.folder)
    key, other = ours.header()["key"], theirs.header()["key"]
    with pytest.raises(BenchError, match=f"a part of run {other}, this is run {key}"):
        read_runs([ours])
    capsys.readouterr()
    assert main(again) == 0
    said = "".join(capsys.readouterr().err.split())
    for path in moved:
        assert path.name in said
    assert {p.name for p in (ours.folder / "strange").iterdir()} == {p.name for p in moved}
    (truth,) = find_runs(folder.parent / "truth")
    assert rows_of(ours) == rows_of(truth)
    assert rows_of(ours) != rows_of(theirs)
    assert ours.header()["status"] == "complete"
