"""Automatic masks over a grid, with the thresholds that fit the demo model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import bench.demo
from bench.demo.training import automatic
from bench.demo.training.automatic import found_and_right, mask_generator
from bench.demo.training.holdout import evaluation_scene
from bench.demo.training.weights import load_demo_sam

CHECKPOINT = Path(bench.demo.__file__).parent / "checkpoints" / "demo_m.safetensors"


def test_found_and_right_count_both_ways() -> None:
    target = np.zeros((20, 30), bool)
    target[5:15, 5:15] = True
    other = np.roll(target, 12, axis=1)
    close = np.roll(target, 2, axis=0)
    far = np.roll(target, 6, axis=0)
    assert found_and_right([target, close, far], [target, other]) == (1, 2)
    assert found_and_right([], [target]) == (0, 0)
    assert found_and_right([target], []) == (0, 0)


@pytest.mark.long
def test_the_grid_finds_objects_where_sams_own_thresholds_find_none() -> None:
    torch.set_num_threads(1)
    model = load_demo_sam(CHECKPOINT)
    scene = evaluation_scene(10_003, most=None)
    masks = [one["segmentation"] for one in mask_generator(model).generate(scene.image)]
    found, right = found_and_right(masks, [thing.mask for thing in scene.objects])
    assert masks[0].shape == scene.image.shape[:2]
    assert found >= len(scene.objects) / 4
    assert right >= len(masks) / 4
    strict = mask_generator(model, pred_iou_thresh=0.88, stability_score_thresh=0.95)
    assert len(strict.generate(scene.image)) < len(masks)


@pytest.mark.long
def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    automatic.main([str(CHECKPOINT), "--scenes", "1"])
    rows = capsys.readouterr().out.strip().splitlines()[2:]
    assert len(rows) == 16
    kept = [float(row.split("|")[3]) for row in rows]
    assert kept == sorted(kept[:4], reverse=True) + kept[4:]
    assert max(kept) == kept[0] > 0
