"""GrabCut cut in a window around its prompt against the same in the whole picture: answers, time.

    python benchmarks/grabcut_window.py --data FOLDER

Asks both with the target's box, one click and three, on the first masks of the first pictures of
each set of ``benchmarks/classical.py``, one prompt at a time in turn, on one thread. Later clicks
are placed by the window's own errors, so both are asked the same. Prints, for each set and prompt,
the mIoU of both, the mean IoU between their answers, and seconds of the processor; writes
``benchmarks/results/grabcut.md`` and ``.json``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import result_files
from classical import sets

from bench.config.composing import load_configs
from bench.data.opening import open_dataset
from bench.models.grabcut import GrabCut
from bench.prompts.box import Box
from bench.prompts.clicks import Clicks
from bench.protocol import Protocol
from bench.tasks.random_numbers import mask_rng
from bench.types import BoolArray, Mask, Prompt, PromptStrategy, Sample, Site, Target

WINDOW, WHOLE = GrabCut(site=Site()), GrabCut(around=None, undecided=None, site=Site())


def strategies() -> dict[str, PromptStrategy]:
    """Who asks, by the words of the table."""
    protocol = Protocol(feedback="none")
    return {
        "box": Box(protocol=protocol),
        "1 point": Clicks(1, protocol=protocol),
        "3 points": Clicks(3, protocol=protocol),
    }


def answers(model: GrabCut, sample: Sample, prompt: Prompt) -> tuple[BoolArray, float]:
    """A model's mask, and seconds of the processor."""
    start = time.process_time()
    grid = model.predict(model.embed([sample.image]), [prompt], multimask=False).logits[0][0]
    return np.asarray(grid.numpy() > 0), time.process_time() - start


def last_prompt(sample: Sample, target: Target, each: PromptStrategy) -> Prompt:
    """The last prompt of a strategy that looks at the window's answers."""
    prompt, mask = None, None
    for step in range(1, each.steps + 1):
        rng = mask_rng(0, sample.image_id, target.mask_id, step)
        found = each.next(target, sample.ignore, mask, prompt, rng)
        if found is None:
            break
        prompt = found
        if step < each.steps:
            mask = Mask.from_dense(answers(WINDOW, sample, prompt)[0])
    assert prompt is not None
    return prompt


def lines_of(
    name: str, words: Sequence[str], pictures: int, masks: int
) -> Iterator[dict[str, Any]]:
    """A line for each mask and prompt of a set."""
    (config,) = load_configs([*words, "model=grabcut"])
    reader = open_dataset(config.dataset, config.runtime.reading_site())
    for image_id in list(reader.ids())[:pictures]:
        sample = reader.read(image_id)
        counted, _ = Protocol().sort_out(sample.targets)
        for target in counted[:masks]:
            truth = target.mask.dense()
            for said, each in strategies().items():
                prompt = last_prompt(sample, target, each)
                window, fast = answers(WINDOW, sample, prompt)
                whole, slow = answers(WHOLE, sample, prompt)
                yield {
                    "set": name, "prompt": said, "image": image_id, "mask": target.mask_id,
                    "window": iou(window, truth), "whole": iou(whole, truth),
                    "agreement": iou(window, whole), "seconds": fast, "seconds_whole": slow,
                }  # fmt: skip


def iou(a: BoolArray, b: BoolArray) -> float:
    """The IoU of two masks, 1 where both are empty."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def table(lines: pd.DataFrame) -> str:
    """A row per set and prompt."""
    text = [
        "| set | prompt | masks | mIoU in a window | in the whole picture | IoU of the two answers "
        "| s a prompt | in the whole picture | ratio |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for (name, prompt), part in lines.groupby(["set", "prompt"], sort=False):
        means = part[["window", "whole", "agreement", "seconds", "seconds_whole"]].mean()
        text.append(
            f"| {name} | {prompt} | {len(part)} | {100 * means['window']:.1f} "
            f"| {100 * means['whole']:.1f} | {100 * means['agreement']:.1f} "
            f"| {means['seconds']:.3f} | {means['seconds_whole']:.2f} "
            f"| {means['seconds_whole'] / means['seconds']:.0f} |"
        )
    return "\n".join(text) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with nuts/ and bbbc038/ (photos alone)")
    parser.add_argument("--pictures", type=int, default=3, help="of each set")
    parser.add_argument("--masks", type=int, default=4, help="of each picture")
    parser.add_argument("--name", default="grabcut", help="of the file in benchmarks/results")
    chosen = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    found = []
    for name, (dataset, words) in sets(chosen.data).items():
        found += lines_of(name, [f"dataset={dataset}", *words], chosen.pictures, chosen.masks)
    lines = pd.DataFrame(found)
    text = (
        f"{date.today()}, the first {chosen.masks} masks of the first {chosen.pictures} pictures "
        f"of each set, one thread\n\n{table(lines)}"
    )
    result_files.write(chosen.name, text, lines=lines.to_dict("records"))
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
