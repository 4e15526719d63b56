"""Runs of a model some of whose answers are NaN: the images fail, and nobody's score moves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from finished import dataset_words
from whole_runs import Silent, configure

from bench.cli import main
from bench.config.composing import RunConfig
from bench.models.disk import Disk
from bench.run.driver import run
from bench.run.plan import Plan, make_plan
from bench.store.runs import ImageError, RunStore, find_runs, read_runs
from bench.types import BenchError, Prediction, Prompt, Site

ODD = 5
"""A click on a column that this divides is answered with NaN."""


class Odd(Disk):
    """Some of its masks are NaN at the second click, or what is predicted of them."""

    def __init__(self, of: str = "logits", *, site: Site) -> None:
        super().__init__(site=site)
        self._of = of

    def predict(
        self, embeddings: Sequence[object], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        found = super().predict(embeddings, prompts, multimask)
        for number, prompt in enumerate(prompts):
            if odd(prompt.points):
                if self._of == "logits":
                    found.logits[number][0, 2, 3] = torch.nan
                else:
                    found.predicted_iou[number][0] = torch.inf
        return found


def odd(points: Sequence[Sequence[float]]) -> bool:
    return len(points) == 2 and int(points[1][0]) % ODD == 0


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=12, masks=2)


def odd_config(folder: Path, *words: str, results: str, of: str = "logits") -> RunConfig:
    config = configure(folder, "prompt=[point_3,box]", *words, results=results)
    config.model.name, config.model.target = "disk", "test_no_numbers.Odd"
    config.model.args = {"of": of}
    config.runtime.allow_modules = ["test_no_numbers"]
    return config


def execute(config: RunConfig) -> tuple[Plan, list[ImageError]]:
    plan = make_plan(config)
    return plan, run(plan, Silent())


def rows_of(store: RunStore) -> list[str]:
    frame = read_runs([store], ["iou", "mask_rle"]).drop(columns="run")
    return [str(row) for row in frame.itertuples(index=False, name=None)]


@pytest.mark.parametrize("of", ["logits", "predicted_iou"])
def test_images_with_such_answers_fail_by_name_for_that_prompt_and_the_others_are_as_ever(
    folder: Path, of: str
) -> None:
    sound, _ = execute(configure(folder, "prompt=[point_3,box]", results="sound"))
    clicks = read_runs([sound.work.runs["point_3"].store], ["point_coords", "iou", "mask_rle"])
    wrong = clicks[clicks["step"].eq(2) & clicks["point_coords"].map(odd)]
    expected = set(wrong["image_id"])
    assert 0 < len(expected) < 12
    plan, errors = execute(odd_config(folder, results="odd", of=of))
    assert {error.image_id for error in errors} == expected
    for error in errors:
        first = wrong.loc[wrong["image_id"] == error.image_id, "mask_id"].iloc[0]
        value = "1 of " if of == "logits" else "the predicted IoU of candidate 1 of 1"
        said = f"point_3: model disk, mask {first}, step 2: NaN or infinite: {value}"
        assert error.reason.startswith(said)
    points, box = (plan.work.runs[name].store for name in ("point_3", "box"))
    assert {error.image_id for error in points.errors()} == expected
    header = points.header()
    assert (header["status"], header["images_failed"]) == ("complete", len(expected))
    assert box.errors() == []
    assert rows_of(box) == rows_of(sound.work.runs["box"].store)
    kept = clicks[~clicks["image_id"].isin(expected)].drop(columns=["run", "point_coords"])
    assert rows_of(points) == [str(r) for r in kept.itertuples(index=False, name=None)]
    again = make_plan(odd_config(folder, results="odd", of=of))
    assert set(again.work.todo) == expected, "the same command tries them again, and no others"


@pytest.mark.parametrize(
    "words",
    [
        ["runtime.workers=1", "runtime.prompt_batch=1", "runtime.part_images=1"],
        ["runtime.workers=4", "runtime.image_batch=5", "runtime.prompt_batch=7"],
        pytest.param(["runtime.devices=[cpu,cpu]"], marks=pytest.mark.long),
    ],
)
def test_which_images_fail_and_why_does_not_depend_on_batches(
    folder: Path, words: list[str]
) -> None:
    _, one = execute(odd_config(folder, results="one"))
    _, other = execute(odd_config(folder, *words, results="other"))
    assert sorted(map(str, one)) == sorted(map(str, other))
    stores = [find_runs(folder.parent / name, ["*-point_3-*"])[0] for name in ("one", "other")]
    assert rows_of(stores[0]) == rows_of(stores[1])


def test_strict_stops_at_the_first(folder: Path) -> None:
    plan = make_plan(odd_config(folder, "runtime.strict=true", results="strict"))
    with pytest.raises(
        BenchError, match=r"image \d+: point_3: model disk, mask .*NaN or infinite.*strict"
    ):
        run(plan, Silent())
    store = plan.work.runs["point_3"].store
    assert store.header()["status"] == "partial"
    assert len(read_runs([store])) == 6 * len(store.content().images)


class NoNumbers(Disk):
    """Nothing but NaN."""

    def predict(
        self, embeddings: Sequence[object], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        found = super().predict(embeddings, prompts, multimask)
        return Prediction(found.logits * torch.nan, found.predicted_iou, found.frames)


def test_a_model_that_only_answers_so_is_stopped_and_with_a_reason_ends_with_every_image_failed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "model=disk", "prompt=[point_1]", *dataset_words(folder),
             "model.target=test_no_numbers.NoNumbers",
             "runtime.allow_modules=[test_no_numbers]"]  # fmt: skip
    assert main(words) == 2
    said = capsys.readouterr().err
    assert re.search(r"the answers to all \d+ pictures so far hold NaN", said), said
    plan = make_plan(configure(folder, "prompt=point_1", results="unused"))
    config = plan.setting.config
    config.model.target = "test_no_numbers.NoNumbers"
    config.runtime.allow_modules = ["test_no_numbers"]
    config.runtime.allow_degenerate = "to see them all fail"
    again, errors = execute(config)
    assert len(errors) == 12
    store = again.work.runs["point_1"].store
    lines = (store.folder / "errors.jsonl").read_text().splitlines()
    assert {json.loads(line)["image_id"] for line in lines} == {e.image_id for e in errors}
    assert store.header()["images_failed"] == 12
