"""How good a demo model is on rendered scenes of the test bank."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

import cv2
import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor

from bench.demo.network import IMG_SIZE
from bench.demo.scenes.scene import Scene, render_scene
from bench.demo.scenes.textures import BankName
from bench.demo.training.clicks import deepest_point, tight_box
from bench.demo.training.decoding import Answers, PromptBatch, answer
from bench.demo.training.episodes import (
    Question,
    encoder_input,
    first_prompts,
    next_prompts,
    padded,
)

OBJECTS_PER_SCENE = 12
CLICKS = 9
_SHORT_SIDES = (256, 256, 224, 192, 171)


@dataclass(frozen=True, slots=True)
class Score:
    """IoU figures of one object, each 0..1.

    `area` is the share of the picture; `top1` and `oracle` are for one click and three masks, the
    one with the highest predicted IoU and the best one; `predicted` is that predicted IoU;
    `clicks` has the IoU after 1 to 9 clicks; `box` is for the tight box and a single mask.
    """

    area: float
    top1: float
    oracle: float
    predicted: float
    clicks: tuple[float, ...]
    box: float


def scene_size(rng: np.random.Generator) -> tuple[int, int]:
    """Return a random (H, W) whose longer side is 256: square, upright or lying."""
    short = int(rng.choice(_SHORT_SIDES))
    return (IMG_SIZE, short) if rng.random() < 0.5 else (short, IMG_SIZE)


def evaluation_scene(
    seed: int, bank: BankName = "test", most: int | None = OBJECTS_PER_SCENE
) -> Scene:
    """Return hold-out scene number `seed`, with at most `most` objects, drawn; None keeps all."""
    rng = np.random.default_rng(np.random.SeedSequence([5_003, seed]))
    scene = render_scene(seed, bank=bank, size=scene_size(rng))
    number = len(scene.objects)
    kept = rng.choice(number, number if most is None else min(number, most), replace=False)
    return Scene(scene.image, tuple(scene.objects[int(index)] for index in np.sort(kept)))


def _ious(logits: Tensor, questions: list[Question], size: tuple[int, int]) -> list[float]:
    """Return exact IoU at picture resolution of (N, 128, 128) logits."""
    height, width = size
    found = []
    for question, low in zip(questions, logits.numpy(), strict=True):
        full = cv2.resize(low, (IMG_SIZE, IMG_SIZE), interpolation=cv2.INTER_LINEAR)
        mask = full[:height, :width] > 0
        truth = question.target[:height, :width]
        found.append(float((mask & truth).sum() / (mask | truth).sum()))
    return found


def _click_curve(
    sam: Sam, embedding: Tensor, questions: list[Question], size: tuple[int, int], fast: bool
) -> tuple[Answers, Tensor, list[list[float]]]:
    prompts: PromptBatch = first_prompts(questions)
    first = answer(sam, embedding, prompts, fast=fast)
    best = first.predicted_iou[:, 1:].argmax(dim=1)
    chosen = first.logits[torch.arange(len(questions)), 1 + best]
    curve = [_ious(chosen, questions, size)]
    for _ in range(CLICKS - 1):
        prompts = next_prompts(prompts, questions, chosen, None)
        chosen = answer(sam, embedding, prompts, fast=fast).logits[:, 0]
        curve.append(_ious(chosen, questions, size))
    return first, best, curve


@torch.no_grad()
def score_scene(sam: Sam, scene: Scene, *, fast: bool = False) -> list[Score]:
    """Return one score per object of the scene; `fast` computes in bfloat16."""
    size = (scene.image.shape[0], scene.image.shape[1])
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        embedding = sam.image_encoder(encoder_input(sam, [scene])).float()
    masks = [thing.mask for thing in scene.objects]
    questions = [Question(padded(mask), 0, deepest_point(mask)) for mask in masks]
    boxes = [Question(padded(mask), 0, tight_box(mask)) for mask in masks]
    first, best, curve = _click_curve(sam, embedding, questions, size, fast)
    each = np.array([_ious(first.logits[:, 1 + k], questions, size) for k in range(3)])
    boxed = answer(sam, embedding, first_prompts(boxes), fast=fast).logits[:, 0]
    box_ious = _ious(boxed, boxes, size)
    return [
        Score(
            area=float(mask.mean()),
            top1=curve[0][i],
            oracle=float(each[:, i].max()),
            predicted=float(first.predicted_iou[i, 1 + int(best[i])]),
            clicks=tuple(step[i] for step in curve),
            box=box_ious[i],
        )
        for i, mask in enumerate(masks)
    ]


def score_scenes(sam: Sam, seeds: Iterable[int], *, fast: bool = False) -> list[Score]:
    """Return the scores of all objects of the hold-out scenes with these seeds."""
    return [
        score for seed in seeds for score in score_scene(sam, evaluation_scene(seed), fast=fast)
    ]


def summary(scores: list[Score]) -> dict[str, float]:
    """Return the mean IoUs over objects, and the IoU head's mean absolute error."""
    return {
        "point_1": fmean(score.top1 for score in scores),
        "oracle": fmean(score.oracle for score in scores),
        "point_3": fmean(score.clicks[2] for score in scores),
        "point_9": fmean(score.clicks[8] for score in scores),
        "box": fmean(score.box for score in scores),
        "head_error": fmean(abs(score.predicted - score.top1) for score in scores),
        "objects": float(len(scores)),
    }
