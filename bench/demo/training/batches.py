"""What each training step shows and asks: its scenes, its prompts and its rounds.

Everything random is a function of (seed, step, rank), so that batches can be drawn ahead, in
another process, and a continued run asks what an uninterrupted one would have asked.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from bench.demo.network import SizeName
from bench.demo.scenes.scene import Scene, SceneObject, render_scene
from bench.demo.training.clicks import deepest_point, noisy_box, random_point
from bench.demo.training.episodes import Question, Start, padded
from bench.demo.training.holdout import scene_size


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every choice of a training run that changes its result.

    `first_scene` is the seed of the first scene, `scenes` how many different ones there are before
    they come again (0: each is seen once). `init` is the SHA-256 of the checkpoint that the run
    starts from, "" for random weights; then the balanced loss at the start is not needed.
    `box_share` of the prompts begin with a box, `tight_share` of these without noise, the others
    with a click. `box_area_power` and `click_area_power` say how much more often large things are
    asked for: area to that power.
    `random_first` and `random_next` are the shares of clicks that are random pixels.
    """

    size: SizeName = "m"
    seed: int = 0
    init: str = ""
    first_scene: int = 0
    scenes: int = 0
    images: int = 2
    prompts: int = 4
    processes: int = 2
    learning_rate: float = 1.2e-3
    weight_decay: float = 0.03
    warmup_steps: int = 40
    decay_share: float = 0.9
    balanced_until: int = 250
    focal_from: int = 800
    clip: float = 1.0
    ema: float = 0.9985
    click_area_power: float = 0.15
    box_area_power: float = 0.35
    box_share: float = 0.46
    tight_share: float = 0.6
    random_first: float = 0.25
    random_next: float = 0.25


@dataclass(frozen=True, slots=True)
class Batch:
    """Scenes, and the first prompts on them; `Question.image_index` points into `scenes`."""

    scenes: list[Scene]
    questions: list[Question]


@dataclass(frozen=True, slots=True)
class Rounds:
    """How many rounds of prompts a step has, and in which of them (from 0) there is a loss."""

    number: int
    teaching: frozenset[int]


class DrawBatch(Protocol):
    """Gives the batch of a step."""

    def __call__(self, step: int) -> Batch:
        """Return the batch of this step; steps are asked for in rising order."""
        ...


def draw_batch(recipe: Recipe, step: int, rank: int) -> Batch:
    """Return the scenes and the first prompts of one process in one step."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(np.random.SeedSequence([recipe.seed, step, rank]))
    scenes, questions = [], []
    for index in range(recipe.images):
        number = (step * recipe.processes + rank) * recipe.images + index
        size = scene_size(rng)
        if recipe.scenes:
            number %= recipe.scenes
            size = scene_size(np.random.default_rng(np.random.SeedSequence([7_001, number])))
        seed = recipe.first_scene + number
        scene = render_scene(seed, bank="train", size=size)
        scenes.append(scene)
        boxes = int(rng.binomial(recipe.prompts, recipe.box_share))
        boxed = _drawn(rng, scene, boxes, recipe.box_area_power)
        clicked = _drawn(rng, scene, recipe.prompts - boxes, recipe.click_area_power)
        starts: list[tuple[SceneObject, Start]] = [
            *((thing, _box(rng, recipe, thing, size)) for thing in boxed),
            *((thing, _click(rng, recipe, thing)) for thing in clicked),
        ]
        questions += [Question(padded(thing.mask), index, start) for thing, start in starts]
    return Batch(scenes, questions)


def _drawn(
    rng: np.random.Generator, scene: Scene, wanted: int, area_power: float
) -> list[SceneObject]:
    """Return so many things of the scene, different ones where there are enough."""
    weights = np.array([thing.mask.sum() for thing in scene.objects], np.float64) ** area_power
    number = len(scene.objects)
    chosen = rng.choice(number, wanted, replace=number < wanted, p=weights / weights.sum())
    return [scene.objects[int(which)] for which in chosen]


@contextmanager
def drawn_ahead(recipe: Recipe, rank: int, ahead: int) -> Generator[DrawBatch, None, None]:
    """Give a function that returns each step's batch, rendered by a process of its own.

    `ahead` batches are under way while one is used; with 0 there is no such process. What it
    gives is what `draw_batch` gives.
    """
    if ahead == 0:
        yield lambda step: draw_batch(recipe, step, rank)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        under_way: dict[int, Future[Batch]] = {}

        def batch_of(step: int) -> Batch:
            for later in range(step, step + ahead + 1):
                if later not in under_way:
                    under_way[later] = pool.submit(draw_batch, recipe, later, rank)
            return under_way.pop(step).result()

        try:
            yield batch_of
        finally:
            for future in under_way.values():
                future.cancel()


def rounds_of_step(recipe: Recipe, step: int) -> Rounds:
    """Return the rounds of a step; the same in all processes.

    The first round and the last two teach: nine clicks in use want training on the ninth, and
    the rounds between need no backward pass, which is two thirds of the cost.
    """
    rng = np.random.default_rng(np.random.SeedSequence([recipe.seed, step, 99]))
    number = int(rng.choice([1, 2, 3, 5, 9], p=[0.33, 0.24, 0.22, 0.11, 0.10]))
    return Rounds(number, frozenset({0, max(0, number - 2), number - 1}))


def _box(
    rng: np.random.Generator, recipe: Recipe, thing: SceneObject, size: tuple[int, int]
) -> Start:
    noise = 0.0 if rng.random() < recipe.tight_share else float(rng.uniform(0.0, 0.1))
    return noisy_box(rng, thing.mask, noise, size)


def _click(rng: np.random.Generator, recipe: Recipe, thing: SceneObject) -> Start:
    if rng.random() < recipe.random_first:
        return random_point(rng, thing.mask)
    return deepest_point(thing.mask)
