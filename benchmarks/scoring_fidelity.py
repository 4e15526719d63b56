"""Pixels whose mask isn't that of ``SamPredictor``: how many, and how close to the threshold.

    python benchmarks/scoring_fidelity.py --data FOLDER

A demo model answers a first click (three masks), a box, and the box with the logits fed back, for
targets of the embedded scenes and photos and, below ``--data``, of nuts and BBBC038. Of the same
logits ``Sam.postprocess_masks`` makes masks as ``SamPredictor`` does, ``bench.scoring`` those of
rows, both at the picture's own size and as if it were larger. A pixel that differs is shown to lie
within rounding: its value in float64 is no farther from the threshold than float32 sums and float32
places can move it. Ends with 1 where one isn't. Prints a Markdown table and writes it with JSON,
machine and versions into ``benchmarks/results/``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import result_files
import torch
from classical import sets

import bench.demo
from bench.config.composing import load_configs
from bench.data.opening import open_dataset
from bench.demo.training.weights import load_demo_sam
from bench.models.sam_segmenter import SamSegmenter
from bench.prompts.placement import distance_max
from bench.scoring.bilinear import exact_values, mixed_cells, sides
from bench.scoring.foreground import foregrounds
from bench.types import Frame, Prediction, Prompt, Sample, Site, Target

CHECKPOINTS = Path(bench.demo.__file__).parent / "checkpoints"

LARGER = (None, 2250, 4000)
"""Longer sides in pixels; none is the picture's own."""

SUMS, PLACES = 12 * 2.0**-24, 2 * 2.0**-23
"""By what float32 moves a value: relative to the largest logit, and a place among n relative to n,
on both sides of a picture."""


@dataclass(frozen=True, slots=True)
class Line:
    """Masks and pixels compared, the pixels that differ and the masks that hold such.

    ``farthest`` is how far such a pixel's value lies from the threshold at most, as a share of what
    rounding can move it by.
    """

    pictures: str
    size: str
    masks: int
    pixels: int
    differ: int
    masks_differ: int
    farthest: float


def answers(model: Any, sample: Sample, targets: Sequence[Target]) -> Iterator[Prediction]:
    """What the model says of each target to a click, to a box, and to the box once more."""
    (embedding,) = model.embed([sample.image])
    for target in targets:
        click = distance_max(target.mask, np.random.default_rng(0))
        box = np.array(target.mask.box, np.float32)
        first = Prompt(np.array([click], np.float32), np.ones(1, np.int64))
        yield model.predict([embedding], [first], True)
        once = model.predict([embedding], [Prompt(box=box)], False)
        yield once
        again = Prompt(box=box, mask_logits=once.logits[0, 0].numpy())
        yield model.predict([embedding], [again], False)


def enlarged(frame: Frame, side: int | None) -> Frame:
    """The frame as if the image's longer side had so many pixels."""
    if side is None:
        return frame
    scale = side / max(frame.image)
    height, width = (round(scale * each) for each in frame.image)
    return replace(frame, image=(height, width))


def official(sam: Any, logits: torch.Tensor, frame: Frame) -> Any:
    """Masks (K, H, W) as ``SamPredictor.predict`` makes them of (K, h, w) logits."""
    full = sam.postprocess_masks(logits[None], frame.content, frame.image)
    return (full > sam.mask_threshold)[0].numpy()


def shares(cells: torch.Tensor, frame: Frame, rows: Any, columns: Any, threshold: float) -> Any:
    """How far the pixels' values lie from the threshold, as shares of what rounding can do."""
    grid = cells.numpy()
    down, across = sides(grid.shape, frame)
    mixed = grid[mixed_cells(down, across, rows, columns)]
    off = np.abs(exact_values(mixed, down, across, rows, columns) - threshold)
    spread = mixed.max(axis=(1, 2, 3, 4)) - mixed.min(axis=(1, 2, 3, 4))
    inputs = sum(grid.shape) + sum(frame.content)
    return off / (SUMS * np.abs(grid).max() + PLACES * inputs * spread)


