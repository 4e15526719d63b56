"""A disk that is full at every place, and two commands that want the same run."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from faulting.setting import all_complete, finish, make_dataset, rows_of, start, words_for


def full_disk(context: ForkServerContext, work: Path, most_kib: int) -> dict[str, Any]:
    """A disk (tmpfs) of 4, 8, … KiB for the results, then a large one; needs root.

    Every page more lets the command come one write further before there is no room.
    """
    dataset, mount = work / "full", work / "mount"
    make_dataset(dataset, images=12)
    began = time.monotonic()
    whole = work / "full_whole"
    assert finish(context, words_for(dataset, whole), work / "full.log") == 0
    reference = rows_of(whole)
    mount.mkdir()
    full, equal, sizes, said = 0, 0, 0, Counter[str]()
    for kib in range(4, most_kib + 1, 4):
        _run("mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(mount))
        try:
            log = work / f"full_{kib}.log"
            words = words_for(dataset, mount / "results")
            code = finish(context, words, log)
            sizes += 1
            if code == 0:
                break
            full += 1
            said[_words(log, code, mount)] += 1
            _run("mount", "-o", "remount,size=64m", str(mount))
            again = finish(context, words, log)
            equal += again == 0 and rows_of(mount / "results") == reference
            equal -= not all_complete(mount / "results")
        finally:
            _run("umount", str(mount))
    return {
        "sizes_tried": sizes, "ran_full": full, "equal_afterwards": equal, "said": dict(said),
        "seconds": round(time.monotonic() - began, 1),
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
    dataset, log = work / "pairs", work / "pairs.log"
    make_dataset(dataset, images=24)
    assert finish(context, words_for(dataset, work / "pairs_whole"), log) == 0
    reference = rows_of(work / "pairs_whole")
    began = time.monotonic()
    assert finish(context, words_for(dataset, work / "pairs_timed"), log) == 0
    life = time.monotonic() - began
    codes, equal, lines = Counter[str](), 0, 0
    for number in range(pairs):
        results = work / f"pair_{number}"
        own = work / f"pair_{number}.log"
        first = start(context, words_for(dataset, results), own)
        if number % 2:
            time.sleep(rng.uniform(0, life))
        second = start(context, words_for(dataset, results), own)
        for process in (first, second):
            process.join()
        pair = sorted([int(first.exitcode or 0), int(second.exitcode or 0)])
        codes[" and ".join(map(str, pair))] += 1
        lines += own.read_text().count("another command is at work on this run")
        equal += rows_of(results) == reference and all_complete(results)
    return {
        "pairs": pairs, "exit_codes": dict(codes), "refusals_in_one_line": lines, "equal": equal,
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
