"""Whole commands killed with SIGKILL, and single worker processes of a command."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from faulting.setting import (
    all_complete,
    children_of,
    finish,
    make_dataset,
    rows_of,
    start,
    wait_for_a_part,
    words_for,
)


def killed_commands(context: ForkServerContext, work: Path, runs: int, seed: int) -> dict[str, Any]:
    """Runs that are killed one to five times each and then finished, against an undisturbed one.

    A third of the kills come at a moment drawn from the whole life of a command, a third while a
    file is written (a hidden neighbour is seen), a third right after something has appeared.
    """
    rng = random.Random(seed)
    dataset, log = work / "kills", work / "kills.log"
    make_dataset(dataset, images=24)
    assert finish(context, words_for(dataset, work / "whole"), log) == 0
    reference = rows_of(work / "whole")
    began = time.monotonic()
    assert finish(context, words_for(dataset, work / "timed"), log) == 0
    life = time.monotonic() - began
    equal, kills, states, codes = 0, 0, Counter[str](), Counter[int]()
    for number in range(runs):
        results = work / f"killed_{number}"
        words = words_for(dataset, results)
        for _ in range(rng.randint(1, 5)):
            process = start(context, words, log)
            _wait_for_moment(process, results, rng, life)
            if process.is_alive():
                os.kill(process.pid or 0, signal.SIGKILL)
                kills += 1
                process.join()
                states[_state(results)] += 1
            process.join()
        codes[finish(context, words, log)] += 1
        equal += rows_of(results) == reference and all_complete(results)
    return {
        "runs": runs, "kills": kills, "rows": len(reference), "equal": equal,
        "life_seconds": round(life, 2), "found_after_the_kill": dict(states),
        "exit_codes_of_the_last_command": {str(k): v for k, v in codes.items()},
        "seconds": round(time.monotonic() - began, 1),
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


def _state(results: Path) -> str:
    """What a killed command left behind."""
    names = _names(results)
    parts = sum(name.endswith(".parquet") for name in names)
    if any(_is_aside(name) for name in names):
        return "a file half written"
    if "owner.json" not in names:
        return "the run not held (yet, or any more)"
    if parts == 0:
        return "no part yet"
    return "all parts, not closed" if parts >= 24 else "some parts"


def killed_workers(context: ForkServerContext, work: Path, kills: int, seed: int) -> dict[str, Any]:
    """Commands of two processes, of which one is killed again and again.

    A kill comes up to a second after a part has appeared, and hits a process at work or one that
    still loads.
    """
    rng = random.Random(seed)
    dataset, log = work / "workers", work / "workers.log"
    make_dataset(dataset, images=150)
    began = time.monotonic()
    assert finish(context, words_for(dataset, work / "workers_whole"), log) == 0
    reference = rows_of(work / "workers_whole")
    done, runs, equal, codes = 0, 0, 0, Counter[int]()
    while done < kills:
        results = work / f"workers_{runs}"
        words = words_for(dataset, results, "runtime.devices=[cpu,cpu]")
        process = start(context, words, log)
        while process.is_alive() and done < kills:
            wait_for_a_part(process, results)
            process.join(rng.uniform(0, 1))
            victims = children_of(process.pid or 0)
            if process.is_alive() and victims:
                try:
                    os.kill(rng.choice(victims), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                done += 1
        process.join()
        codes[int(process.exitcode or 0)] += 1
        while process.exitcode != 0:  # an image blamed for a kill: the same command does it
            process = start(context, words, log)
            process.join()
            codes[int(process.exitcode or 0)] += 1
        runs += 1
        equal += rows_of(results) == reference and all_complete(results)
    return {
        "runs": runs, "kills": done, "rows": len(reference), "equal": equal,
        "exit_codes": {str(k): v for k, v in codes.items()},
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
