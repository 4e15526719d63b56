"""Train the demo model on rendered scenes.

    python -m bench.demo.training.train --size m --minutes 105 --out DIR

The same command continues a run that was stopped. DIR receives

    state.pt              everything needed to continue, renewed every few minutes
    curve.jsonl           one line per evaluation: minutes, steps, images and hold-out mean IoUs
    demo_<size>.safetensors   the running mean of the weights, float16

The learning rate follows a clock that is part of the state: it counts only the time in which the
run was running, and reaches zero when the minutes (or steps) are spent, however fast it went.

With glibc, MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000 in the environment made a step
13 % faster (548 to 477 ms): freed tensors are then reused instead of being paged in anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import torch
import torch.distributed as dist
from torch import Tensor

from bench.demo.network import SIZES
from bench.demo.training.batches import DrawBatch, Recipe, drawn_ahead
from bench.demo.training.holdout import Score, score_scenes, summary
from bench.demo.training.loop import (
    State,
    accumulate_gradients,
    apply_gradients,
    load_state,
    new_state,
    save_state,
)
from bench.demo.training.processes import run_together
from bench.demo.training.weights import load_demo_sam, save_weights

log = logging.getLogger(__name__)

# A pause of the machine must not eat the budget: one step counts at most this many minutes.
_LONGEST_STEP = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to train, and how often to look; nothing here changes a step.

    Exactly one of `minutes` and `steps` is the budget. The intervals are in minutes of the
    training clock, `threads` is per process. `ahead` batches are rendered in advance by a process
    of their own; with 0 the training process renders.
    """

    out: Path
    init: Path | None = None
    minutes: float | None = None
    steps: int | None = None
    save_every: float = 4.0
    export_every: float = 10.0
    holdout_scenes: int = 12
    threads: int = 1
    ahead: int = 4

    def progress(self, state: State) -> float:
        """Return the share of the budget that is spent, 0..1."""
        spent = state.minutes / self.minutes if self.minutes else state.step / (self.steps or 1)
        return min(1.0, spent)


@contextmanager
def _averaged_weights(state: State) -> Iterator[None]:
    """Put the running mean into the model for a while."""
    current = {name: tensor.clone() for name, tensor in state.sam.state_dict().items()}
    state.sam.load_state_dict(state.ema)
    try:
        yield
    finally:
        state.sam.load_state_dict(current)


def average_gradients(state: State) -> None:
    """Replace the gradients by their mean over all processes."""
    parameters = list(state.sam.parameters())
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    pieces: Sequence[Tensor] = torch.split(flat, [p.numel() for p in parameters])
    for parameter, piece in zip(parameters, pieces, strict=True):
        parameter.grad = piece.view_as(parameter)


def _share_clock(state: State) -> None:
    """Give all processes the clock of the first one, so that they take the same step."""
    clock = torch.tensor([state.minutes, state.progress], dtype=torch.float64)
    dist.broadcast(clock, 0)
    state.minutes, state.progress = float(clock[0]), float(clock[1])


def evaluate(recipe: Recipe, plan: Plan, state: State, rank: int) -> dict[str, float]:
    """Return the hold-out figures of the averaged weights; the processes share the scenes."""
    with _averaged_weights(state):
        scores = score_scenes(
            state.sam, range(rank, plan.holdout_scenes, recipe.processes), fast=True
        )
    if recipe.processes > 1:
        gathered: list[list[Score] | None] = [None] * recipe.processes
        dist.all_gather_object(gathered, scores)
        scores = [score for part in gathered if part is not None for score in part]
    return summary(scores)


def export(recipe: Recipe, state: State, path: Path) -> None:
    """Write the averaged weights as a checkpoint whose header says how they came about."""
    notes = {
        "recipe": json.dumps(asdict(recipe), sort_keys=True),
        "steps": str(state.step),
        "images": str(state.step * recipe.images * recipe.processes),
        "minutes": f"{state.minutes:.1f}",
        "progress": f"{state.progress:.4f}",
        "licence": "Apache-2.0",
    }
    save_weights(state.ema, path, recipe.size, notes)


def run(recipe: Recipe, plan: Plan, rank: int = 0) -> State:
    """Train in this process until the budget is spent; rank 0 writes the files."""
    torch.set_num_threads(plan.threads)
    cv2.setNumThreads(1)
    saved = plan.out / "state.pt"
    if saved.exists():
        state = load_state(recipe, saved)
    else:
        init = None if plan.init is None else load_demo_sam(plan.init).state_dict()
        state = new_state(recipe, init)
    state.progress = plan.progress(state)
    if recipe.processes > 1:
        _share_clock(state)
    with drawn_ahead(recipe, rank, plan.ahead) as batch_of:
        _steps(recipe, plan, state, rank, batch_of)
    return state