def line(name: str, side: int | None, found: Sequence[Prediction], sam: Any) -> Line:
    """All answers at one size."""
    masks = pixels = differ = masks_differ = 0
    farthest = 0.0
    for answer in found:
        logits, frame = answer.logits[0], enlarged(answer.frames[0], side)
        theirs = official(sam, logits, frame)
        ours = foregrounds(logits, frame, sam.mask_threshold)
        for cells, a, b in zip(logits, ours, theirs, strict=True):
            rows, columns = np.nonzero(a.dense() != b)
            masks, pixels = masks + 1, pixels + b.size
            if rows.size:
                differ, masks_differ = differ + rows.size, masks_differ + 1
                share = shares(cells, frame, rows, columns, sam.mask_threshold)
                farthest = max(farthest, float(share.max()))
    size = "own" if side is None else f"{side} px"
    return Line(name, size, masks, pixels, differ, masks_differ, farthest)


def table(lines: Sequence[Line]) -> str:
    """The lines in Markdown."""
    text = [
        "| pictures | longer side | masks | Mpx | pixels that differ | in masks | farthest |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for each in lines:
        far = f"{each.farthest:.1%}" if each.differ else "–"
        text.append(
            f"| {each.pictures} | {each.size} | {each.masks:,} | {each.pixels / 1e6:,.0f} | "
            f"{each.differ:,} | {each.masks_differ:,} | {far} |"
        )
    return "\n".join(text) + "\n"


def page(lines: Sequence[Line], model: str) -> str:
    """What the command writes."""
    masks, pixels = sum(each.masks for each in lines), sum(each.pixels for each in lines)
    differ = sum(each.differ for each in lines)
    return (
        f"# Masks beside those of `SamPredictor`, {date.today()}\n\n"
        f"`python benchmarks/scoring_fidelity.py --data FOLDER`, checkpoint `{model}`, one thread. "
        f"Pixels that differ: {differ:,} of {pixels / 1e9:.2f} billion, in {masks:,} masks. "
        "*Farthest* is how far the float64 value of such a pixel lies from the threshold at most, "
        "as a share of what rounding can move it by.\n\n" + table(lines)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 where a pixel differs that rounding doesn't decide."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder with nuts/ and bbbc038/")
    parser.add_argument("--model", default="demo_m", help="demo_s, demo_m or demo_l")
    parser.add_argument("--pictures", type=int, default=200, help="of each set at most")
    parser.add_argument("--masks", type=int, default=8, help="of each picture at most")
    parser.add_argument("--large", type=int, default=30, help="answers of a set made larger")
    parser.add_argument("--name", default="scoring_fidelity", help="of the files of figures")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    sam = load_demo_sam(CHECKPOINTS / f"{chosen.model}.safetensors")
    segmenter, lines = SamSegmenter(sam, Site()), []
    for name, (dataset, words) in ({"shapes": ("shapes", list[str]())} | sets(chosen.data)).items():
        config = load_configs([*words, f"dataset={dataset}"])[0]
        reader = open_dataset(config.dataset, Site(datasets=Path(config.runtime.datasets)))
        found = [
            answer
            for image_id in reader.ids()[: chosen.pictures]
            for sample in [reader.read(image_id)]
            for answer in answers(segmenter, sample, sample.targets[: chosen.masks])
        ]
        few = found[:: max(1, len(found) // chosen.large)]
        for side in LARGER:
            lines.append(line(name, side, found if side is None else few, sam))
            sys.stderr.write(f"{lines[-1]}\n")
    text = page(lines, chosen.model)
    result_files.write(chosen.name, text, lines=[asdict(each) for each in lines])
    sys.stdout.write(text)
    return 0 if all(each.farthest <= 1 for each in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
