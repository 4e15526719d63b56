"""Predictions against targets: exact IoU of every candidate, at the image's own resolution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol as TypingProtocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from bench.foreground import foreground
from bench.metrics import boundary_iou, iou
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
    on_cpu = prediction.logits.device.type == "cpu"
    candidates = _cropped if on_cpu and protocol.threshold == 0 else _whole
    for index, found in enumerate(candidates(prediction, protocol.threshold)):
        target, ignore = targets[index], ignores[index]
        if ignore is not None:
            found, target = found.without(ignore), without(target, ignore)
        selected = protocol.selects(predicted_ious[index])
        mask = found.mask(selected)
        scores.append(
            Score(
                ious=found.ious(target),
                predicted_ious=predicted_ious[index],
                selected=selected,
                boundary_iou=boundary_iou(mask, target),
                mask=mask,
                mask_logits=prediction.logits[index, selected].float().cpu().numpy(),
            )
        )
    return scores


class Candidates(TypingProtocol):
    """One prompt's K masks at the image's own resolution."""

    def without(self, ignore: BoolArray) -> Candidates:
        """The same with the pixels of (H, W) ``ignore`` switched off."""

    def mask(self, index: int) -> Mask:
        """One of them."""

    def ious(self, target: Mask) -> npt.NDArray[np.float64]:
        """(K,) IoUs with the target, in [0, 1]; 0 where both are empty."""


@dataclass(frozen=True, slots=True)
class _Whole:
    """A (K, H, W) bool tensor on the model's device."""

    masks: torch.Tensor

    def without(self, ignore: BoolArray) -> _Whole:
        return _Whole(self.masks & ~torch.from_numpy(ignore).to(self.masks.device))

    def mask(self, index: int) -> Mask:
        return Mask.from_dense(self.masks[index].cpu().numpy())

    def ious(self, target: Mask) -> npt.NDArray[np.float64]:
        return candidate_ious(self.masks, target)


@dataclass(frozen=True, slots=True)
class _Cropped:
    """Masks that hold no more than their boxes."""

    masks: Sequence[Mask]

    def without(self, ignore: BoolArray) -> _Cropped:
        return _Cropped([without(mask, ignore) for mask in self.masks])

    def mask(self, index: int) -> Mask:
        return self.masks[index]

    def ious(self, target: Mask) -> npt.NDArray[np.float64]:
        return np.array([iou(mask, target) for mask in self.masks], dtype=np.float64)


def without(mask: Mask, ignore: BoolArray) -> Mask:
    """The mask with the pixels of (H, W) ``ignore`` switched off."""
    h, w = mask.bits.shape
    kept = mask.bits & ~ignore[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w]
    return Mask.from_crop(kept, mask.y0, mask.x0, mask.height, mask.width)


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


def _cropped(prediction: Prediction, threshold: float) -> Iterator[Candidates]:
    """Each prompt's masks, upscaled only where they can be; on the CPU, for threshold 0."""
    for logits, frame in zip(prediction.logits.float(), prediction.frames, strict=True):
        masks = []
        for one in logits:
            mask = foreground(one, frame)
            if mask is None:
                mask = Mask.from_dense((upscale(one[None, None], frame) > threshold)[0, 0].numpy())
            masks.append(mask)
        yield _Cropped(masks)


def _whole(prediction: Prediction, threshold: float) -> Iterator[Candidates]:
    """Each prompt's masks, made for several prompts of one frame at a time."""
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
        yield from map(_Whole, upscale(prediction.logits[start:end].float(), frame) > threshold)
        start = end
