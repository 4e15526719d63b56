"""The public way of evaluating SAM: a loop over masks around ``SamPredictor``, written plainly.

One ``predict`` per mask and step, full-size masks in numpy, full-size distance transforms, IoU in
numpy. It follows protocol ``sam`` and gives the rows that the bench gives, so that the two can be
timed against each other, and each vouches for the other's numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import cv2
import numpy as np
from pycocotools import mask as coco_mask
from segment_anything import SamPredictor

from bench.types import BoolArray, Sample

Answer: TypeAlias = tuple[BoolArray, Any, Any]
"""Masks (K, H, W) bool, predicted IoUs (K,), logits (K, h, w)."""

STEPS: Mapping[str, int] = {"point_1": 1, "point_3": 3, "box": 1}
"""The prompts that the loop knows, and their rounds."""


def loop_over_masks(predictor: SamPredictor, sample: Sample) -> Iterator[dict[str, Any]]:
    """Yield the rows of one image, without the columns that both sides copy from the data."""
    predictor.set_image(sample.image)
    for target in sample.targets:
        truth = target.mask.dense()
        if not truth.any() or target.crowd:
            continue
        for prompt, steps in STEPS.items():
            yield from _one_mask(predictor, sample.image_id, target.mask_id, truth, prompt, steps)


def _one_mask(
    predictor: SamPredictor,
    image_id: str,
    mask_id: str,
    truth: BoolArray,
    prompt: str,
    steps: int,
) -> Iterator[dict[str, Any]]:
    points: list[list[float]] = []
    labels: list[int] = []
    box = _tight_box(truth) if prompt == "box" else None
    logits = None
    mask = np.zeros_like(truth)
    row: dict[str, Any] = {}
    for step in range(1, steps + 1):
        click = None
        if box is None:
            click = _next_click(truth, mask, points) if points else (*_deepest(truth, [])[:2], 1)
        if click is not None or not row:
            if click is not None:
                x, y, label = click
                points, labels = [*points, [float(x), float(y)]], [*labels, label]
            multimask = box is None and len(points) == 1
            masks, predicted, low = predictor.predict(
                point_coords=np.array(points, np.float32) if points else None,
                point_labels=np.array(labels) if points else None,
                box=box,
                mask_input=None if logits is None else logits[None],
                multimask_output=multimask,
            )
            ious = [float((m & truth).sum() / max(1, (m | truth).sum())) for m in masks]
            best = int(np.argmax(predicted))
            mask, logits = masks[best], low[best]
            row = {
                "n_points": len(points),
                "point_coords": points,
                "point_labels": labels,
                "box": None if box is None else box.tolist(),
                "iou": ious[best],
                "ious": ious,
                "predicted_ious": predicted.tolist(),
                "selected": best,
                "boundary_iou": _boundary_iou(mask, truth),
                "mask_rle": _rle(mask),
            }
        # Where no error is left to click on, the step keeps the mask of the one before.
        yield {"image_id": image_id, "mask_id": mask_id, "prompt": prompt, "step": step} | row


def _tight_box(mask: BoolArray) -> Any:
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max(), rows.max()], np.float32)


def _deepest(region: BoolArray, clicked: list[list[float]]) -> tuple[int, int, int]:
    """(x, y) farthest from the region's outside at full size, and its squared distance."""
    padded = np.pad(region, 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    for x, y in clicked:
        depth[int(y), int(x)] = 0
    # Whole numbers, since OpenCV's float32 splits ties by their last bit.
    squared = np.rint(depth.astype(np.float64) ** 2).astype(np.int64)
    y, x = np.unravel_index(int(squared.argmax()), squared.shape)
    return int(x), int(y), int(squared[y, x])


def _next_click(
    truth: BoolArray, mask: BoolArray, clicked: list[list[float]]
) -> tuple[int, int, int] | None:
    missed, extra = _deepest(truth & ~mask, clicked), _deepest(mask & ~truth, clicked)
    if missed[2] == extra[2] == 0:
        return None
    x, y, _ = missed if missed[2] > extra[2] else extra
    return x, y, int(missed[2] > extra[2])


def _boundary_iou(mask: BoolArray, truth: BoolArray) -> float:
    height, width = truth.shape
    band = max(1, round(0.02 * math.sqrt(height**2 + width**2)))

    def rim(region: BoolArray) -> BoolArray:
        padded = np.pad(region, 1).astype(np.uint8)
        inner = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=band)
        return region & ~inner[1:-1, 1:-1].astype(bool)

    a, b = rim(mask), rim(truth)
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 0.0


def _rle(mask: BoolArray) -> str:
    return str(coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode())
