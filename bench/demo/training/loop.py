"""One training step of the demo model, and the state that a run can be continued from.

Everything random is a function of (seed, step, rank), so that the step number is the whole state
of the random numbers and of the scenes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor

from bench.demo.network import build_demo_sam, grow_from, local_init
from bench.demo.training.batches import Batch, Recipe, Rounds, rounds_of_step
from bench.demo.training.decoding import Answers, PromptBatch, answer
from bench.demo.training.episodes import encoder_input, first_prompts, next_prompts, soft_targets
from bench.demo.training.losses import LossWeights, hard_iou, round_loss


@dataclass(slots=True)
class State:
    """A run in progress: weights, their running mean, the optimiser and how far it is.

    `progress` in 0..1 is the share of the budget (minutes or steps) that is spent.
    """

    sam: Sam
    ema: dict[str, Tensor]
    optimiser: torch.optim.AdamW
    step: int = 0
    minutes: float = 0.0
    progress: float = 0.0


def new_state(recipe: Recipe, init: Mapping[str, Tensor] | None = None) -> State:
    """Return the state before the first step; seeds torch's generator for the initial weights.

    init: the weights behind `recipe.init`, of the same size or one that it grows from.
    """
    torch.manual_seed(recipe.seed)
    sam = build_demo_sam(recipe.size)
    local_init(sam)
    if init is not None:
        grow_from(sam, init)
    matrices = [p for p in sam.parameters() if p.ndim >= 2]
    others = [p for p in sam.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.99), fused=True)
    ema = {name: tensor.clone() for name, tensor in sam.state_dict().items()}
    return State(sam, ema, optimiser)


def save_state(state: State, path: Path) -> None:
    """Write everything that continuing needs; the file appears whole or not at all."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    content = {
        "sam": state.sam.state_dict(),
        "ema": state.ema,
        "optimiser": state.optimiser.state_dict(),
        "step": state.step,
        "minutes": state.minutes,
        "progress": state.progress,
    }
    torch.save(content, aside)
    os.replace(aside, path)


def load_state(recipe: Recipe, path: Path) -> State:
    """Return the state that `save_state` wrote for the same recipe."""
    content = torch.load(path, weights_only=True)
    state = new_state(recipe)
    state.sam.load_state_dict(content["sam"])
    state.ema = content["ema"]
    state.optimiser.load_state_dict(content["optimiser"])
    state.step = content["step"]
    state.minutes = content["minutes"]
    state.progress = content["progress"]
    return state


def learning_rate(recipe: Recipe, step: int, progress: float) -> float:
    """Return the rate: linear warm-up in steps, constant, then a cosine to zero in progress."""
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    left = min(1.0, (1 - min(progress, 1.0)) / recipe.decay_share)
    return recipe.learning_rate * warm * (1 - float(np.cos(np.pi * left))) / 2


def balance_of_step(recipe: Recipe, step: int) -> float:
    """Return the share of class-balanced loss: 1 at first, then linearly down to 0."""
    if recipe.init:
        return 0.0
    span = recipe.focal_from - recipe.balanced_until
    return min(1.0, max(0.0, (recipe.focal_from - step) / span))


def _looked_at(answers: Answers, by_click: Tensor, rng: np.random.Generator) -> Tensor:
    """Return the logits that the simulated user corrects, (N, 128, 128).

    After a first click that is the candidate with the highest predicted IoU, as in use, or at
    times another one, so that corrections of bad masks are learnt too; else it is mask 0.
    """
    number = len(by_click)
    best = 1 + answers.predicted_iou[:, 1:].argmax(dim=1)
    other = torch.from_numpy(rng.integers(0, 4, number))
    stray = torch.from_numpy(rng.random(number) < 0.2)
    index = torch.where(by_click, torch.where(stray, other, best), torch.zeros_like(best))
    return answers.logits.detach()[torch.arange(number), index]


def accumulate_gradients(recipe: Recipe, state: State, rank: int, batch: Batch) -> dict[str, float]:
    """Run one step's rounds forward and backward; return its loss and IoU of mask 0.

    batch: that of the state's step and of this process. Each round that teaches goes backward at
    once, into a detached copy of the embedding, so the encoder goes backward only once, and the
    memory is that of one round. The others only bring the masks to where the later clicks are.
    """
    rng = np.random.default_rng(np.random.SeedSequence([recipe.seed, state.step, rank, 1]))
    rounds: Rounds = rounds_of_step(recipe, state.step)
    sam, questions = state.sam, batch.questions
    with torch.autocast("cpu", torch.bfloat16):
        embedding = sam.image_encoder(encoder_input(sam, batch.scenes))
    leaf = embedding.detach().float().requires_grad_()
    target = soft_targets(questions)
    prompts: PromptBatch = first_prompts(questions)
    clicked = torch.tensor([not isinstance(question.start, np.ndarray) for question in questions])
    balance = balance_of_step(recipe, state.step)
    total, overlap = 0.0, 0.0
    for turn in range(rounds.number):
        teaches = turn in rounds.teaching
        with torch.set_grad_enabled(teaches):
            answers = answer(sam, leaf, prompts, fast=True)
        ambiguous = clicked & torch.tensor(turn == 0)
        if teaches:
            weights = LossWeights(
                balance=balance,
                single=torch.where(ambiguous, 0.5, 1.0),
                multi=torch.where(ambiguous, 1.0, 0.5),
            )
            loss = round_loss(answers, target, weights) / len(rounds.teaching)
            torch.autograd.backward(loss)
            total += float(loss.detach())
            overlap = float(hard_iou(answers.logits[:, :1], target).mean())
        if turn + 1 < rounds.number:
            chosen = _looked_at(answers, ambiguous, rng)
            prompts = next_prompts(prompts, questions, chosen, rng, random_share=recipe.random_next)
    torch.autograd.backward(embedding, leaf.grad)
    return {"loss": total, "iou": overlap}


def apply_gradients(recipe: Recipe, state: State) -> None:
    """Take one optimiser step from the gradients, and advance the running mean and the count."""
    torch.nn.utils.clip_grad_norm_(state.sam.parameters(), recipe.clip)
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate(recipe, state.step, state.progress)
    state.optimiser.step()
    state.optimiser.zero_grad(set_to_none=False)
    keep = min(recipe.ema, (1 + state.step) / (10 + state.step))
    with torch.no_grad():
        for name, tensor in state.sam.state_dict().items():
            state.ema[name].lerp_(tensor, 1 - keep)
    state.step += 1
