"""Runs in processes of their own, with real models and real deaths."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from finished import one_line
from PIL import Image
from whole_runs import Silent, comparable, configure, execute, small_sam_config

from bench.cli import main
from bench.config.composing import RunConfig
from bench.run.driver import run
from bench.run.plan import make_plan
from bench.types import BenchError

PROMPTS = "prompt=[point_3,box]"
TWO = ["runtime.devices=[cpu,cpu]", "runtime.part_images=2", PROMPTS]


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=7, masks=2)


@pytest.mark.long
def test_two_processes_give_the_rows_of_one(folder: Path) -> None:
    reference = comparable(execute(small_sam_config(folder, PROMPTS)))
    plan = execute(small_sam_config(folder, *TWO, results="other"))
    assert comparable(plan) == reference
    header = plan.work.runs["box"].store.header()
    assert (header["status"], header["device"]) == ("complete", "cpu, cpu")
    assert header["facts"]["dtype"] == "float32"
    assert set(header["seconds"]) >= {"load", "read", "embed", "predict", "score", "write", "total"}


@pytest.mark.long
@pytest.mark.skipif(torch.cuda.is_available(), reason="all would be the GPUs")
def test_without_a_gpu_all_is_a_process_per_worker(folder: Path) -> None:
    reference = comparable(execute(small_sam_config(folder, PROMPTS)))
    words = ["runtime.devices=all", "runtime.workers=3", PROMPTS]
    plan = execute(small_sam_config(folder, *words, results="other"))
    assert comparable(plan) == reference
    header = plan.work.runs["box"].store.header()
    assert (header["device"], header["latest"]["workers"]) == ("cpu, cpu, cpu", 3)


@pytest.mark.long
def test_two_processes_score_the_images_of_a_subset(folder: Path) -> None:
    drawn = "dataset.args.subsample={above: 6, masks: 6, seed: 1}"
    plan = execute(small_sam_config(folder, PROMPTS, drawn))
    reference = comparable(plan)
    assert len(plan.work.ids) == 3
    assert comparable(execute(small_sam_config(folder, *TWO, drawn, results="other"))) == reference
    (manifest,) = folder.parent.rglob("results/manifests/*.json")
    named = f"dataset.args.manifest={manifest}"
    alone = comparable(execute(small_sam_config(folder, PROMPTS, named)))
    assert len(alone) == len(reference)
    assert comparable(execute(small_sam_config(folder, *TWO, named, results="named"))) == alone


class Stop(Silent):
    """Presses Ctrl-C, or sends what a cluster does, as the third image is done."""

    def __init__(self, number: int) -> None:
        self._number, self.done = number, 0

    def image_done(self, values: Mapping[str, Sequence[float]]) -> None:
        self.done += 1
        if self.done == 3:
            os.kill(os.getpid(), self._number)


@pytest.mark.parametrize(
    ("words", "number"),
    [
        pytest.param(TWO, signal.SIGINT, marks=pytest.mark.long),
        ([PROMPTS, "runtime.workers=1"], signal.SIGINT),
        ([PROMPTS, "runtime.workers=1"], signal.SIGTERM),
    ],
    ids=["two processes", "this process", "SIGTERM"],
)
def test_ctrl_c_stops_after_the_image_in_hand_and_the_rest_is_done_later(
    coco_folder: Callable[..., Path], words: list[str], number: int
) -> None:
    folder = coco_folder(images=30, masks=1)
    plan = make_plan(configure(folder, *words, "runtime.part_images=30"))
    with pytest.raises(KeyboardInterrupt):
        run(plan, Stop(number))
    header = plan.work.runs["box"].store.header()
    assert header["status"] == "partial"
    assert 3 <= header["images_done"] < 30
    second = execute(configure(folder, PROMPTS))
    assert comparable(second) == comparable(execute(configure(folder, PROMPTS, results="whole")))


def deadly(folder: Path, always: Sequence[int], once: Sequence[int]) -> Callable[..., RunConfig]:
    def make(*overrides: str, results: str) -> RunConfig:
        config = configure(folder, *TWO, *overrides, results=results)
        config.model.name, config.model.target = "deadly", "deadly.Deadly"
        config.model.args = {
            "folder": str(folder), "always": list(always), "once": list(once)
        }  # fmt: skip
        config.runtime.allow_modules = ["deadly"]
        return config

    return make


@pytest.mark.long
def test_an_image_that_kills_its_worker_twice_is_recorded_and_no_other_is_lost(
    coco_folder: Callable[..., Path],
) -> None:
    folder = coco_folder(images=10, masks=0)
    document = json.loads((folder / "annotations.json").read_text())
    for entry in document["images"]:
        entry["height"] = 40 + entry["id"]
        Image.new("RGB", (64, entry["height"])).save(folder / "images" / entry["file_name"])
    square = [10, 10, 30, 10, 30, 25, 10, 25]
    document["annotations"] = [
        {"id": i + 1, "image_id": i, "category_id": 1, "iscrowd": 0, "segmentation": [square]}
        for i in range(10)
    ]
    (folder / "annotations.json").write_text(json.dumps(document))

    make = deadly(folder, always=[43], once=[41, 48])
    plan = make_plan(make(results="results"))
    (error,) = run(plan, Silent())
    assert error.image_id == "3"
    assert "ended its worker twice (the last time by signal 9)" in error.reason
    store = plan.work.runs["box"].store
    assert store.errors() == [error]
    assert store.header()["images_done"] == 9
    healed = make_plan(deadly(folder, [], [])(results="results"))
    assert run(healed, Silent()) == []
    reference = execute(deadly(folder, [], [])(results="whole"))
    assert comparable(healed) == comparable(reference)


def test_a_device_that_is_not_there_is_said_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["model=disk", "dataset=coco", PROMPTS, "runtime.devices=[cuda:77,cpu]"]
    paths = [f"dataset.args.{k}={folder}/{v}" for k, v in
             {"annotations": "annotations.json", "images": "images"}.items()]  # fmt: skip
    assert main(["run", *words, *paths, f"runtime.results={folder.parent}/r"]) == 2
    assert "cuda:77" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("devices", ["cpu", "[]", "[1]", "3"])
def test_devices_are_all_or_a_list(folder: Path, devices: str) -> None:
    with pytest.raises(BenchError, match=r"runtime\.devices must be all or a list"):
        configure(folder, f"runtime.devices={devices}")
