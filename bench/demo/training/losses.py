"""Losses of the demo model, as SAM trains (Kirillov et al. 2023, appendix A), for soft targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.demo.training.decoding import Answers

FOCAL_WEIGHT = 20.0
MEAN_WEIGHT = 0.05


@dataclass(frozen=True, slots=True)
class LossWeights:
    """What a round of prompts counts.

    `balance` in 0..1 is the share of class-balanced cross-entropy in place of focal loss, which a
    start from scratch needs: with focal and dice loss alone every mask collapses to empty.
    `single` (N,) and `multi` (N,) weight mask 0 and the best of masks 1 to 3, per prompt.
    """

    balance: float
    single: Tensor
    multi: Tensor


def mask_losses(logits: Tensor, target: Tensor, balance: float) -> Tensor:
    """Return the loss of each mask, (N, M).

    logits (N, M, h, w); target (N, h, w) in 0..1, the share of each cell that is inside.
    """
    truth = target[:, None]
    probability = torch.sigmoid(logits)
    entropy = F.binary_cross_entropy_with_logits(logits, truth.expand_as(logits), reduction="none")
    overlap = (probability * truth).sum(dim=(2, 3))
    total = probability.sum(dim=(2, 3)) + truth.sum(dim=(2, 3))
    loss = 1 - (2 * overlap + 1) / (total + 1)
    if balance < 1:
        focal = ((probability - truth).square() * entropy).sum(dim=(2, 3)) / _extent(truth)
        loss = loss + (1 - balance) * FOCAL_WEIGHT * focal
    if balance > 0:
        inside = (entropy * truth).sum(dim=(2, 3)) / (truth.sum(dim=(2, 3)) + 1)
        outside = (entropy * (1 - truth)).sum(dim=(2, 3)) / ((1 - truth).sum(dim=(2, 3)) + 1)
        loss = loss + balance * (inside + outside) / 2
    return loss


def _extent(truth: Tensor) -> Tensor:
    """Return the cells (N, 1) that the focal loss is averaged over.

    Over the whole picture, small things would have next to no part in the mean: a thing counts
    with four times its own area and a rim, up to the whole picture.
    """
    cells = truth.shape[2] * truth.shape[3]
    return (4 * truth.sum(dim=(2, 3)) + cells / 64).clamp(max=cells)


@torch.no_grad()
def hard_iou(logits: Tensor, target: Tensor) -> Tensor:
    """Return the IoU (N, M) of thresholded masks, logits > 0 against target > 0.5."""
    mask, truth = logits > 0, (target > 0.5)[:, None]
    overlap = (mask & truth).sum(dim=(2, 3))
    union = (mask | truth).sum(dim=(2, 3))
    return overlap / union.clamp(min=1)


def round_loss(answers: Answers, target: Tensor, weights: LossWeights) -> Tensor:
    """Return the scalar loss of one round of prompts.

    Mask 0 always learns; of masks 1 to 3 only the best one does (and all a little, against heads
    that never win). The IoU head learns the true IoU of all four, by squared error.
    """
    per_mask = mask_losses(answers.logits, target, weights.balance)
    candidates = per_mask[:, 1:]
    multi = candidates.min(dim=1).values + MEAN_WEIGHT * candidates.mean(dim=1)
    truth = hard_iou(answers.logits, target)
    calibration = (answers.predicted_iou - truth).square().sum(dim=1)
    return (weights.single * per_mask[:, 0] + weights.multi * multi + calibration).mean()
