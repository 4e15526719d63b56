"""Automatic masks with a demo checkpoint: thresholds that fit it, and what they find.

    python -m bench.demo.training.automatic bench/demo/checkpoints/demo_m.safetensors --scenes 20

`SamAutomaticMaskGenerator` keeps masks by predicted IoU and stability, with thresholds made for
SAM (0.88 and 0.95). The demo model predicts lower IoUs from softer logits, so that those keep next
to nothing.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.modeling import Sam

from bench.demo.scenes.canvas import BoolMask
from bench.demo.training.holdout import evaluation_scene
from bench.demo.training.weights import load_demo_sam

THRESHOLDS: Mapping[str, float] = {
    "pred_iou_thresh": 0.6,
    "stability_score_thresh": 0.8,
    "stability_score_offset": 0.3,
}
"""Of the pairs in `table`, one that still finds about half of all objects.

The offset is how far the logits' threshold is moved to see whether the mask stays: SAM's is 1, and
the logits of this model rise more slowly from outside to inside."""

POINTS_PER_SIDE = 16
FOUND_FROM = 0.5
FIRST_SEED = 10_000
_PREDICTED = (0.4, 0.5, 0.6, 0.7)
_STABILITY = (0.4, 0.6, 0.7, 0.8)


def mask_generator(sam: Sam, **thresholds: float) -> SamAutomaticMaskGenerator:
    """Return the official generator on a grid of 16 x 16 points, `THRESHOLDS` where not given."""
    return SamAutomaticMaskGenerator(
        sam, points_per_side=POINTS_PER_SIDE, **{**THRESHOLDS, **thresholds}
    )


def found_and_right(masks: Sequence[BoolMask], targets: Sequence[BoolMask]) -> tuple[int, int]:
    """Return how many targets have a mask of IoU >= .5, and how many masks such a target.

    masks and targets: each (H, W) bool, of one picture.
    """
    if not masks or not targets:
        return 0, 0
    a = np.stack([mask.ravel() for mask in masks]).astype(np.float32)
    b = np.stack([target.ravel() for target in targets]).astype(np.float32)
    overlap = a @ b.T
    alike = overlap / (a.sum(1)[:, None] + b.sum(1)[None] - overlap) >= FOUND_FROM
    return int(alike.any(axis=0).sum()), int(alike.any(axis=1).sum())


def table(sam: Sam, scenes: int) -> str:
    """Return a Markdown table of what the grid finds on hold-out scenes, by both thresholds.

    Found is the share of objects that some mask meets with IoU >= .5, right that of such masks.
    Masks of equal things are removed before the thresholds of the table, not after.
    """
    loosest = mask_generator(
        sam, pred_iou_thresh=min(_PREDICTED), stability_score_thresh=min(_STABILITY)
    )
    counts = {pair: np.zeros(3, int) for pair in itertools.product(_PREDICTED, _STABILITY)}
    objects = 0
    for seed in range(FIRST_SEED, FIRST_SEED + scenes):
        scene = evaluation_scene(seed, most=None)
        made = loosest.generate(scene.image)
        targets = [thing.mask for thing in scene.objects]
        objects += len(targets)
        for (predicted, stability), total in counts.items():
            masks = [
                one["segmentation"]
                for one in made
                if one["predicted_iou"] > predicted and one["stability_score"] >= stability
            ]
            total += (len(masks), *found_and_right(masks, targets))
    lines = [
        "| pred_iou_thresh | stability_score_thresh | masks a scene | found | right |",
        "|---|---|---|---|---|",
    ]
    for (predicted, stability), (kept, found, right) in counts.items():
        lines.append(
            f"| {predicted} | {stability} | {kept / scenes:.1f} | {found / objects:.0%} | "
            f"{right / max(1, kept):.0%} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--scenes", type=int, default=20)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(table(load_demo_sam(chosen.checkpoint), chosen.scenes))  # noqa: T201


if __name__ == "__main__":
    main()
