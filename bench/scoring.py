"""Predictions against targets: exact IoU of every candidate, at the image's own resolution."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.foreground import foregrounds
from bench.measuring import Measured, measure
from bench.metrics import boundary_iou, shared_pixels
from bench.protocol import Protocol
from bench.types import BoolArray, FloatArray, Mask, Prediction
from bench.upscaling import upscale as upscale


@dataclass(frozen=True, slots=True)
class Score:
    """What one prompt's K candidates are worth.

    ``ious`` is (K,) float64 in [0, 1]; ``predicted_ious`` (K,) float32; ``mask`` is the candidate
    ``selected`` by the protocol, ``boundary_iou`` its own, and ``mask_logits`` its (h, w) float32
    logits on the model's grid.
    """

    ious: npt.NDArray[np.float64]
    predicted_ious: FloatArray
    selected: int
    boundary_iou: float
    mask: Mask
    mask_logits: FloatArray

    @property
    def iou(self) -> float:
        """The selected candidate's IoU."""
        return float(self.ious[self.selected])

    @property
    def iou_oracle(self) -> float:
        """The best candidate's IoU."""
        return float(self.ious.max())


def score(
    prediction: Prediction,
    targets: Sequence[Mask],
    ignores: Sequence[BoolArray | None],
    protocol: Protocol,
    each: Callable[..., Iterable[Any]] = map,
) -> list[Score]:
    """Scores prompt i of the prediction against target i, ignored pixels off in both.

    Logits are brought to the image's resolution and cut at the protocol's threshold,
    strictly above it being foreground. ``each`` does what is left to the host for every prompt;
    another ``map`` may do so in threads.
    """
    true = [
        target if ignore is None else without(target, ignore)
        for target, ignore in zip(targets, ignores, strict=True)
    ]
    on_cpu = prediction.logits.device.type == "cpu"
    found: Iterable[Measured]
    if on_cpu and protocol.threshold == 0:
        found = _one_by_one(prediction, true, ignores, protocol.selects)
    else:
        found = measure(prediction, true, ignores, protocol.threshold, protocol.selects, each)
    return list(each(_score, found, true))


def _score(found: Measured, target: Mask) -> Score:
    union = found.areas + target.area - found.shared
    return Score(
        ious=found.shared / np.maximum(union, 1),
        predicted_ious=found.predicted_ious,
        selected=found.selected,
        boundary_iou=boundary_iou(found.mask, target),
        mask=found.mask,
        mask_logits=found.mask_logits,
    )


def _one_by_one(
    prediction: Prediction,
    targets: Sequence[Mask],
    ignores: Sequence[BoolArray | None],
    selects: Callable[[FloatArray], int],
) -> Iterator[Measured]:
    """What ``measure`` gives, a mask at a time as it is asked for; on the CPU, for threshold 0."""
    predicted_ious = prediction.predicted_iou.float().numpy()
    for index, (logits, frame) in enumerate(
        zip(prediction.logits.float(), prediction.frames, strict=True)
    ):
        masks = foregrounds(logits, frame)
        if (ignore := ignores[index]) is not None:
            masks = [without(mask, ignore) for mask in masks]
        selected = selects(predicted_ious[index])
        yield Measured(
            areas=np.array([mask.area for mask in masks], dtype=np.int64),
            shared=np.array([shared_pixels(m, targets[index]) for m in masks], dtype=np.int64),
            predicted_ious=predicted_ious[index],
            selected=selected,
            mask=masks[selected],
            mask_logits=logits[selected].numpy().copy(),  # a view would keep the whole batch
        )


def without(mask: Mask, ignore: BoolArray) -> Mask:
    """The mask with the pixels of (H, W) ``ignore`` switched off."""
    h, w = mask.bits.shape
    kept = mask.bits & ~ignore[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w]
    return Mask.from_crop(kept, mask.y0, mask.x0, mask.height, mask.width)
