"""Predictions on grids of several sizes in one batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from bench.types import BenchError, FloatArray, Frame, Prediction

OUTSIDE = -1.0


def stack_grids(
    grids: Sequence[FloatArray],
    predicted_iou: Sequence[Sequence[float]],
    frames: Sequence[Frame],
    k: int,
    device: str,
) -> Prediction:
    """One prediction of N grids, each (K, h, w) logits of its own size.

    Smaller grids are filled up at the bottom and the right with background, and their canvas grows
    with them, so that the part that the image covers stays as it is. A frame's canvas must be a
    whole multiple of its grid. ``k`` is K also where there are no prompts.
    """
    height = max((grid.shape[1] for grid in grids), default=1)
    width = max((grid.shape[2] for grid in grids), default=1)
    logits = np.full((len(grids), k, height, width), OUTSIDE, dtype=np.float32)
    grown = []
    for i, (grid, frame) in enumerate(zip(grids, frames, strict=True)):
        h, w = grid.shape[1:]
        logits[i, :, :h, :w] = grid
        canvas = (frame.canvas[0] // h * height, frame.canvas[1] // w * width)
        grown.append(Frame(canvas, frame.content, frame.image))
    scores = np.asarray(predicted_iou, dtype=np.float32).reshape(len(grids), k)
    return Prediction(
        torch.from_numpy(logits).to(device), torch.from_numpy(scores).to(device), grown
    )


def own_part(mask_logits: FloatArray, grid: tuple[int, int]) -> FloatArray:
    """The (h, w) that a prompt's own grid covers of logits from ``stack_grids``.

    Raises ``BenchError`` where the logits are smaller than the grid.
    """
    h, w = grid
    if mask_logits.ndim != 2 or mask_logits.shape[0] < h or mask_logits.shape[1] < w:
        raise BenchError(f"mask logits must be at least {h}×{w} (H×W), found {mask_logits.shape}")
    return mask_logits[:h, :w]
