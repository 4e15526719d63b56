"""Predictions against targets: exact IoU of every candidate, at the image's own resolution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from bench.metrics import boundary_iou
from bench.protocol import Protocol
from bench.types import BoolArray, FloatArray, Frame, Mask, Prediction

_MAX_PIXELS = 1 << 26
"""How many pixels of float logits may be held at once: 256 MiB."""


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
) -> list[Score]:
    """Scores prompt i of the prediction against target i, ignored pixels off in both.

    Logits are brought to the image's resolution and cut at the protocol's threshold,
    strictly above it being foreground.
    """
    predicted_ious = prediction.predicted_iou.float().cpu().numpy()
    scores = []
    for index, masks in enumerate(_full_masks(prediction, protocol.threshold)):
        target, ignore = targets[index], ignores[index]
        if ignore is not None:
            masks &= ~torch.from_numpy(ignore).to(masks.device)
            target = Mask.from_dense(target.dense() & ~ignore)
        selected = protocol.selects(predicted_ious[index])
        mask = Mask.from_dense(masks[selected].cpu().numpy())
        scores.append(
            Score(
                ious=candidate_ious(masks, target),
                predicted_ious=predicted_ious[index],
                selected=selected,
                boundary_iou=boundary_iou(mask, target),
                mask=mask,
                mask_logits=prediction.logits[index, selected].float().cpu().numpy(),
            )
        )
    return scores


def candidate_ious(masks: torch.Tensor, target: Mask) -> npt.NDArray[np.float64]:
    """(K, H, W) bool masks against one target → (K,) IoUs in [0, 1]; 0 where both are empty."""
    h, w = target.bits.shape
    window = masks[:, target.y0 : target.y0 + h, target.x0 : target.x0 + w]
    shared = _pixels(window & torch.from_numpy(target.bits).to(masks.device))
    union = _pixels(masks) + target.area - shared
    ious: npt.NDArray[np.float64] = shared / np.maximum(union, 1)
    return ious


def _pixels(masks: torch.Tensor) -> npt.NDArray[np.int64]:
    """How many pixels are set in each of K bool masks; numpy counts 50 times as fast as torch."""
    if masks.device.type == "cpu":
        return np.array([np.count_nonzero(mask) for mask in masks.numpy()], dtype=np.int64)
    counts: npt.NDArray[np.int64] = torch.count_nonzero(masks, dim=(1, 2)).cpu().numpy()
    return counts


def upscale(logits: torch.Tensor, frame: Frame) -> torch.Tensor:
    """(N, K, h, w) logits on the model's grid → (N, K, H, W) on the image's pixels.

    Two bilinear steps as in ``Sam.postprocess_masks``, each left out where it changes no size.
    """
    full = _resize(logits, frame.canvas)
    full = full[..., : frame.content[0], : frame.content[1]]
    return _resize(full, frame.image)


def _resize(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if tuple(logits.shape[-2:]) == size:
        return logits
    return F.interpolate(logits, size, mode="bilinear", align_corners=False)


def _full_masks(prediction: Prediction, threshold: float) -> Iterator[torch.Tensor]:
    """Each prompt's (K, H, W) bool masks, made for several prompts of one frame at a time."""
    frames, start = prediction.frames, 0
    while start < len(frames):
        frame, end = frames[start], start + 1
        pixels = prediction.logits.shape[1] * max(
            frame.image[0] * frame.image[1], frame.canvas[0] * frame.canvas[1]
        )
        while (
            end < len(frames) and frames[end] == frame and (end + 1 - start) * pixels < _MAX_PIXELS
        ):
            end += 1
        yield from upscale(prediction.logits[start:end].float(), frame) > threshold
        start = end
