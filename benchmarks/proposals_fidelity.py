"""Our proposals against segment-anything's own generator: the same masks, and in what time.

    python benchmarks/proposals_fidelity.py --pictures 10

Of the embedded photos, by the embedded model, with the same settings: 32 × 32 points, no filter,
box NMS of 0.7. Both run in turn on one thread; ours are scored to the same end, masks with their
predicted IoU and stability.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import result_files
import torch
from segment_anything import SamAutomaticMaskGenerator

from bench.config.composing import load_component
from bench.data.opening import open_whole
from bench.models.loading import load_model
from bench.tasks.proposals.generator import Grid
from bench.types import Mask, Site

NMS = 0.7
PROMPTS = 64
"""At a time, as the generator asks by default."""


def in_batches(work: Any, items: Sequence[Any]) -> Iterator[Any]:
    """Work on ``PROMPTS`` items at a time."""
    for start in range(0, len(items), PROMPTS):
        yield work(items[start : start + PROMPTS])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=10)
    parser.add_argument("--side", type=int, default=32, help="points along a side of the grid")
    parser.add_argument("--name", default="proposals_fidelity", help="of the files in results")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    site = Site(device="cpu", datasets=Path("datasets"), checkpoints=Path("checkpoints"))
    model: Any = load_model(load_component("model", "demo"), site)
    generator = SamAutomaticMaskGenerator(
        model._sam, points_per_side=chosen.side, pred_iou_thresh=0.0,
        stability_score_thresh=0.0, box_nms_thresh=NMS, points_per_batch=PROMPTS,
    )  # fmt: skip
    grid = Grid(chosen.side, NMS, 10**6, single=False)
    reader = open_whole(load_component("dataset", "photos"), site)
    lines = ["# Proposals against segment-anything's generator", ""]
    heads = ("picture", "H × W", "masks, ours", "theirs", "in both",
             "most that IoU or stability differ", "s, ours", "s, theirs", "ratio")  # fmt: skip
    lines += [f"| {' | '.join(heads)} |", "|---|---|" + "--:|" * 7]
    ours_s = theirs_s = 0.0
    sums = [0, 0, 0]
    for image_id in reader.ids()[: chosen.pictures]:
        image = reader.read(image_id).image
        shape = image.shape[0], image.shape[1]
        start = time.process_time()
        (embedding,) = model.embed([image])
        ours = grid.proposals(model, embedding, shape, in_batches, 0.0)
        middle = time.process_time()
        theirs = generator.generate(image)
        took = middle - start, time.process_time() - middle
        ours_s, theirs_s = ours_s + took[0], theirs_s + took[1]
        known = {
            Mask.from_dense(one["segmentation"]).to_rle(): one
            for one in theirs
            if one["segmentation"].any()
        }
        both = [each for each in ours if each.counts in known]
        off = max(
            max(abs(e.predicted_iou - known[e.counts]["predicted_iou"]),
                abs(e.stability - known[e.counts]["stability_score"]))
            for e in both
        )  # fmt: skip
        sums = [a + b for a, b in zip(sums, (len(ours), len(known), len(both)), strict=True)]
        lines.append(
            f"| {image_id} | {shape[0]} × {shape[1]} | {len(ours)} | {len(known)} | {len(both)} | "
            f"{off:.1e} | {took[0]:.1f} | {took[1]:.1f} | {took[1] / took[0]:.1f} |"
        )
    lines += ["", f"{sums[2]} of {sums[1]} masks of the generator are ours to the pixel, of "
              f"{sums[0]} of ours; {ours_s:.0f} s against {theirs_s:.0f} s of one core, "
              f"{theirs_s / ours_s:.1f} times as fast."]  # fmt: skip
    text = "\n".join(lines) + "\n"
    result_files.write(chosen.name, text, pictures=chosen.pictures, side=chosen.side)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
