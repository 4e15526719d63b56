"""Commands killed right before one chosen change of a file, one after another over their lives.

A process counts the files that it opens for writing, makes, renames and deletes below a folder, as
Python's audit events tell of them, and kills itself before the one that was chosen. Then what is
there is looked at, and the same command is given again.
"""

from __future__ import annotations

import filecmp
import json
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

_CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.utime")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_MOMENTS = 10.0
_ASIDE = re.compile(r"\..+\.[0-9a-f]{32}")

Fault = str
"""What is wrong, in words; empty where nothing is."""


@dataclass(frozen=True)
class Scenario:
    """A command over a folder that ``prepare`` fills, and what must hold of the folder.

    ``words`` are the command's, by its folder; ``now`` looks at the folder right after a kill,
    beside the folder before the command and after an undisturbed one; ``done`` compares the folder
    once the command has ended with the undisturbed one.
    """

    name: str
    words: Callable[[Path], Sequence[str]]
    prepare: Callable[[Path], None]
    done: Callable[[Path, Path], Fault]
    now: Callable[[Path, Path, Path], Fault] = lambda killed, before, whole: ""


def killed_at_operations(
    context: ForkServerContext, work: Path, scenarios: Sequence[Scenario], kills: int, seed: int
) -> dict[str, Any]:
    """Each scenario's command, killed ``kills`` times in all, before changes spread over its life.

    Changes are drawn without replacement; all of them where they are few.
    """
    rng = random.Random(seed)
    began, found = time.monotonic(), {}
    total, faults = Counter[str](), list[str]()
    for scenario in scenarios:
        before, whole = work / scenario.name / "before", work / scenario.name / "whole"
        before.mkdir(parents=True)
        scenario.prepare(before)
        _copy(before, whole)
        code, changes = _run(context, scenario, whole, work, None)
        assert code == 0, (work / "operations.log").read_text()[-2000:]
        share = -(-kills // len(scenarios))
        chosen = sorted(rng.sample(range(changes), min(share, changes)))
        counts = Counter[str](changes=changes)
        for number in chosen:
            folder = work / scenario.name / str(number)
            _copy(before, folder)
            code, _ = _run(context, scenario, folder, work, number)
            counts["killed" if code == -signal.SIGKILL else "ended before"] += 1
            said = [scenario.now(folder, before, whole)] if code != 0 else []
            _grow_older(folder)
            for again in range(2):
                code, _ = _run(context, scenario, folder, work, None)
                said.append(f"command {again + 2} ends with {code}" if code else "")
            said += [scenario.done(folder, whole), _leftovers(folder)]
            wrong = [f"{scenario.name}, change {number}: {one}" for one in said if one]
            counts["equal" if not wrong else "faulty"] += 1
            faults += wrong
            shutil.rmtree(folder)
        found[scenario.name] = dict(counts)
        sys.stderr.write(f"{scenario.name}: {dict(counts)} {faults}\n")
        total.update(counts)
    return {
        "kills": total["killed"], "commands": len(scenarios), "equal": total["equal"],
        "faulty": total["faulty"], "faults": dict(Counter(faults)), "of each": found,
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip


def _copy(source: Path, target: Path) -> None:
    """A copy whose files keep their times; of a folder that is moved every path is relative."""
    shutil.copytree(source, target, symlinks=True)


def _run(
    context: ForkServerContext, scenario: Scenario, folder: Path, work: Path, at: int | None
) -> tuple[int, int]:
    """The command's exit code, and the changes that it made; it kills itself before the ``at``."""
    log, count = work / "operations.log", work / "changes"
    words = list(scenario.words(folder))
    process = context.Process(target=command, args=(words, str(folder), str(log), str(count), at))
    process.start()
    process.join()
    code = int(process.exitcode or 0)
    return code, int(count.read_text()) if code == 0 else 0


def command(words: list[str], folder: str, log: str, count: str, at: int | None) -> None:
    """What ``sam-bench`` does with the words, counted, and killed before one of its changes."""
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(opened, 1)
    os.dup2(opened, 2)
    from bench.cli import main

    changes = _count_changes(folder, at)
    code = main(words)
    seen = len(changes)
    Path(count).write_text(str(seen))
    sys.stdout.flush()
    os._exit(code)


def _count_changes(folder: str, at: int | None) -> list[str]:
    """The changes below the folder, which grow as the process goes on."""
    seen: list[str] = []

    def heard(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            writes = isinstance(args[2], int) and args[2] & _WRITES
            counted = bool(writes) and str(args[0]).startswith(folder)
        elif event == "ctypes.dlsym":  # what exchanges two folders
            counted = args[1] == "renameat2"
        else:
            counted = event in _CHANGES and _below(args[0], folder)
        if counted:
            if len(seen) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            seen.append(event)

    sys.addaudithook(heard)
    return seen


def _below(path: Any, folder: str) -> bool:
    """Whether a path is below the folder, or meant from an open one, as in deleting a tree."""
    text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else folder
    return text.startswith(folder) or not os.path.isabs(text)


def _grow_older(folder: Path) -> None:
    """What a killed command wrote aside is, moments later, another's who has not locked it yet."""
    for path in folder.rglob(".*"):
        then = time.time() - _MOMENTS
        if _ASIDE.fullmatch(path.name) and path.stat().st_mtime > then:
            os.utime(path, (then, then))


def _leftovers(folder: Path) -> Fault:
    left = [p.name for p in folder.rglob("*") if _ASIDE.fullmatch(p.name) or p.suffix == ".part"]
    return f"left behind: {left}" if left else ""


def same_files(one: Path, other: Path, names: Sequence[str]) -> Fault:
    """Whether the named files are in both folders, or in neither, and equal to the byte."""
    for name in names:
        a, b = one / name, other / name
        if a.exists() != b.exists():
            return f"{name} is {'there' if a.exists() else 'gone'}"
        if a.exists() and not filecmp.cmp(a, b, shallow=False):
            return f"{name} is another file"
    return ""


def of_one_time(killed: Path, before: Path, whole: Path, names: Sequence[str]) -> Fault:
    """Whether the named files are all the earlier ones or all the new ones."""
    olds, news = same_files(killed, before, names), same_files(killed, whole, names)
    return f"neither as before ({olds}) nor as new ({news})" if olds and news else ""


def rows_text(results: Path) -> str:
    """Every row of every run below the results, sorted; an empty text where there is none."""
    from bench.store.runs import find_runs, read_runs

    frame = read_runs(find_runs(results))
    records = json.loads(frame.to_json(orient="records", double_precision=15))
    return "\n".join(sorted(json.dumps(row) for row in records))
