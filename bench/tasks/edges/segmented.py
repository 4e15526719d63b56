"""Edges out of a promptable model's masks: the Segment Anything paper's appendix D.2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch

from bench.scoring.bilinear import sides
from bench.scoring.foreground import foregrounds, product
from bench.tasks.contract import Batches
from bench.tasks.edges.suppression import ridges, spread
from bench.types import BenchError, BoolArray, FloatArray, Frame, Mask, Prompt, Segmenter

_RIM = 1
"""How far outside of a mask its outer boundary lies: the pixels that touch it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate mask, its logits (h, w) on the model's grid, and its predicted IoU."""

    mask: Mask
    logits: torch.Tensor
    frame: Frame
    score: float


def grid_prompts(shape: tuple[int, int], side: int) -> list[Prompt]:
    """A prompt of one point for each of ``side`` × ``side`` places in a picture of (H, W).

    Row by row, at the middle of equal cells, as SamAutomaticMaskGenerator lays them.

    >>> [p.points.tolist()[0] for p in grid_prompts((10, 40), 2)]
    [[10.0, 2.5], [30.0, 2.5], [10.0, 7.5], [30.0, 7.5]]
    """
    places = (np.arange(side) + 0.5) / side
    one = np.ones(1, np.int64)
    return [
        Prompt(np.array([[x * shape[1], y * shape[0]]], np.float32), one)
        for y in places
        for x in places
    ]


def candidates(
    segmenter: Segmenter, embedding: Any, prompts: Sequence[Prompt], batches: Batches,
    threshold: float,
) -> list[Found]:  # fmt: skip
    """Every candidate mask of every prompt, in their order; none that is empty.

    Raises ``BenchError`` where an answer holds what is no number.
    """

    def answers(some: Sequence[Prompt]) -> list[Found]:
        prediction = segmenter.predict([embedding] * len(some), some, multimask=True)
        found: list[Found] = []
        for grids, scores, frame in zip(
            prediction.logits, prediction.predicted_iou, prediction.frames, strict=True
        ):
            if not (torch.isfinite(grids).all() and torch.isfinite(scores).all()):
                raise BenchError("the model answers a point of the grid with NaN or infinity")
            grids, scores = grids.float().cpu(), scores.float().cpu()
            masks = foregrounds(grids, frame, threshold)
            found += [
                Found(mask, grid, frame, float(score))
                for mask, grid, score in zip(masks, grids, scores, strict=True)
                if mask.area
            ]
        return found

    return [each for found in batches(answers, prompts) for each in found]


def apart(found: Sequence[Found], most: float) -> list[Found]:
    """Those no better one's box overlaps by an IoU above ``most``, the best by score first.

    Boxes as torchvision's NMS has them: from the first to the last pixel, without the last one's
    own width.
    """
    if not found:
        return []
    from torchvision.ops import nms

    boxes = torch.tensor([each.mask.box for each in found], dtype=torch.float32)
    scores = torch.tensor([each.score for each in found])
    return [found[number] for number in nms(boxes, scores, most).tolist()]


def edges_of(found: Sequence[Found], shape: tuple[int, int]) -> FloatArray:
    """The edge map (H, W) in [0, 1] of some masks of one picture: the ridges of their slopes."""
    return ridges(spread(slopes_of(found, shape)))


def slopes_of(found: Sequence[Found], shape: tuple[int, int]) -> FloatArray:
    """How steep the masks of one picture end, (H, W) from 0: of all masks the largest.

    Of each mask Sobel's filter of the probability (the logits' sigmoid, before any threshold),
    where it meets the pixels just outside of the mask, and 0 elsewhere.
    """
    strength = np.zeros(shape, np.float32)
    for each in found:
        mask = each.mask
        rows = _widened(mask.y0, mask.bits.shape[0], shape[0])
        columns = _widened(mask.x0, mask.bits.shape[1], shape[1])
        down, across = sides(each.logits.shape, each.frame)
        cells_down, take_down = down.cut(rows)
        cells_across, take_across = across.cut(columns)
        values = product(each.logits[cells_down, cells_across], take_down, take_across)
        probability = torch.sigmoid(values).numpy()
        slope = np.hypot(
            cv2.Sobel(probability, cv2.CV_32F, 1, 0), cv2.Sobel(probability, cv2.CV_32F, 0, 1)
        )
        inside = mask.crop(rows[0], columns[0], rows[1], columns[1])
        window = strength[slice(*rows), slice(*columns)]
        np.maximum(window, np.where(_outside(inside), slope, 0), out=window)
    return strength


def _outside(mask: BoolArray) -> BoolArray:
    """The pixels that touch the mask from outside, corners too."""
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((2 * _RIM + 1,) * 2, np.uint8)) > 0
    return grown & ~mask


def _widened(first: int, length: int, end: int) -> tuple[int, int]:
    """The rows or columns of a mask and of its rim, and one more for the filter's reach."""
    return max(0, first - _RIM - 1), min(end, first + length + _RIM + 1)
