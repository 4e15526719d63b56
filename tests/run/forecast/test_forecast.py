"""What is said before a run, held against what the run then does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from finished import dataset_words
from whole_runs import configure, execute, rows_of, small_sam_config

from bench.cli import main
from bench.config.composing import load_configs
from bench.run.driver import run
from bench.run.forecast import workload as workload_module
from bench.run.forecast.forecast import Forecast, forecast, worth_saying
from bench.run.forecast.memory import BASE, CANVAS, LOGITS, need
from bench.run.forecast.workload import MASKS_PER_IMAGE, workload
from bench.run.plan import Plan, make_plan

PROMPTS = "prompt=[point_3,box]"


class Counting:
    def __init__(self) -> None:
        self.images = 0

    def image_done(self, ious: object) -> None:
        self.images += 1

    def image_failed(self, error: object) -> None:
        raise AssertionError(error)


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=7, masks=3)


def shapes(folder: Path, *words: str) -> Plan:
    base = ["model=disk", "dataset=shapes", "dataset.args.count=6", PROMPTS]
    return make_plan(load_configs([*base, f"runtime.results={folder.parent}/results", *words])[0])


def assert_does(plan: Plan, said: Forecast, before: int) -> None:
    """The run does what was said, to the row."""
    counting = Counting()
    run(plan, counting)
    rows = rows_of(plan)
    assert counting.images == said.work.images
    assert len(rows) - before == said.work.answers


def test_counts_are_those_of_the_run_and_of_the_rest_of_it(folder: Path) -> None:
    first = make_plan(configure(folder, PROMPTS, "runtime.limit=2"))
    said = forecast(first)
    assert (said.work.images, said.done, said.images, said.limited) == (2, 0, 7, True)
    assert (said.work.masks, said.work.answers) == (6, 6 * (3 + 1))
    assert (said.work.counted, said.work.source) == (True, "counted in the dataset")
    assert said.prompts == ("point_3 (3)", "box (1)")
    assert_does(first, said, before=0)

    rest = make_plan(configure(folder, "prompt=[point_3,box,point_1]"))
    said = forecast(rest)
    assert (said.work.images, said.done, said.limited) == (7, 0, False)
    assert said.work.answers == 15 * 3 + 15 * 1 + 21 * 1, "point_1 is new on all seven"
    assert_does(rest, said, before=24)

    done = forecast(make_plan(configure(folder, PROMPTS)))
    assert (done.work.images, done.work.answers, done.done, done.disk) == (0, 0, 7, 0)
    assert (done.seconds, done.memory) == (None, None)


def test_a_subset_is_counted_too(folder: Path) -> None:
    plan = make_plan(configure(folder, "dataset.args.subsample={above: 6, masks: 6, seed: 1}"))
    assert (workload(plan).images, workload(plan).masks) == (2, 6)


def test_of_many_images_some_are_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload_module, "MOST_COUNTED", 3)
    work = workload(make_plan(configure(folder, "prompt=box")))
    assert (work.masks, work.answers, work.counted) == (21, 21, False)
    assert work.source == "counted in 3 of 7 images"


def test_masks_are_guessed_then_taken_from_finished_images(folder: Path) -> None:
    work = workload(shapes(folder))
    assert (work.masks, work.counted) == (6 * MASKS_PER_IMAGE, False)
    assert "guessed" in work.source
    assert workload(shapes(folder, "+dataset.about.expected.masks=24")).masks == 24
    execute(shapes(folder, "runtime.limit=3").setting.config)
    rest = shapes(folder)
    masks = rest.work.runs["box"].store.header()["masks"]
    work = workload(rest)
    assert (work.masks, work.answers) == (masks, masks * (3 + 1))
    assert work.source == "as in 3 finished images"


def test_memory_is_reckoned_then_measured(folder: Path) -> None:
    words = ["model.about.parameters=1000000000", PROMPTS]
    reckoned = forecast(make_plan(small_sam_config(folder, *words))).memory
    small = forecast(make_plan(small_sam_config(folder, PROMPTS))).memory
    assert reckoned is not None
    assert small is not None
    assert not reckoned.measured
    assert reckoned.memory.host - small.memory.host == 8_000_000_000, "twice the weights"
    assert small.memory.host > BASE
    assert str(small).startswith("over ")
    execute(small_sam_config(folder, PROMPTS, "runtime.limit=3"))
    measured = forecast(make_plan(small_sam_config(folder, PROMPTS))).memory
    assert measured is not None
    assert measured.measured
    assert 1e8 < measured.memory.host < 1e11


def test_processes_are_reckoned_each(folder: Path) -> None:
    two = forecast(make_plan(small_sam_config(folder, "runtime.devices=[cpu,cpu]"))).memory
    assert str(two).startswith("2 × over ")
    every = small_sam_config(folder, "runtime.devices=all", "runtime.workers=3")
    if not torch.cuda.is_available():
        assert str(forecast(make_plan(every)).memory).startswith("3 × over ")


def test_on_cuda_the_device_holds_the_weights_and_the_batch(folder: Path) -> None:
    def device_bytes(*words: str) -> int:
        plan = make_plan(small_sam_config(folder, "model.about.parameters=1000000", *words))
        on_cuda = replace(plan.setting, site=replace(plan.setting.site, device="cuda:0"))
        found = need(replace(plan, setting=on_cuda), None)
        assert not found.measured
        assert "CUDA" in str(found)
        assert found.memory.device is not None
        return found.memory.device

    one = device_bytes("runtime.prompt_batch=1")
    assert one > 4_000_000
    assert device_bytes("runtime.prompt_batch=11") - one == 10 * LOGITS
    assert device_bytes("runtime.prompt_batch=1", "runtime.image_batch=2") - one > CANVAS


def test_only_long_commands_say_it_beforehand(folder: Path) -> None:
    plan = make_plan(configure(folder, "prompt=box"))
    assert not worth_saying([plan])
    assert worth_saying([plan] * 2)
    assert worth_saying([plan] * 3)
    execute(configure(folder, "prompt=box"))
    assert not worth_saying([make_plan(configure(folder, "prompt=box"))] * 2)


def test_the_flag_says_it_and_runs_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["prompt=[point_1,box]", *dataset_words(folder)]
    assert main(["run", "--plan", "model=disk,grabcut", *words]) == 0
    captured = capsys.readouterr()
    lines = [line.split() for line in captured.out.splitlines()]
    for model in ("disk", "grabcut"):
        (line,) = [line for line in lines if line[:1] == [model]]
        expected = ["blobs", "point_1", "(1),", "box", "(1)", "7", "0", "of", "7", "21", "42"]
        assert line[12:14] == ["unknown", "over"]
        assert line[1 : 1 + len(expected)] == expected
    (total,) = [line for line in lines if line[:1] == ["total"]]
    assert total[1:9] == ["14", "0", "of", "14", "42", "84", "2", "unknown"]
    assert "runtime.limit=5" in captured.out
    assert "\x1b" not in captured.out
    assert captured.err == ""
    assert not list(folder.parent.rglob("results")), "no folder is made"


@pytest.mark.long
def test_a_long_command_says_it_and_a_short_one_does_not(
    coco_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = coco_folder(images=22, masks=1)
    words = ["run", "model=disk", "prompt=box", *dataset_words(folder)]
    assert main([*words, "runtime.limit=20"]) == 0
    assert "Plan" not in capsys.readouterr().err
    assert main([*words, "model=disk,grabcut"]) == 0
    captured = capsys.readouterr()
    assert "Plan: what is to do" in captured.err
    assert "as 20 images of blobs took" in " ".join(captured.err.split())
    assert "Plan" not in captured.out
    assert main(["run", "--plan", "model=disk", "prompt=box", *dataset_words(folder)]) == 0
    assert "Everything is done" in capsys.readouterr().out
