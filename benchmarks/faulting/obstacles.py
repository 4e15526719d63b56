"""A disk that is full at every place, and two commands that want the same run."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from faulting.setting import Trial


def full_disk(context: ForkServerContext, work: Path, most_kib: int) -> dict[str, Any]:
    """A disk (tmpfs) of 4, 8, … KiB for the results, then a large one; needs root.

    Every page more lets the command come one write further before there is no room.
    """
    mount = work / "mount"
    trial = Trial(context, work, "full", images=12)
    mount.mkdir()
    said = Counter[str]()
    for kib in range(4, most_kib + 1, 4):
        _run("mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(mount))
        try:
            log = work / f"full_{kib}.log"
            code = trial.start(mount / "results", log=log).wait()
            if code == 0:
                break
            said[_words(log, code, mount)] += 1
            _run("mount", "-o", "remount,size=64m", str(mount))
            trial.again_until_done(trial.start(mount / "results"), mount / "results")
        finally:
            _run("umount", str(mount))
    return {
        "sizes_that_ran_full": trial.runs, "a_size_that_did_not": f"{kib} KiB" * (code == 0),
        **trial.found(), "said": dict(said), "exit_codes_afterwards": trial.ends()["exit_codes"],
    }  # fmt: skip


def _run(*words: str) -> None:
    subprocess.run(words, check=True)


def _words(log: Path, code: int, mount: Path) -> str:
    """The command's one line about the disk, paths shortened to what is written."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("sam-bench:")]
    traces = log.read_text().count("Traceback")
    line = lines[-1].replace(str(mount), "") if lines else "nothing"
    name = line.split(":")[1].rpartition("/")[2] if lines else ""
    kind = "a part" if name.endswith(".parquet") else name
    reason = "No space left" if "No space left" in line else line
    return f"exit {code}, {len(lines)} line, {traces} tracebacks: {kind}: {reason}"


def at_once(context: ForkServerContext, work: Path, pairs: int, seed: int) -> dict[str, Any]:
    """Two commands on the same run, the second up to a run's life after the first."""
    rng = random.Random(seed)
    trial = Trial(context, work, "pairs", images=24)
    began = time.monotonic()
    assert trial.start(trial.folder("timed")).wait() == 0
    life = time.monotonic() - began
    codes, lines = Counter[str](), 0
    for number in range(pairs):
        results, log = trial.folder(f"{number}"), work / f"pair_{number}.log"
        first = trial.start(results, log=log)
        if number % 2:
            time.sleep(rng.uniform(0, life))
        second = trial.start(results, log=log)
        codes[" and ".join(map(str, sorted([first.wait(), second.wait()])))] += 1
        lines += log.read_text().count("another command is at work on this run")
        trial.judge(results)
    return {**trial.found(), "exit_codes": dict(codes), "refusals_in_one_line": lines}
