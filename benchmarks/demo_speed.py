"""How long the demo checkpoints take on one CPU core, a picture and a prompt at a time.

    python benchmarks/demo_speed.py

Every checkpoint is asked through ``segment_anything.SamPredictor``, as a user would, and through
the bench's own segmenter, in turn: to embed a picture, to answer a first click (three masks), a
correcting click with the logits fed back, and a box. Prints a Markdown table of the median
milliseconds and writes it with JSON, machine, versions and date into ``benchmarks/results/``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import result_files
import torch
from segment_anything import SamPredictor

import bench.demo
from bench.demo.training.clicks import deepest_point, tight_box
from bench.demo.training.holdout import evaluation_scene
from bench.demo.training.score import FIRST_SEED
from bench.demo.training.weights import load_demo_sam
from bench.models.sam_segmenter import SamSegmenter
from bench.types import Prompt, Site

CHECKPOINTS = Path(bench.demo.__file__).parent / "checkpoints"
COLUMNS = ("embed", "click", "correction", "box")

Calls = Mapping[str, Callable[[], object]]
Subject = tuple[np.ndarray, np.ndarray, np.ndarray]
"""A picture, and a click (2,) and a box (4,) on it."""


def through_predictor(path: Path, subject: Subject) -> Calls:
    """What is timed of ``SamPredictor``, by column."""
    predictor = SamPredictor(load_demo_sam(path))
    image, click, box = subject
    predictor.set_image(image)
    _, _, logits = predictor.predict(click[None], np.ones(1), multimask_output=True)
    two, labels = np.stack([click, click + 5]), np.array([1, 0])
    return {
        "embed": lambda: predictor.set_image(image),
        "click": lambda: predictor.predict(click[None], np.ones(1), multimask_output=True),
        "correction": lambda: predictor.predict(
            two, labels, mask_input=logits[:1], multimask_output=False
        ),
        "box": lambda: predictor.predict(box=box, multimask_output=False),
    }


def through_bench(path: Path, subject: Subject) -> Calls:
    """What is timed of the bench's segmenter: logits on the model's grid, no full-size masks."""
    segmenter = SamSegmenter(load_demo_sam(path), Site())
    image, click, box = subject
    (embedding,) = segmenter.embed([image])
    first = Prompt(click[None], np.ones(1, np.int64))
    logits = segmenter.predict([embedding], [first], True).logits[0, 0].numpy()
    second = Prompt(np.stack([click, click + 5]), np.array([1, 0]), mask_logits=logits)
    return {
        "embed": lambda: segmenter.embed([image]),
        "click": lambda: segmenter.predict([embedding], [first], True),
        "correction": lambda: segmenter.predict([embedding], [second], False),
        "box": lambda: segmenter.predict([embedding], [Prompt(box=box)], False),
    }


def _subject() -> Subject:
    """Of a hold-out scene, and its largest object."""
    scene = evaluation_scene(FIRST_SEED)
    mask = max((thing.mask for thing in scene.objects), key=lambda each: int(each.sum()))
    place = deepest_point(mask)
    return scene.image, np.array([place.x, place.y], np.float32), tight_box(mask)


def measure(path: Path, turns: int) -> dict[str, dict[str, float]]:
    """Median milliseconds by way and column, the ways and columns in turn."""
    subject = _subject()
    ways = {
        "SamPredictor": through_predictor(path, subject),
        "bench": through_bench(path, subject),
    }
    seconds: dict[tuple[str, str], list[float]] = {}
    for turn in range(turns + 3):
        for way, calls in ways.items():
            for column in COLUMNS:
                start = time.perf_counter()
                calls[column]()
                if turn >= 3:  # the first ones warm the caches
                    seconds.setdefault((way, column), []).append(time.perf_counter() - start)
    return {
        way: {column: 1000 * statistics.median(seconds[way, column]) for column in COLUMNS}
        for way in ways
    }


def table(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """The medians as a Markdown table."""
    lines = [f"| model | through | {' | '.join(COLUMNS)} |", "|---|---|" + "--:|" * len(COLUMNS)]
    for model, ways in found.items():
        for way, medians in ways.items():
            cells = " | ".join(f"{medians[column]:.1f}" for column in COLUMNS)
            lines.append(f"| {model} | {way} | {cells} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", default=["demo_s", "demo_m", "demo_l"])
    parser.add_argument("--turns", type=int, default=40, help="of which the median is told")
    parser.add_argument("--name", default="demo_speed", help="of the files in benchmarks/results")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found = {
        name: measure(CHECKPOINTS / f"{name}.safetensors", chosen.turns) for name in chosen.models
    }
    text = f"{date.today()}, one thread, float32; milliseconds, median of {chosen.turns}\n\n"
    text += table(found)
    result_files.write(chosen.name, text, milliseconds=found)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
