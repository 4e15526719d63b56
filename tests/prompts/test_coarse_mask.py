"""Coarse masks of a target: larger, smaller or on coarse cells, and what models make of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from oddities import odd_masks
from small_sam import SmallSam
from whole_runs import configure, execute, rows_of, small_sam_config

from bench.models.disk import Disk
from bench.prompts.coarse_mask import CoarseMask
from bench.protocol import Protocol
from bench.report.export import export_prompts
from bench.types import Mask, MaskCue, Prompt, RegionCue, Site, Target
from bench.types.cues import cues_text, prompt_of_row
from bench.types.regions import region_of

MASKS = {name: dense for name, dense in odd_masks().items() if name != "none"}


def given(change: str, dense: np.ndarray, amount: float = 0.1) -> np.ndarray:
    each = CoarseMask(change, amount, protocol=Protocol())
    target = Target("m", Mask.from_dense(dense))
    prompt = each.next(target, None, None, None, np.random.default_rng(0))
    assert prompt is not None
    region = region_of(prompt)
    assert region is not None
    assert region.shape == dense.shape
    return region.dense()


@pytest.mark.parametrize("name", MASKS)
def test_masks_grow_shrink_and_coarsen(name: str) -> None:
    dense = MASKS[name]
    larger, smaller = given("dilated", dense), given("eroded", dense)
    assert (larger | dense).sum() == larger.sum() >= dense.sum()
    assert (smaller & dense).sum() == smaller.sum() > 0
    assert given("low_resolution", dense).any()
    if name == "all":
        assert larger.all()
        assert smaller.all()  # nothing lies beyond the border to shrink from


def test_by_how_much() -> None:
    dense = np.zeros((60, 80), dtype=bool)
    dense[20:40, 0:50] = True
    expected = np.zeros_like(dense)
    expected[22:38, 0:48] = True
    assert np.array_equal(given("eroded", dense), expected)
    grown = given("dilated", dense)
    assert (grown[30].nonzero()[0].max(), grown[:, 10].nonzero()[0].tolist()[::23]) == (
        51,
        [18, 41],
    )
    cells = given("low_resolution", dense, 0.5)
    assert cells.reshape(6, 10, 8, 10).any(axis=(1, 3)).sum() * 100 == cells.sum()


def test_a_region_is_kept_in_rows_and_drawn() -> None:
    cue = RegionCue(Mask.from_dense(MASKS["parts"]))
    row = {"point_coords": [], "point_labels": [], "box": None}
    kept = prompt_of_row({**row, "cues": cues_text(Prompt(cues=[cue]))})
    assert kept == Prompt(cues=[cue])
    region = region_of(kept)
    assert region is not None
    assert np.array_equal(region.dense(), MASKS["parts"])
    assert len(kept.shapes) == 2


def test_a_sam_takes_it_as_logits_of_its_own_grid() -> None:
    model = SmallSam(site=Site())
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    embedding = model.embed([image])
    dense = np.zeros((48, 64), dtype=bool)
    dense[10:30, 5:40] = True
    found = model.predict(embedding, [Prompt(cues=[RegionCue(Mask.from_dense(dense))])], False)
    h, w = found.frames[0].content
    side, grid = found.frames[0].canvas[0], found.logits[0].shape[-1]
    logits = np.full((grid, grid), -10, dtype=np.float32)
    for y in range(h * grid // side):
        for x in range(w * grid // side):
            cell = 48 / (h * grid / side)
            part = dense[
                round(y * cell) : round((y + 1) * cell), round(x * cell) : round((x + 1) * cell)
            ]
            logits[y, x] = 20 * part.mean() - 10 if part.size else logits[y, x]
    by_hand = model.predict(embedding, [Prompt(mask_logits=logits)], False)
    assert torch.allclose(found.logits[0], by_hand.logits[0], atol=1e-4)
    both = Prompt(cues=[RegionCue(Mask.from_dense(~dense)), MaskCue(logits)])
    assert torch.equal(model.predict(embedding, [both], False).logits[0], by_hand.logits[0])


def test_a_disk_answers_with_it() -> None:
    model = Disk(site=Site())
    dense = MASKS["hole"]
    image = np.zeros((*dense.shape, 3), dtype=np.uint8)
    prompt = Prompt(cues=[RegionCue(Mask.from_dense(dense))])
    found = model.predict(model.embed([image]), [prompt], False)
    assert np.array_equal(found.logits[0][0].numpy() > 0, dense)


@pytest.mark.parametrize("config", [configure, small_sam_config])
def test_a_run_with_masks_is_replayed(
    coco_folder: Callable[..., Path], config: Callable[..., object]
) -> None:
    folder = coco_folder(images=1, masks=2)
    words = ("prompt=mask", "prompt.args.change=eroded", "prompt.args.clicks=2")
    first = execute(config(folder, *words))  # type: ignore[arg-type]
    (run,) = first.work.runs.values()
    export_prompts(run.store, folder / "masks.csv")
    said = f"prompt.args.file={folder / 'masks.csv'}"
    again = execute(config(folder, "prompt=recorded", said, results="again"))  # type: ignore[arg-type]
    rows, others = (
        rows_of(plan).sort_values(["mask_id", "step"])[["iou", "mask_rle", "cues"]].to_dict("list")
        for plan in (first, again)
    )
    assert rows == others
    assert str(run.way.report_steps[3]) == "eroded mask + 2 points"
