"""Score a demo checkpoint on hold-out scenes, as a Markdown table by object size.

python -m bench.demo.training.score bench/demo/checkpoints/demo_m.safetensors --scenes 200
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from bench.demo.training.holdout import Score, score_scenes, summary
from bench.demo.training.weights import load_demo_sam

# The learning curve uses the seeds from 0 on; a final figure must come from other scenes.
FIRST_SEED = 10_000
_COLUMNS = ("point_1", "oracle", "point_3", "point_9", "box", "head_error")
_SIZES = {
    "all": (0.0, 1.0),
    "< 1 %": (0.0, 0.01),
    "1 to 5 %": (0.01, 0.05),
    "> 5 %": (0.05, 1.0),
}


def table(scores: Sequence[Score]) -> str:
    """Return the mean figures over objects, a row per share of the picture that they cover."""
    lines = [
        "| objects | n | 1 point | oracle of 3 | 3 points | 9 points | box | IoU head error |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, (low, high) in _SIZES.items():
        chosen = [score for score in scores if low <= score.area < high]
        if chosen:
            means = summary(chosen)
            cells = " | ".join(f"{means[column]:.3f}" for column in _COLUMNS)
            lines.append(f"| {name} | {len(chosen)} | {cells} |")
    return "\n".join(lines)


def rank_correlation(scores: Sequence[Score]) -> float:
    """Return Spearman's rank correlation of a first click's predicted and true IoU, -1..1."""
    frame = pd.DataFrame([(score.predicted, score.top1) for score in scores])
    return float(frame[0].rank().corr(frame[1].rank()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="first scene seed")
    parser.add_argument("--scenes", type=int, default=200, help="number of scenes")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    seeds = range(chosen.first, chosen.first + chosen.scenes)
    scores = score_scenes(load_demo_sam(chosen.checkpoint), seeds)
    correlation = rank_correlation(scores)
    print(table(scores))  # noqa: T201
    print(f"\nrank correlation of predicted and true IoU: {correlation:.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