def _steps(recipe: Recipe, plan: Plan, state: State, rank: int, batch_of: DrawBatch) -> None:
    """Take steps until the budget is spent; look, export and save on the way."""
    saved = plan.out / "state.pt"
    last_save, last_look = state.minutes, state.minutes
    before = time.monotonic()
    recent = {"loss": 0.0, "iou": 0.0}
    while state.progress < 1.0:
        figures = accumulate_gradients(recipe, state, rank, batch_of(state.step))
        if recipe.processes > 1:
            average_gradients(state)
        apply_gradients(recipe, state)
        recent = {name: 0.98 * recent[name] + 0.02 * figures[name] for name in recent}
        now = time.monotonic()
        state.minutes += min((now - before) / 60, _LONGEST_STEP)
        before = now
        state.progress = plan.progress(state)
        if recipe.processes > 1:
            _share_clock(state)
        if rank == 0 and state.step % 100 == 0:
            log.info("step %d, %.1f min, %s", state.step, state.minutes, recent)
        # Early on the curve says whether learning has started at all, so look more often.
        early = state.minutes <= 2 * plan.export_every
        interval = plan.export_every / 2 if early else plan.export_every
        if state.progress >= 1.0 or state.minutes - last_look >= interval:
            last_look = state.minutes
            _look(recipe, plan, state, rank)
        if rank == 0 and (state.progress >= 1.0 or state.minutes - last_save >= plan.save_every):
            last_save = state.minutes
            save_state(state, saved)


def _look(recipe: Recipe, plan: Plan, state: State, rank: int) -> None:
    """Evaluate, add a line to the curve and export."""
    figures = evaluate(recipe, plan, state, rank)
    if rank != 0:
        return
    line = {
        "minutes": round(state.minutes, 2),
        "steps": state.step,
        "images": state.step * recipe.images * recipe.processes,
        **{name: round(value, 4) for name, value in figures.items()},
    }
    with (plan.out / "curve.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    log.info("hold-out %s", line)
    export(recipe, state, plan.out / f"demo_{recipe.size}.safetensors")


def _process(rank: int, recipe: Recipe, plan: Plan, meeting: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    dist.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=recipe.processes
    )
    try:
        run(recipe, plan, rank)
    finally:
        dist.destroy_process_group()


def train(recipe: Recipe, plan: Plan) -> None:
    """Train with `recipe.processes` processes, and check that a found state has this recipe."""
    plan.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(recipe), sort_keys=True)
    known = plan.out / "recipe.json"
    if known.exists() and known.read_text() != text:
        raise ValueError(
            f"{known}: this folder belongs to another recipe; expected {text}, "
            f"found {known.read_text()}; choose another --out"
        )
    known.write_text(text)
    if recipe.processes == 1:
        run(recipe, plan)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = os.path.join(folder, "meeting")
        run_together(_process, [(rank, recipe, plan, meeting) for rank in range(recipe.processes)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", choices=sorted(SIZES), default="m")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--minutes", type=float, help="budget on the training clock")
    budget.add_argument("--steps", type=int, help="budget in optimiser steps")
    parser.add_argument("--out", type=Path, required=True, help="folder for state and results")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2, help="data-parallel processes")
    parser.add_argument("--images", type=int, default=2, help="scenes per process and step")
    parser.add_argument("--learning-rate", type=float, default=Recipe().learning_rate)
    parser.add_argument("--init", type=Path, help="a checkpoint to go on from, or to grow")
    parser.add_argument("--first-scene", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--scenes", type=int, default=0, help="different scenes (all different)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    recipe = replace(
        Recipe(),
        size=chosen.size,
        seed=chosen.seed,
        processes=chosen.processes,
        images=chosen.images,
        learning_rate=chosen.learning_rate,
        init="" if chosen.init is None else hashlib.sha256(chosen.init.read_bytes()).hexdigest(),
        first_scene=chosen.first_scene,
        scenes=chosen.scenes,
    )
    plan = Plan(out=chosen.out, init=chosen.init, minutes=chosen.minutes, steps=chosen.steps)
    train(recipe, plan)


if __name__ == "__main__":
    main()
