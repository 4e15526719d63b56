"""Interactive rounds on rendered scenes: what is asked, and the question after each answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from segment_anything.modeling import Sam
from torch import Tensor

from bench.demo.network import IMG_SIZE
from bench.demo.scenes.canvas import BoolMask
from bench.demo.scenes.scene import Scene
from bench.demo.training.clicks import Click, correction
from bench.demo.training.decoding import (
    BACKGROUND,
    BOX_FIRST,
    BOX_LAST,
    FOREGROUND,
    PAD,
    PromptBatch,
)

Start = Click | NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Question:
    """A target in the padded frame (256, 256) bool, the index of its image, and the first prompt.

    `start` is a positive click or a box (4,).
    """

    target: BoolMask
    image_index: int
    start: Start


def padded(mask: BoolMask) -> BoolMask:
    """Return the mask with False added at the bottom and the right, up to (256, 256)."""
    height, width = mask.shape
    return np.pad(mask, ((0, IMG_SIZE - height), (0, IMG_SIZE - width)))


def encoder_input(sam: Sam, scenes: list[Scene]) -> Tensor:
    """Return (B, 3, 256, 256) float32: normalised, then zero-padded at the bottom and the right."""
    pictures = (torch.from_numpy(scene.image).permute(2, 0, 1).float() for scene in scenes)
    return torch.stack([sam.preprocess(picture) for picture in pictures])


def soft_targets(questions: list[Question]) -> Tensor:
    """Return the targets on the mask grid, (N, 128, 128) float32, area averaged."""
    masks = np.stack([question.target for question in questions]).astype(np.float32)
    return F.avg_pool2d(torch.from_numpy(masks), 2)


def first_prompts(questions: list[Question]) -> PromptBatch:
    """Return the first round: a box as two corners, a click as a point and a padding token."""
    points = torch.zeros(len(questions), 2, 2)
    labels = torch.full((len(questions), 2), PAD)
    for index, question in enumerate(questions):
        if isinstance(question.start, Click):
            points[index, 0] = torch.tensor([question.start.x, question.start.y])
            labels[index, 0] = FOREGROUND
        else:
            points[index] = torch.from_numpy(question.start).reshape(2, 2)
            labels[index] = torch.tensor([BOX_FIRST, BOX_LAST])
    image_index = torch.tensor([question.image_index for question in questions])
    return PromptBatch(points, labels, image_index)


def next_prompts(
    prompts: PromptBatch,
    questions: list[Question],
    chosen: Tensor,
    rng: np.random.Generator | None,
    *,
    random_share: float = 0.0,
) -> PromptBatch:
    """Return the next round: one more click per prompt, and the last logits fed back.

    chosen: (N, 128, 128) float32 logits of the mask that the user looked at. A share of the
    clicks is a random error pixel, the others the most inside pixel of the deeper error.
    """
    clicks = []
    for question, logits in zip(questions, chosen.numpy(), strict=True):
        full = cv2.resize(logits, (IMG_SIZE, IMG_SIZE), interpolation=cv2.INTER_LINEAR)
        prediction = cast(BoolMask, full > 0)
        source = rng if rng is not None and rng.random() < random_share else None
        clicks.append(correction(question.target, prediction, source))
    points = torch.tensor([[[click.x, click.y]] for click in clicks], dtype=torch.float32)
    labels = torch.tensor([[FOREGROUND if click.positive else BACKGROUND] for click in clicks])
    return PromptBatch(
        torch.cat([prompts.points, points], dim=1),
        torch.cat([prompts.labels, labels], dim=1),
        prompts.image_index,
        chosen[:, None],
    )
