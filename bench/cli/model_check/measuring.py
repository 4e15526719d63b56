"""What a model's answers cost here: parameters, operations, milliseconds, memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.demo.scenes.scene import render_scene
from bench.run.profiling.memory import Memory, peak
from bench.types import ImageArray, Prompt, Segmenter

ROUNDS = 20
SECONDS = 20.0
"""How long a call is timed at most, once it was timed three times."""
_LEAST = 3
_SIZE = (768, 1024)


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of a call: the median and the 95th percentile of ``rounds``."""

    median: float
    late: float
    rounds: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Times:
        """Of what each round took.

        >>> Times.of([0.001, 0.003, 0.002])
        Times(median=2.0, late=2.9, rounds=3)
        """
        ms = [1e3 * each for each in seconds]
        late = round(float(np.percentile(ms, 95)), 6)
        return cls(round(statistics.median(ms), 6), late, len(ms))


@dataclass(frozen=True, slots=True)
class Cost:
    """``embed`` of a picture of 768×1024 and ``predict`` of a prompt alone.

    ``parameters`` is None where the model doesn't tell, and the giga multiply–accumulates of each
    call where torch counts none, as for a model that isn't torch's. ``memory`` is what this process
    took at most since it began.
    """

    parameters: int | None
    embed: Times
    predict: Times
    embed_gmacs: float | None
    predict_gmacs: float | None
    memory: Memory


def measure(segmenter: Segmenter, device: str) -> Cost:
    """Times the model on a rendered picture, asked with a point, or a box, or words."""
    picture: ImageArray = render_scene(7_001, bank="test", size=_SIZE).image
    prompt = _prompt(segmenter)

    def embed() -> None:
        segmenter.embed([picture])
        _wait(device)

    embedding = segmenter.embed([picture])

    def predict() -> None:
        segmenter.predict(embedding, [prompt], True)
        _wait(device)

    embed_gmacs, predict_gmacs = _gmacs(embed), _gmacs(predict)
    return Cost(
        _parameters(segmenter.facts),
        _timed(embed),
        _timed(predict),
        embed_gmacs,
        predict_gmacs,
        peak(device),
    )


def _prompt(segmenter: Segmenter) -> Prompt:
    height, width = _SIZE
    if "points" in segmenter.prompt_kinds:
        middle = np.array([[width / 2, height / 2]], np.float32)
        return Prompt(middle, np.ones(1, np.int64))
    if "box" not in segmenter.prompt_kinds and "text" in segmenter.prompt_kinds:
        return Prompt(text="a shape")
    corners = np.array([width // 4, height // 4, width // 2, height // 2], np.float32)
    return Prompt(box=corners)


def _timed(call: Callable[[], None]) -> Times:
    """The call, once without being timed, then until ``ROUNDS`` or the time is up."""
    call()
    taken: list[float] = []
    while len(taken) < _LEAST or (len(taken) < ROUNDS and sum(taken) < SECONDS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return Times.of(taken)


def _gmacs(call: Callable[[], None]) -> float | None:
    with FlopCounterMode(display=False) as counted:
        call()
    return counted.get_total_flops() / 2e9 or None


def _parameters(facts: Mapping[str, str]) -> int | None:
    said = facts.get("parameters", "")
    return int(said) if said.isdecimal() else None


def _wait(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
