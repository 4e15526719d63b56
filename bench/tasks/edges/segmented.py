"""Edges out of a promptable model's masks: the Segment Anything paper's appendix D.2."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from bench.scoring.bilinear import sides
from bench.scoring.foreground import product
from bench.tasks.automatic import Candidate, without_twins
from bench.tasks.edges.suppression import ridges, spread
from bench.types import BoolArray, FloatArray

_RIM = 1
"""How far outside of a mask its outer boundary lies: the pixels that touch it."""


def apart(found: Sequence[Candidate], most: float) -> list[Candidate]:
    """Those that no better one's box overlaps by an IoU above ``most``, the best first."""
    boxes = [each.mask.box or (0, 0, 0, 0) for each in found]
    kept = without_twins(boxes, [each.predicted_iou for each in found], most)
    return [found[number] for number in kept]


def edges_of(found: Sequence[Candidate], shape: tuple[int, int]) -> FloatArray:
    """The edge map (H, W) in [0, 1] of some masks of one picture: the ridges of their slopes."""
    return ridges(spread(slopes_of(found, shape)))


def slopes_of(found: Sequence[Candidate], shape: tuple[int, int]) -> FloatArray:
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
