"""Ruins runs in every way we know and counts what is lost, doubled or changed: nothing must be.

    python benchmarks/faults.py                     # all of it, into benchmarks/results/faults.json
    python benchmarks/faults.py kills --times 10    # one experiment, fewer times
    python benchmarks/faults.py kills workers --task edges

The experiments: ``kills`` (kill -9 of the command), ``operations`` (at chosen changes of files,
of every command that writes), ``workers`` (of a worker process of two), ``nodes``
(a Ray node removed), ``disk`` (full at every write; needs root), ``pairs`` (two commands at once),
``scale`` (100,000 parts), ``efficiency`` (two processes against one). An experiment that runs
again replaces its own figures and leaves the others.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT.parent), str(ROOT)]
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT.parent), str(ROOT)])

from faulting import efficiency, kills, nodes, obstacles, operations, scale  # noqa: E402
from faulting.scenarios import all_scenarios  # noqa: E402
from faulting.setting import PROMPTED, TASKS, TWO, server  # noqa: E402

Experiment = Callable[[Path, int | None], dict[str, Any]]
OfATask = Callable[[Path, int | None, str], dict[str, Any]]

OF_A_TASK: Mapping[str, OfATask] = {
    "kills": lambda work, n, task: kills.killed_commands(server(), work, n or 100, 1, task),
    "kills_of_two": lambda work, n, task: kills.killed_commands(
        server(), work, n or 30, 6, task, [TWO]
    ),
    "workers": lambda work, n, task: kills.killed_workers(server(), work, n or 30, 2, task),
}

EXPERIMENTS: Mapping[str, Experiment] = {
    "operations": lambda work, n: _operations(work, n or 110),
    "nodes": lambda work, n: nodes.removed_nodes(server(), work, n or 10, seed=4),
    "disk": lambda work, n: obstacles.full_disk(server(), work, n or 2_000),
    "pairs": lambda work, n: obstacles.at_once(server(), work, n or 30, seed=3),
    "scale": lambda work, n: scale.many_parts(work, n or 100_000),
    "efficiency": lambda work, n: efficiency.two_against_one(server(), work, n or 3),
}


def _operations(work: Path, kills: int) -> dict[str, Any]:
    context = server()
    with all_scenarios(context, work) as scenarios:
        return operations.killed_at_operations(context, work, scenarios, kills, seed=5)


def main() -> None:
    """Runs the experiments and writes ``faults.json`` and ``faults.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    there = [*OF_A_TASK, *EXPERIMENTS]
    parser.add_argument("experiments", nargs="*", metavar="NAME", help=", ".join(there))
    parser.add_argument("--task", choices=TASKS, help=f"of {', '.join(OF_A_TASK)}")
    parser.add_argument("--times", type=int, help="how often, instead of the default")
    parser.add_argument("--work", type=Path, help="a folder for the runs, which is kept")
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    options = parser.parse_args()
    if unknown := set(options.experiments).difference(there if options.task is None else OF_A_TASK):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    options.out.mkdir(exist_ok=True)
    task = options.task or PROMPTED
    for name in options.experiments or (there if options.task is None else OF_A_TASK):
        with tempfile.TemporaryDirectory(prefix="faults_") as made:
            work = options.work or Path(made)
            if name in OF_A_TASK:
                found = OF_A_TASK[name](work, options.times, task)
            else:
                found = EXPERIMENTS[name](work, options.times)
        sys.stdout.write(f"{name}: {json.dumps(found)}\n")
        words = ["python benchmarks/faults.py", name]
        words += [] if options.task is None else ["--task", task]
        words += [] if options.times is None else ["--times", str(options.times)]
        title = name if task == PROMPTED else f"{name} of {task}"
        _keep(options.out, title, " ".join(words), found)


def _keep(out: Path, name: str, command: str, found: Mapping[str, Any]) -> None:
    from bench.store import provenance

    path = out / "faults.json"
    before = json.loads(path.read_text()) if path.is_file() else {}
    before[name] = {
        "command": command,
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {**provenance.machine(), "cores": os.cpu_count(), "kernel": platform.release()},
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "found": found,
    }
    path.write_text(json.dumps(before, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "faults.md").write_text(_markdown(before), encoding="utf-8")


def _markdown(entries: Mapping[str, Any]) -> str:
    lines = [
        "# Faults",
        "",
        "Written by `benchmarks/faults.py`; machine and versions: `faults.json`.",
    ]
    for name, entry in entries.items():
        load = f", load average {entry['load_average'][0]}" if "load_average" in entry else ""
        lines += ["", f"## {name}", "", f"`{entry['command']}`, {entry['date']}{load}", ""]
        lines += ["| | |", "|---|---|"]
        lines += [f"| {key} | {_cell(value)} |" for key, value in entry["found"].items()]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return "<br>".join(f"{key}: {_cell(one)}" for key, one in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main()
