"""The same command again does what is missing and nothing else, whatever ended the first one."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from finished import dataset_words, one_line
from whole_runs import Each, Silent, comparable, configure, execute, rows_of

import bench
from bench.cli import main
from bench.run.driver import run
from bench.run.plan import make_plan
from bench.store.runs import RunStore, find_runs, read_runs
from bench.types import BenchError

PROMPTS = "prompt=[point_3,box]"


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=6, masks=2)


def test_a_command_killed_before_it_closed_its_run_is_closed_by_the_next(folder: Path) -> None:
    plan = execute(configure(folder))
    store = plan.work.runs["box"].store
    store = RunStore(store.folder)
    store.write_header(store.header() | {"status": "running"})
    parts = store.parts()
    again = make_plan(configure(folder))
    assert again.work.todo == ()
    assert run(again, Silent()) == []
    assert store.header()["status"] == "complete"
    assert store.parts() == parts


def test_a_damaged_part_is_named_set_aside_and_its_images_done_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "model=disk", PROMPTS, "runtime.part_images=2", *dataset_words(folder)]
    assert main(words) == 0
    (box,) = (folder.parent / "results" / "runs").glob("*-box-*")
    store = RunStore(box)
    before, broken = rows_of_folder(store), store.parts()[1]
    data = bytearray(broken.read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(bytes(data))
    capsys.readouterr()
    assert main(["report", str(box), "--results", str(folder.parent / "results")]) == 2
    assert broken.name in one_line(capsys.readouterr().err)
    assert main(words) == 0
    said = "".join(capsys.readouterr().err.split())  # the console breaks long lines
    assert broken.name in said
    assert "setaside" in said
    assert [path.name for path in (box / "damaged").iterdir()] == [broken.name]
    assert rows_of_folder(store) == before
    assert not (box / "owner.json").exists()


def test_the_progress_of_a_run_that_goes_on_ends_with_the_tables_mean(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "model=disk", PROMPTS, *dataset_words(folder)]
    assert main([*words, "runtime.limit=2", "runtime.part_images=1"]) == 0
    (box,) = find_runs(folder.parent / "results", ["*-box-*"])
    broken = box.parts()[0]
    broken.write_bytes(broken.read_bytes()[:-1])
    capsys.readouterr()
    assert main(words) == 0
    last = next(x for x in capsys.readouterr().err.splitlines() if "5/5 images" in x)
    rows = read_runs(find_runs(folder.parent / "results"), ["prompt", "iou"])
    means = rows.groupby(["prompt", "step"])["iou"].mean()
    said = f"point_3 {100 * means['point_3', 3]:.1f} · box {100 * means['box', 1]:.1f}"
    assert last.endswith(f"mIoU of the run so far: {said}")


def rows_of_folder(store: RunStore) -> list[tuple[object, ...]]:
    frame = read_runs([store], ["iou", "boundary_iou", "mask_rle"])
    return list(frame.itertuples(index=False, name=None))


def test_images_done_twice_are_done_once_in_the_end(folder: Path) -> None:
    first = execute(configure(folder, PROMPTS, "runtime.part_images=3"))
    other = execute(configure(folder, PROMPTS, "runtime.part_images=2", results="other"))
    stray = other.work.runs["box"].store.parts()[0]
    shutil.copy(stray, first.work.runs["box"].store.folder / "parts" / stray.name)
    again = execute(configure(folder, PROMPTS))
    assert comparable(again) == comparable(other)
    assert again.work.runs["box"].store.header()["status"] == "complete"


def test_a_plan_made_before_another_command_ran_does_nothing_twice(folder: Path) -> None:
    early, late = (make_plan(configure(folder, PROMPTS)) for _ in range(2))
    run(late, Silent())
    assert len(early.work.todo) == 6
    run(early, Silent())
    assert len(rows_of(early)) == 6 * 2 * (3 + 1)


def test_a_run_at_work_is_refused_to_others(folder: Path) -> None:
    config = configure(folder, PROMPTS, "runtime.workers=1")
    said: list[str] = []

    def intrude() -> None:
        with pytest.raises(BenchError) as found:
            run(make_plan(config), Silent())
        said.append(str(found.value))

    plan = make_plan(config)
    run(plan, Each(intrude))
    assert len(said) == 6
    assert all("another command is at work on this run" in line for line in said)
    assert len(rows_of(plan)) == 6 * 2 * (3 + 1)


def test_a_results_folder_that_goes_away_is_one_line(folder: Path) -> None:
    plan = make_plan(configure(folder, PROMPTS, "runtime.workers=1", "runtime.part_images=1"))
    results = folder.parent / "results"
    moved = folder.parent / "moved"

    def lose() -> None:
        if results.exists():
            results.rename(moved)

    with pytest.raises(BenchError, match=r"no longer holds the run|cannot be written|is gone"):
        run(plan, Each(lose))
    shutil.rmtree(results, ignore_errors=True)
    moved.rename(results)
    again = execute(configure(folder, PROMPTS))
    assert comparable(again) == comparable(execute(configure(folder, PROMPTS, results="whole")))


@pytest.mark.parametrize(
    "words",
    [
        ["runtime.workers=3", "runtime.image_batch=2", "runtime.prompt_batch=3"],
        ["runtime.part_images=1", "runtime.keep_masks=true", "runtime.workers=1"],
    ],
)
def test_a_run_goes_on_under_other_settings(folder: Path, words: list[str]) -> None:
    execute(configure(folder, PROMPTS, "runtime.limit=2"))
    plan = execute(configure(folder, PROMPTS, *words))
    assert len(plan.work.todo) == 4
    assert comparable(plan) == comparable(execute(configure(folder, PROMPTS, results="whole")))


@pytest.mark.long
def test_a_sweep_goes_on_where_it_stopped(folder: Path) -> None:
    words = ["run", "model=disk", "protocol=sam,fairness", PROMPTS, *dataset_words(folder)]
    assert main([*words, "runtime.limit=2"]) == 0
    runs = sorted((folder.parent / "results" / "runs").iterdir())
    assert len(runs) == 4
    gone, kept = RunStore(runs[0]), [RunStore(path) for path in runs[1:]]
    assert main(words) == 0
    parts = [store.parts() for store in kept]
    shutil.rmtree(gone.folder)
    assert main(words) == 0
    assert [store.parts() for store in kept] == parts
    assert len(gone.content().images) == 6


EXPERIMENT = """\
# @package _global_
defaults:
  - override /dataset: shapes
  - override /model: disk
  - override /prompt: [point_1, box]
