"""The masks of a grid of points, as segment-anything's automatic generator finds them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch

from bench.config.component import Component
from bench.config.composing import RunConfig
from bench.config.run_key import Question
from bench.models.loading import model_class
from bench.scoring.foreground import foregrounds_and_areas
from bench.tasks.contract import Batches, Case, Lent, Scored
from bench.types import BenchError, Frame, Mask, Prompt, Sample, Segmenter, Site
from bench.types.stopwatch import Stopwatch

log = logging.getLogger(__name__)

Kept = TypeVar("Kept")

EVERY = 30.0
"""Seconds between two lines about one picture, as between those about a run."""

MOST_POINTS = 128
"""Along a side of the grid: more lie closer than SAM's own grid of features."""


def check_grid(side: int, nms: float) -> None:
    """Raises ``BenchError`` for a number of points along a side, and an IoU, that make no sense."""
    if not 1 <= side <= MOST_POINTS:
        raise BenchError(f"task.args.points_per_side is from 1 to {MOST_POINTS}, found {side}")
    if not 0 <= nms <= 1:
        raise BenchError(f"task.args.nms is an IoU from 0 to 1, found {nms}")


def question_of_grid(config: RunConfig, site: Site, prompt: str) -> Question:
    """What is asked of a model by a grid of points, as ``question_of`` says it."""
    return question_of(config, site, prompt, "points")


def question_of(config: RunConfig, site: Site, prompt: str, kind: str) -> Question:
    """What is asked of a model, its files pinned; ``prompt`` stands in the place of a strategy.

    Raises ``BenchError`` for a model that doesn't understand the ``kind`` of cues.
    """
    segmenter = model_class(config.model, config.runtime.allow_modules)
    if kind not in segmenter.prompt_kinds:
        raise BenchError(
            f"task {config.task.name} asks {kind}, and model {config.model.name} understands "
            f"{', '.join(sorted(segmenter.prompt_kinds)) or 'none'}"
        )
    return Question(
        task=config.task,
        seed=0,
        model=replace(config.model, args=segmenter.pin(config.model.args, site)),
        dataset=config.dataset,
        prompts={prompt: Component(prompt, "1", prompt)},
        protocol=config.protocol,
    )


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


def asked(
    lent: Lent,
    cases: Sequence[Case],
    watch: Stopwatch,
    prompt: str,
    find: Callable[[Sample, Any], Kept],
    score: Callable[[Sample, Kept], Scored],
) -> list[Scored]:
    """Of each image what ``score`` makes of what ``find`` gets from the model on its embedding.

    An image for which ``find`` raises ``BenchError`` fails, the run of ``prompt`` having no rows.
    """
    samples = [case.sample for case in cases]
    scored = []
    for sample, embedding in zip(samples, lent.embed(samples), strict=True):
        try:
            with watch("predict"):
                found = find(sample, embedding)
        except BenchError as error:
            scored.append(Scored(sample.image_id, {}, faults={prompt: str(error)}))
            continue
        with watch("score"):
            scored.append(score(sample, found))
    return scored


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mask that is not empty, its logits (h, w) float32 on the CPU, and its predicted IoU.

    ``areas`` are the pixels above each of the further thresholds that were asked for.
    """

    mask: Mask
    logits: torch.Tensor
    frame: Frame
    predicted_iou: float
    areas: tuple[int, ...] = ()


def candidates(
    segmenter: Segmenter,
    embedding: Any,
    prompts: Sequence[Prompt],
    batches: Batches,
    threshold: float,
    keep: Callable[[Candidate], Kept],
    *,
    others: Sequence[float] = (),
    multimask: bool = True,
) -> list[Kept]:
    """What ``keep`` makes of every candidate mask of every prompt, in their order; of none empty.

    ``others`` are further thresholds, at which their pixels are counted. Of a slow model is told
    every ``EVERY`` seconds how far it has come. Raises ``BenchError`` where an answer holds what is
    no number.
    """
    start = told = time.monotonic()
    done = 0

    def answers(some: Sequence[Prompt]) -> list[Kept]:
        nonlocal done
        prediction = segmenter.predict([embedding] * len(some), some, multimask=multimask)
        done += len(some)
        found: list[Kept] = []
        for grids, scores, frame in zip(
            prediction.logits, prediction.predicted_iou, prediction.frames, strict=True
        ):
            if not (torch.isfinite(grids).all() and torch.isfinite(scores).all()):
                raise BenchError("the model answers a point of the grid with NaN or infinity")
            grids, scores = grids.float().cpu(), scores.float().cpu()
            masks = foregrounds_and_areas(grids, frame, threshold, others)
            found += [
                keep(Candidate(mask, grid, frame, float(score), areas))
                for (mask, areas), grid, score in zip(masks, grids, scores, strict=True)
                if mask.area
            ]
        return found

    everything: list[Kept] = []
    for found in batches(answers, prompts):
        everything += found
        now = time.monotonic()
        if now - told >= EVERY and done < len(prompts):
            told = now
            log.info(
                "%d of a picture's %d points are answered, its others in about %.0f s",
                *(done, len(prompts), (now - start) * (len(prompts) - done) / done),
            )
    return everything


def without_twins(
    boxes: Sequence[Sequence[int]], scores: Sequence[float], most: float
) -> list[int]:
    """The numbers of those that no better one's box overlaps by an IoU above ``most``.

    The best by score first. ``boxes`` are (x0, y0, x1, y1), both corners included; torchvision's
    NMS takes them without the last pixel's own width, as segment-anything hands them on.
    """
    if not boxes:
        return []
    from torchvision.ops import nms

    kept = nms(torch.tensor(boxes, dtype=torch.float32), torch.tensor(scores), most)
    numbers: list[int] = kept.tolist()
    return numbers
