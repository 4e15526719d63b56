"""How long a run will take, from what earlier ones took."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from whole_runs import configure, execute, small_sam_config

from bench.run.forecast.forecast import forecast
from bench.run.forecast.pace import Pace, find_pace
from bench.run.forecast.table import clock, forecast_table
from bench.run.plan import make_plan

PROMPTS = "prompt=[point_3,box]"
SECONDS = {
    "load": 4.0, "read": 1.0, "embed": 9.0, "predict": 20.0, "score": 10.0, "total": 42.0,
    "wait": 30.0,
}  # fmt: skip


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=6, masks=2)


def test_time_grows_with_images_and_answers_each_by_its_phases() -> None:
    pace = Pace("d", 10, 100, SECONDS, 2, None, None)
    assert pace.loading == 2.0
    assert pace.time_for(10, 100) == pytest.approx(42)
    assert pace.time_for(100, 1000) == pytest.approx(2 + 400)
    assert pace.time_for(20, 100) == pytest.approx(42 + 40 * 10 / 40)
    assert pace.time_for(10, 200) == pytest.approx(42 + 40 * 30 / 40)


def test_images_without_masks_still_take_time() -> None:
    pace = Pace("d", 10, 0, {"embed": 5.0, "total": 5.0}, 1, None, None)
    assert pace.time_for(20, 60) == pytest.approx(10)


def test_a_header_says_what_its_latest_command_took(folder: Path) -> None:
    execute(configure(folder, PROMPTS, "runtime.limit=2"))
    plan = execute(configure(folder, PROMPTS))
    headers = [run.store.header() for run in plan.work.runs.values()]
    latest = headers[0]["latest"]
    assert latest == headers[1]["latest"]
    assert (latest["images"], latest["answers"], latest["workers"]) == (4, 4 * 2 * 4, 1)
    assert latest["seconds"]["total"] < headers[0]["seconds"]["total"]
    assert latest["memory"]["host"] > 1e8
    assert latest["memory"]["device"] is None


@pytest.mark.long
def test_processes_count_their_models_and_answers(folder: Path) -> None:
    two = ["runtime.devices=[cpu,cpu]", "runtime.part_images=2", PROMPTS]
    plan = execute(small_sam_config(folder, *two))
    latest = plan.work.runs["box"].store.header()["latest"]
    assert (latest["images"], latest["answers"], latest["workers"]) == (6, 6 * 2 * 4, 2)
    assert latest["memory"]["host"] > 1e8


def test_the_pace_is_that_of_the_same_model_in_the_same_place(folder: Path) -> None:
    assert find_pace(make_plan(configure(folder, PROMPTS))) is None
    execute(configure(folder, PROMPTS, "runtime.limit=2"))
    found = find_pace(make_plan(configure(folder, "prompt=[point_1,box]")))
    assert found is not None
    assert (found.dataset, found.images, found.answers) == ("coco", 2, 16)
    for other in (["runtime.workers=7"], ["model.args.radius=0.3"], ["runtime.devices=[cpu,cpu]"]):
        assert find_pace(make_plan(configure(folder, PROMPTS, *other))) is None, other


def test_the_pace_of_a_task_is_no_other_tasks(folder: Path) -> None:
    execute(configure(folder, PROMPTS, "runtime.limit=2"))
    grid = ["task=proposals", "task.args.points_per_side=2"]
    assert find_pace(make_plan(configure(folder, *grid))) is None
    execute(configure(folder, *grid, "runtime.limit=1"))
    found = find_pace(make_plan(configure(folder, *grid)))
    assert found is not None
    assert (found.images, found.answers) == (1, 2)
    finer = ["task=proposals", "task.args.points_per_side=3"]
    assert find_pace(make_plan(configure(folder, *finer))) is None


def test_the_same_dataset_comes_before_another_with_more_images(folder: Path) -> None:
    execute(configure(folder, PROMPTS, "dataset.name=big"))
    said = forecast(make_plan(configure(folder, PROMPTS)))
    assert said.borrowed
    assert said.seconds is not None
    execute(configure(folder, PROMPTS, "runtime.limit=1"))
    said = forecast(make_plan(configure(folder, PROMPTS)))
    assert not said.borrowed
    assert said.pace is not None
    assert said.pace.images == 1


def test_a_time_is_of_the_size_of_the_truth(folder: Path) -> None:
    """Loose, since machines are busy with other things, too."""
    execute(small_sam_config(folder, PROMPTS, "runtime.limit=3"))
    plan = make_plan(small_sam_config(folder, PROMPTS, "dataset.name=again"))
    said = forecast(plan).seconds
    assert said is not None
    took = execute(plan.setting.config).work.runs["box"].store.header()["seconds"]["total"]
    assert took / 5 < said < took * 5


def test_a_strange_header_is_passed_over(folder: Path) -> None:
    plan = execute(configure(folder, PROMPTS, "runtime.limit=2"))
    for each in plan.work.runs.values():
        path = each.store.folder / "run.json"
        header = json.loads(path.read_text())
        header["latest"]["images"] = "many"
        path.write_text(json.dumps(header))
    assert find_pace(make_plan(configure(folder, "prompt=point_1"))) is None


def test_the_table_says_what_is_borrowed(folder: Path) -> None:
    execute(configure(folder, PROMPTS, "dataset.name=other"))
    said = forecast(make_plan(configure(folder, PROMPTS)))
    table = forecast_table([said], 5_000_000)
    assert "On other data: a rough guess." in str(table.caption)
    assert "5 MB of the disk are free" in str(table.caption)
    assert any(str(cell).endswith("*") for column in table.columns for cell in column.cells)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "0 s"), (59.4, "59 s"), (90, "1.5 min"), (3700, "1 h 2 min")]
)
def test_times_are_for_people(seconds: float, said: str) -> None:
    assert clock(seconds) == said