dataset: {args: {count: 6, objects: 2, sizes: [[48, 64]]}}
sweep:
  protocol: [sam, fairness, segment_anything_fast]
"""


@pytest.mark.long
def test_an_experiment_killed_in_the_middle_goes_on_by_itself(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "grid.yaml").write_text(EXPERIMENT)

    def words(results: str) -> list[str]:
        runtime = [f"runtime.results={tmp_path}/{results}", "runtime.device=cpu",
                   "runtime.part_images=1", "runtime.workers=1"]  # fmt: skip
        return ["run", "experiment=grid", "--config-dir", str(tmp_path), *runtime]

    def runs(results: str) -> list[RunStore]:
        return find_runs(tmp_path / results)

    root = Path(bench.__file__).parent.parent
    process = subprocess.Popen([sys.executable, "-m", "bench", *words("killed")], cwd=root)
    while len(list(tmp_path.glob("killed/runs/*/parts/*.parquet"))) < 15:
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    done = {store.folder.name: store.parts() for store in runs("killed")}
    assert 15 <= sum(map(len, done.values())) < 6 * 6
    assert main(words("killed")) == 0
    assert main(words("whole")) == 0
    assert len(runs("killed")) == 6
    for store in runs("killed"):
        assert store.header()["status"] == "complete"
        assert set(store.parts()) >= set(done.get(store.folder.name, []))
    columns = ["iou", "boundary_iou", "mask_rle", "selected"]
    rows = {results: read_runs(runs(results), columns) for results in ("killed", "whole")}
    pd.testing.assert_frame_equal(rows["killed"], rows["whole"], check_exact=True)
