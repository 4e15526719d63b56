"""Runs that commit d90c426 wrote, when the rooms had other addresses, are runs as any other."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.selection import select
from bench.cli import main
from bench.config.component import Component, load_class
from bench.config.composing import load_configs
from bench.data import readers
from bench.data.opening import reader_of_run, samples_of_runs
from bench.data.readers.shapes import Shapes
from bench.run import runtime
from bench.run.forecast.pace import find_pace
from bench.run.plan import make_plan
from bench.store.runs import RunStore, find_runs, read_runs
from bench.types import BenchError

WRITTEN = Path(__file__).with_name("earlier_runs")
SHAPES = ["model=demo_s", "dataset=shapes", "dataset.args.count=2", "prompt=[point_3,box]"]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    shutil.copytree(WRITTEN, tmp_path / "results")
    return tmp_path / "results"


def test_the_same_command_finds_them_under_their_keys_and_has_nothing_to_do(results: Path) -> None:
    (config,) = load_configs([*SHAPES, f"runtime.results={results}"])
    plan = make_plan(config)
    keys = {name: run.key for name, run in plan.work.runs.items()}
    assert keys == {"point_3": "1f5d356b4128", "box": "697766b3f9fe"}
    assert plan.work.todo == ()


def test_a_fresh_run_has_their_rows(results: Path, tmp_path: Path) -> None:
    assert main(["run", *SHAPES, f"runtime.results={tmp_path / 'fresh'}"]) == 0
    earlier = read_runs(find_runs(results, ["shapes-*"]))
    fresh = read_runs(find_runs(tmp_path / "fresh", ["shapes-*"]))
    columns = [name for name in earlier.columns if name != "predicted_ious"]
    plain = [frame[columns].astype(str).to_dict("records") for frame in (earlier, fresh)]
    assert plain[0] == plain[1]
    assert len(plain[0]) == 96
    # The model's own numbers: another processor sums them in another order (2.7e-7 on an EPYC).
    for before, now in zip(earlier["predicted_ious"], fresh["predicted_ious"], strict=True):
        np.testing.assert_allclose(now, before, rtol=0, atol=1e-6)


def test_their_images_stand_alone(results: Path) -> None:
    rows = select(find_runs(results, ["shapes-*"])).rows
    assert rows["cluster"].astype(str).tolist() == rows["image_id"].tolist()


def test_their_data_is_opened_from_the_address_in_the_header(results: Path) -> None:
    (store,) = find_runs(results, ["shapes-*-box-*"])
    assert store.header()["dataset"]["target"] == "bench.readers.shapes.Shapes"
    reader = reader_of_run(store, Path("datasets"))
    assert isinstance(reader, Shapes)
    rows = read_runs([store])
    sample = samples_of_runs(Path("datasets"))(store, rows["image_id"][0])
    assert {target.mask_id for target in sample.targets} >= set(
        rows.loc[rows["image_id"] == sample.image_id, "mask_id"]
    )


def test_their_pace_foretells_the_next_run(results: Path) -> None:
    words = [*SHAPES, "seed=5", f"runtime.results={results}", "runtime.workers=2",
             "runtime.part_images=1", "runtime.device=cpu"]  # fmt: skip
    for header in results.glob("runs/*/run.json"):
        text = header.read_text().replace('"cores": 2', f'"cores": {os.cpu_count()}')
        header.write_text(text)
    (config,) = load_configs(words)
    found = find_pace(make_plan(config))
    assert found is not None
    assert found.dataset == "shapes"


@pytest.mark.long
def test_they_are_reported_compared_rescored_and_exported(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    every = [str(path) for path in sorted((results / "runs").iterdir())]
    mine, theirs, box, _ = every
    page = ["--name", "old", "--results", str(results), "--allow-partial"]
    assert main(["report", *every, *page]) == 0
    text = (results / "reports" / "old" / "table.md").read_text()
    assert "| mine |" in text  # a name that was given is the label, whatever the header's title
    assert "Disk" not in text
    assert (
        "Some pictures are not available"
        not in (results / "reports" / "old" / "index.html").read_text()
    )
    assert main(["rescore", box, "--metric", "dice"]) == 0
    assert main(["export", mine, "--coco", str(tmp_path / "masks.json")]) == 0
    assert "mine" in capsys.readouterr().out + text
    assert RunStore(Path(theirs)).header()["task"] == "given_masks"


@pytest.mark.parametrize(
    ("old", "group", "args"),
    [
        ("bench.readers.coco.Coco", "dataset", {"annotations": "a.json", "images": "b"}),
        ("bench.readers.shapes.Shapes", "dataset", {"count": 1}),
        ("bench.runtime.local.Local", "runtime", {}),
        ("bench.runtime.ray_actors.RayActors", "runtime", {}),
    ],
)
def test_every_room_that_moved_is_found_at_its_old_address(
    old: str, group: str, args: dict[str, object]
) -> None:
    room = {"dataset": readers, "runtime": runtime}[group]
    new = room.__name__ + old.removeprefix(room.FORMERLY)
    assert new != old
    found = [load_class(Component("x", "1", target, args), room) for target in (old, new)]
    assert found[0] is found[1]


def test_an_address_of_nothing_says_what_and_where_it_looked() -> None:
    part = Component("x", "1", "bench.readers.cocoa.Coco")
    with pytest.raises(BenchError) as caught:
        load_class(part, readers)
    assert "no class 'bench.readers.cocoa.Coco' in bench.data.readers.cocoa" in str(caught.value)
