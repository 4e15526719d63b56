"""A model that answers nothing stops a run; what only looks like it does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from finished import dataset_words

from bench.cli import main
from bench.config.composing import load_configs
from bench.files.sizes import megabytes
from bench.models.disk import Disk
from bench.models.sam_embedding import SamEmbedding
from bench.run.forecast.disk_space import bytes_needed, check_disk_space
from bench.run.health import LEAST_ROWS, PICTURES, Health
from bench.run.plan import make_plan
from bench.store.runs import find_runs
from bench.tasks.contract import Scored
from bench.types import BenchError, ImageArray, Mask, MaskRow, Prediction, Prompt, Sample


def picture(seed: int, blank: bool = False) -> Sample:
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 17, 3), dtype=np.uint8)
    return Sample(str(seed), pixels * 0 if blank else pixels, [])


def row(filled: bool, kept: bool = True) -> MaskRow:
    dense = np.zeros((12, 17), dtype=bool)
    dense[3, 4] = filled
    return MaskRow(
        dataset="d", image_id="i", mask_id="m", model="x", prompt="box", protocol="sam", step=1,
        category=None, attributes={}, height=12, width=17, area=9, n_points=0, point_coords=[],
        point_labels=[], box=None, iou=0.0, iou_oracle=0.0, ious=[0.0], predicted_ious=[0.0],
        selected=0, multimask=False,
        mask_rle=Mask.from_dense(dense).to_rle() if kept else None,
    )  # fmt: skip


def look(health: Health, sample: Sample, embedding: object, *rows: MaskRow) -> None:
    health.look(sample, embedding, Scored(sample.image_id, {"box": rows}), "results/runs/x")


def sam(values: torch.Tensor) -> SamEmbedding:
    return SamEmbedding(values, (12, 17), (12, 17))


def test_one_embedding_for_every_picture_stops_after_enough_of_them() -> None:
    health, same = Health(), sam(torch.ones(2, 3, 3))
    for seed in range(PICTURES - 1):
        look(health, picture(seed), same, row(True))
    look(health, picture(0), same, row(True))  # again: no further evidence
    with pytest.raises(BenchError, match="8 different pictures have the same embedding") as caught:
        look(health, picture(99), same, row(True))
    assert "remove what was written: results/runs/x" in str(caught.value)
    assert "runtime.allow_degenerate" in str(caught.value)


def test_embeddings_without_numbers_stop() -> None:
    health, broken = Health(), sam(torch.full((2, 3, 3), torch.nan))
    for seed in range(PICTURES - 1):
        look(health, picture(seed), broken, row(True))
    with pytest.raises(BenchError, match="NaN or infinite"):
        look(health, picture(99), broken, row(True))


def test_answers_without_numbers_stop_and_pictures_without_a_mask_are_no_answers() -> None:
    health, nothing = Health(), Scored("i", {})
    faulty = Scored("i", {}, faults={"box": "NaN"})
    for seed in range(PICTURES - 1):
        health.look(picture(seed), seed, faulty, "results/runs/x")
    health.look(picture(98), 98, nothing, "results/runs/x")
    with pytest.raises(BenchError, match="the answers to all 8 pictures so far hold NaN"):
        health.look(picture(99), 99, faulty, "results/runs/x")
    spared = Health()
    spared.look(picture(0), 0, Scored("i", {"box": [row(True)]}, faults={"point_1": "NaN"}), "x")
    for seed in range(1, 3 * PICTURES):
        spared.look(picture(seed), seed, faulty, "results/runs/x")


def test_no_memory_for_any_of_the_first_images_stops_and_for_some_does_not() -> None:
    health, spared = Health(), Health("it may answer nothing")
    reason = "out of memory on the device with runtime.image_batch=1: 9 GiB; take another image"
    for _ in range(PICTURES - 1):
        health.found_no_memory(reason)
    with pytest.raises(BenchError, match=r"each of the first 8 images.*9 GiB; take a small"):
        health.found_no_memory(reason)
    look(spared, picture(0), 0, row(True))
    for _ in range(3 * PICTURES):
        spared.found_no_memory(reason)


@pytest.mark.parametrize("kept", [True, False])
def test_nothing_but_empty_masks_stops(kept: bool) -> None:
    health = Health()
    for seed in range(PICTURES - 1):
        look(health, picture(seed), seed, *[row(False, kept)] * 3)
    with pytest.raises(BenchError, match=f"all {3 * PICTURES} masks in the first 8 pictures"):
        look(health, picture(99), 99, *[row(False, kept)] * 3)
    assert 3 * PICTURES >= LEAST_ROWS


@pytest.mark.parametrize(
    ("embedding", "filled", "blank"),
    [
        (lambda seed: (12, 17), True, False),  # what `disk` has: a size, no tensor
        (lambda seed: sam(torch.full((1, 2, 2), float(seed))), True, False),
        (lambda seed: sam(torch.ones(1, 2, 2)), False, True),  # blank pictures are alike
        (lambda seed: sam(torch.full((1, 2, 2), float(seed % 2))), True, False),
        (lambda seed: seed, None, False),  # pictures without a mask to find
    ],
)
def test_what_only_looks_like_it_does_not(
    embedding: Callable[[int], object], filled: bool | None, blank: bool
) -> None:
    health = Health()
    for seed in range(3 * PICTURES):
        rows = [] if filled is None else [row(filled)]
        look(health, picture(seed, blank), embedding(seed), *rows)


def test_few_empty_masks_and_one_that_is_not_are_no_proof() -> None:
    health = Health()
    for seed in range(3 * PICTURES):
        look(health, picture(seed), seed, row(seed == 4), row(False))


def test_a_reason_switches_it_off() -> None:
    health = Health("it is meant to be empty")
    for seed in range(2 * PICTURES):
        look(health, picture(seed), sam(torch.ones(2, 3, 3)), row(False))


class Silent(Disk):
    """Masks without a pixel, whatever is asked."""

    def predict(
        self, embeddings: Sequence[object], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        found = super().predict(embeddings, prompts, multimask)
        return Prediction(found.logits * 0 - 1, found.predicted_iou, found.frames)

    def embed(self, images: Sequence[ImageArray]) -> list[tuple[int, int]]:
        return super().embed(images)


def test_a_run_of_a_silent_model_is_stopped_and_a_right_one_is_not(
    coco_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = coco_folder(images=2 * PICTURES, masks=2)
    words = ["run", "prompt=[point_1]", *dataset_words(folder)]
    silent = ["model=disk", "model.name=silent", "model.target=test_health.Silent",
              "runtime.allow_modules=[test_health]"]  # fmt: skip
    assert main([*words, *silent]) == 2
    err = capsys.readouterr().err
    assert "the model gives no answer" in err
    assert "Traceback" not in err
    assert main([*words, *silent, "runtime.allow_degenerate='a test'"]) == 0
    assert main([*words, "model=disk"]) == 0


@pytest.mark.long
def test_what_a_run_will_write_is_reckoned_and_compared_with_the_disk(
    coco_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = coco_folder(images=9, masks=3)
    words = ["model=disk", "prompt=[point_1,point_3]", *dataset_words(folder)]
    plan = make_plan(load_configs(words)[0])
    guessed = bytes_needed(plan)
    assert bytes_needed(make_plan(load_configs([*words, "runtime.keep_masks=false"])[0])) < guessed
    more = make_plan(load_configs([*words, "runtime.keep_candidates=true"])[0])
    assert 2 * guessed < bytes_needed(more) < 4 * guessed
    check_disk_space([plan])
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(BenchError, match=r"1 MB are free, the run needs about .*keep_masks=false"):
        check_disk_space([plan])
    monkeypatch.undo()
    assert main(["run", *words]) == 0
    written = sum(
        path.stat().st_size
        for store in find_runs(folder.parent / "results")
        for path in store.parts()
    )
    assert written < guessed
    done = make_plan(load_configs(words)[0])
    assert bytes_needed(done) == 0
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=0))
    check_disk_space([done])  # nothing to write needs no room


def test_a_damaged_part_does_not_keep_a_run_from_being_mended(
    coco_folder: Callable[..., Path],
) -> None:
    folder = coco_folder(images=4, masks=2)
    words = ["model=disk", "prompt=[point_1]", *dataset_words(folder)]
    assert main(["run", *words, "runtime.part_images=2"]) == 0
    (store,) = find_runs(folder.parent / "results")
    part = store.parts()[0]
    part.write_bytes(part.read_bytes()[:-9] + b"\0" * 9)
    plan = make_plan(load_configs(words)[0])
    assert len(plan.work.todo) == 2
    assert bytes_needed(plan) > 0
    assert main(["run", *words]) == 0
    assert not make_plan(load_configs(words)[0]).work.todo


def test_sizes_are_said_in_whole_megabytes() -> None:
    assert megabytes(1) == "1 MB"
