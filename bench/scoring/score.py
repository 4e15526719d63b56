"""Predictions against targets: exact IoU of every candidate, at the image's own resolution."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.protocol import Protocol
from bench.scoring.foreground import foregrounds
from bench.scoring.measuring import Measured, measure
from bench.scoring.metrics import boundary, iou, shared_pixels
from bench.scoring.upscaling import upscale as upscale
from bench.types import BoolArray, FloatArray, Mask, Prediction


class Aim:
    """What all predictions for one target are held against: ignored pixels are off in ``mask``.

    ``ignore`` is (H, W) bool or none. The rim is made once, when it is first asked for.
    """

    def __init__(self, target: Mask, ignore: BoolArray | None = None) -> None:
        self.mask = target if ignore is None else without(target, ignore)
        self.ignore = ignore

    @cached_property
    def rim(self) -> Mask:
        """What ``boundary_iou`` looks at."""
        return boundary(self.mask)

    def boundary_iou(self, prediction: Mask) -> float:
        """``metrics.boundary_iou`` of a prediction and the target, in [0, 1]."""
        return iou(boundary(prediction), self.rim)


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
    aims: Sequence[Aim],
    protocol: Protocol,
    each: Callable[..., Iterable[Any]] = map,
) -> list[Score]:
    """Scores prompt i of the prediction against aim i, ignored pixels off in both.

    Logits are brought to the image's resolution and cut at the protocol's threshold,
    strictly above it being foreground. ``each`` does what is left to the host for every prompt;
    another ``map`` may do so in threads.
    """
    on_cpu = prediction.logits.device.type == "cpu"
    found: Iterable[Measured]
    if on_cpu and protocol.threshold == 0:
        found = _one_by_one(prediction, aims, protocol.selects)
    else:
        targets, ignores = [aim.mask for aim in aims], [aim.ignore for aim in aims]
        found = measure(prediction, targets, ignores, protocol.threshold, protocol.selects, each)
    return list(each(_score, found, aims))


def _score(found: Measured, aim: Aim) -> Score:
    union = found.areas + aim.mask.area - found.shared
    return Score(
        ious=found.shared / np.maximum(union, 1),
        predicted_ious=found.predicted_ious,
        selected=found.selected,
        boundary_iou=aim.boundary_iou(found.mask),
        mask=found.mask,
        mask_logits=found.mask_logits,
    )


def _one_by_one(
    prediction: Prediction, aims: Sequence[Aim], selects: Callable[[FloatArray], int]
) -> Iterator[Measured]:
    """What ``measure`` gives, a mask at a time as it is asked for; on the CPU, for threshold 0."""
    predicted_ious = prediction.predicted_iou.float().numpy()
    for logits, frame, aim, predicted in zip(
        prediction.logits.float(), prediction.frames, aims, predicted_ious, strict=True
    ):
        masks = foregrounds(logits, frame)
        if aim.ignore is not None:
            masks = [without(mask, aim.ignore) for mask in masks]
        selected = selects(predicted)
        yield Measured(
            areas=np.array([mask.area for mask in masks], dtype=np.int64),
            shared=np.array([shared_pixels(mask, aim.mask) for mask in masks], dtype=np.int64),
            predicted_ious=predicted,
            selected=selected,
            mask=masks[selected],
            mask_logits=logits[selected].numpy().copy(),  # a view would keep the whole batch
        )


def without(mask: Mask, ignore: BoolArray) -> Mask:
    """The mask with the pixels of (H, W) ``ignore`` switched off."""
    h, w = mask.bits.shape
    kept = mask.bits & ~ignore[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w]
    return Mask.from_crop(kept, mask.y0, mask.x0, mask.height, mask.width)
