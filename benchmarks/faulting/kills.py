"""Whole commands killed with SIGKILL, and single worker processes of a command."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from faulting.setting import PROMPTED, TWO, Trial, children_of, wait_for_a_part


def killed_commands(
    context: ForkServerContext,
    work: Path,
    runs: int,
    seed: int,
    task: str = PROMPTED,
    more: Sequence[str] = (),
) -> dict[str, Any]:
    """Runs that are killed one to five times each and then finished, against an undisturbed one.

    A third of the kills come at a moment drawn from the whole life of a command, a third while a
    file is written (a hidden neighbour is seen), a third right after something has appeared.
    ``more`` are settings of the killed commands, such as ``TWO`` processes; the undisturbed one has
    one process.
    """
    rng = random.Random(seed)
    trial = Trial(context, work, "kills", 24, task, more)
    began = time.monotonic()
    assert trial.start(trial.folder("timed")).wait() == 0
    life = time.monotonic() - began
    kills, states = 0, Counter[str]()
    for number in range(runs):
        results = trial.folder(f"{number}")
        for _ in range(rng.randint(1, 5)):
            running = trial.start(results)
            _wait_for_moment(running.process, results, rng, life)
            if running.kill():
                kills += 1
                states[_state(results, trial.parts)] += 1
        trial.again_until_done(trial.start(results), results)
    return {
        **trial.found(), "kills": kills, "life_seconds": round(life, 2),
        "found_after_the_kill": dict(states), **trial.ends(),
    }  # fmt: skip


def _wait_for_moment(
    process: ForkServerProcess, results: Path, rng: random.Random, life: float
) -> None:
    """Returns when the process is to be killed, or is over."""
    kind = rng.choice(["any", "writing", "written"])
    if kind == "any":
        process.join(rng.uniform(0, life))
        return
    wanted, seen = rng.randint(1, 24), 0
    before: set[str] = set()
    while process.is_alive() and seen < wanted:
        names = _names(results)
        hidden = {name for name in names if _is_aside(name)}
        fresh = (hidden if kind == "writing" else names - hidden) - before
        seen += len(fresh)
        before |= fresh
    return


def _names(results: Path) -> set[str]:
    return {name for _, _, names in os.walk(results) for name in names}


def _is_aside(name: str) -> bool:
    return name.startswith(".") and len(name) > 33


def _state(results: Path, whole: int) -> str:
    """What a killed command left behind, of so many parts."""
    names = _names(results)
    parts = sum(name.endswith(".parquet") for name in names)
    if any(_is_aside(name) for name in names):
        return "a file half written"
    if "owner.json" not in names:
        return "the run not held (yet, or any more)"
    if parts == 0:
        return "no part yet"
    return "all parts, not closed" if parts >= whole else "some parts"


def killed_workers(
    context: ForkServerContext, work: Path, kills: int, seed: int, task: str = PROMPTED
) -> dict[str, Any]:
    """Commands of two processes, of which one is killed again and again.

    A kill comes up to a second after a part has appeared, and hits a process at work or one that
    still loads.
    """
    rng = random.Random(seed)
    trial = Trial(context, work, "workers", 150, task, [TWO])
    done = 0
    while done < kills:
        results = trial.folder(f"{trial.runs}")
        running = trial.start(results)
        while running.process.is_alive() and done < kills:
            wait_for_a_part(running.process, results)
            running.process.join(rng.uniform(0, 1))
            victims = children_of(running.process.pid or 0)
            if running.process.is_alive() and victims:
                try:
                    os.kill(rng.choice(victims), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                done += 1
        trial.again_until_done(running, results)
    return {**trial.found(), "kills": done, **trial.ends()}
