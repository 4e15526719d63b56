"""What the bench makes of damaged and forged files: thousands of them, each judged.

    PYTHONPATH=. python benchmarks/fuzz.py --count 10000 --name fuzz
    PYTHONPATH=. python benchmarks/fuzz.py --count 10000 --name fuzz --resume

A case is good where the file is read as an independent decoder reads it, or refused with a
``BenchError``. It fails on any other exception, a wrong value, code that ran, a file or a
connection beyond the case's folder, a crash, more than 10 s of the processor, or more than 2 GB.
Cases run in a process of their own with a limit on its memory, are named by kind and number, and
are the same for a seed; ``--kind K --only N`` runs one again. A kind that runs again replaces its
own figures and leaves the others; ``--resume`` goes on behind the cases that are there. Writes
``benchmarks/results/<name>.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

SECONDS = 10.0
PATIENCE = 300.0
"""Of the processor, for starting and for the independent decoders."""
PACKAGES = ("pillow", "torch", "pyarrow", "numpy", "hydra-core", "safetensors", "pycocotools",
            "h5py", "scipy")  # fmt: skip
ROOT = Path(__file__).resolve().parents[1]
STEP = 50
"""Cases after which the figures are written."""


def _processor(pid: int) -> tuple[str, float]:
    """A process's state and the processor's seconds that it has used; nothing once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", 0.0
    return fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Worker:
    """The process, started again after a crash or a hang."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._process: subprocess.Popen[str] | None = None
        self._heard = ""

    def run(self, kind: str, number: int) -> dict[str, Any]:
        """One case's outcome."""
        if self._process is None or self._process.poll() is not None:
            self._heard = ""
            self._process = subprocess.Popen(
                [sys.executable, __file__, "--worker", "--seed", str(self._seed)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                bufsize=1,
            )  # fmt: skip
        process = self._process
        assert process.stdin is not None
        process.stdin.write(json.dumps([kind, number]) + "\n")
        process.stdin.flush()
        line = self._line(PATIENCE)
        if line == "start":
            line = self._line(SECONDS)
            line = self._line(PATIENCE) if line == "judged" else line
        if line and line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
        outcome = "hang" if line is None else "crash"
        process.kill()
        code = process.wait()
        name = signal.Signals(-code).name if outcome == "crash" and code < 0 else ""
        self._process = None
        return {"kind": kind, "number": number, "outcome": outcome, "why": name,
                "seconds": SECONDS if line is None else 0.0, "peak": 0}  # fmt: skip

    def _line(self, seconds: float) -> str | None:
        """The next line; none where it doesn't come in time, empty where the process ended.

        The time is that of the processor, so that a busy machine makes no hang; or ten times that
        on the clock of a process that waits for something else than the processor.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        (_, used), waited = _processor(self._process.pid), 0.0
        while "\n" not in self._heard:
            looked = time.monotonic()
            if not select.select([self._process.stdout], [], [], min(seconds, 1.0))[0]:
                state, busy = _processor(self._process.pid)
                waited += 0.0 if state == "R" else time.monotonic() - looked
                if busy - used > seconds or waited > 10 * seconds:
                    return None
                continue
            heard = os.read(self._process.stdout.fileno(), 1 << 16).decode()
            if not heard:
                return ""
            self._heard += heard
        line, _, self._heard = self._heard.partition("\n")
        return line

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def fuzz(worker: Worker, kind: str, numbers: range) -> Iterator[list[dict[str, Any]]]:
    """The outcomes of a kind's cases of these numbers, some at a time."""
    for first in range(numbers.start, numbers.stop, STEP):
        few = range(first, min(first + STEP, numbers.stop))
        yield [worker.run(kind, number) for number in few]


GOOD = ("read", "refused")


def added(line: Mapping[str, Any] | None, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A kind's figures with further outcomes: counts, the longest time, the most memory."""
    line = line or {"cases": 0, "outcomes": {}, "worst seconds": 0.0, "peak MB": 0, "failures": []}
    counts = Counter(line["outcomes"]) + Counter(one["outcome"] for one in found)
    seconds, peak = ([one[key] for one in found] for key in ("seconds", "peak"))
    return {
        "cases": line["cases"] + len(found),
        "outcomes": dict(counts),
        "worst seconds": max(line["worst seconds"], *(round(each, 2) for each in seconds)),
        "peak MB": max(line["peak MB"], *(round(each / 2**20) for each in peak)),
        "failures": [*line["failures"], *(one for one in found if one["outcome"] not in GOOD)],
    }


def report(lines: Mapping[str, Mapping[str, Any]]) -> str:
    """The figures in Markdown: a line for each kind, and one for all."""
    names = ("kind", "cases", "read", "refused", "failures", "of which", "worst seconds", "peak MB")
    rows = ["| " + " | ".join(names) + " |", "|---|" + "---:|" * (len(names) - 1)]
    total: Counter[str] = sum((Counter(line["outcomes"]) for line in lines.values()), Counter())
    whole = {
        "cases": total.total(),
        "outcomes": total,
        **{k: max(line[k] for line in lines.values()) for k in ("worst seconds", "peak MB")},
    }
    for kind, line in {**lines, "all": whole}.items():
        counts = line["outcomes"]
        bad = {name: count for name, count in counts.items() if name not in GOOD}
        cells = (kind, line["cases"], counts.get("read", 0), counts.get("refused", 0),
                 sum(bad.values()), ", ".join(f"{n} {name}" for name, n in bad.items()),
                 line["worst seconds"], line["peak MB"])  # fmt: skip
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(rows)


def _heads(lines: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """How the figures came about, each way once with its kinds."""
    ways: dict[tuple[str, ...], list[str]] = {}
    for kind, line in lines.items():
        keys = ("date", "commit", "machine", "python", "versions")
        ways.setdefault(tuple(f"{key}: {line[key]}" for key in keys), []).append(kind)
    return [
        "\n".join([f"{', '.join(kinds)}:", "", *(f"- {each}" for each in said), ""])
        for said, kinds in ways.items()
    ]


def _head() -> dict[str, Any]:
    from bench.store import provenance

    commit = str(provenance.commit()["commit"])
    code = ("bench", "conf", "benchmarks/*.py", "benchmarks/fuzzing/*.py")
    asked = ["git", "-C", str(ROOT), "status", "--porcelain", "--", *code]
    changes = subprocess.run(asked, capture_output=True, check=False).stdout
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "commit": f"{commit[:10]}{' and changes' if changes else ''}",
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    from fuzzing.kinds import MAKERS

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="of cases, over the kinds chosen")
    parser.add_argument("--kind", action="append", choices=list(MAKERS), help="one kind alone")
    parser.add_argument("--only", type=int, help="one case of a kind by its number")
    parser.add_argument("--resume", action="store_true", help="go on behind the cases there are")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--name", default="fuzz", help="of the files in benchmarks/results")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.worker:
        from fuzzing.work import work

        work(chosen.seed)
        return 0
    kinds = chosen.kind or list(MAKERS)
    if chosen.only is not None:
        worker = Worker(chosen.seed)
        print(json.dumps(worker.run(kinds[0], chosen.only), indent=1))  # noqa: T201
        worker.close()
        return 0
    path, each = Path(__file__).parent / "results" / chosen.name, -(-chosen.count // len(kinds))
    head, worker = _head(), Worker(chosen.seed)
    for kind in kinds:
        done = _read(path).get(kind)
        if not (chosen.resume and done and done["seed"] == chosen.seed):
            done = None
        start = time.perf_counter()
        for found in fuzz(worker, kind, range(done["cases"] if done else 0, each)):
            spent = round(time.perf_counter() - start, 1)
            start = time.perf_counter()
            seconds = round((done["seconds"] if done else 0) + spent, 1)
            done = {**added(done, found), "seed": chosen.seed, "seconds": seconds, **head}
            _write(path, kind, done)
        if done:
            sys.stderr.write(f"{kind}: {done['cases']} cases, {done['outcomes']}\n")
    worker.close()
    lines = _read(path)
    print(report(lines))  # noqa: T201
    return 1 if any(lines[kind]["failures"] for kind in kinds if kind in lines) else 0


def _read(path: Path) -> dict[str, Any]:
    """The figures that are there, by kind."""
    file = path.with_suffix(".json")
    return dict(json.loads(file.read_text())) if file.is_file() else {}


def _write(path: Path, kind: str, line: Mapping[str, Any]) -> None:
    """Puts a kind's figures beside the others', in the order of the kinds."""
    from fuzzing.kinds import MAKERS

    held = {**_read(path), kind: line}
    lines = {kind: held[kind] for kind in MAKERS if kind in held}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n")
    said = "`PYTHONPATH=. python benchmarks/fuzz.py --count 10000`; failed cases: `fuzz.json`."
    text = "\n".join(["# Fuzzing", "", said, "", report(lines), "", *_heads(lines), ""])
    path.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
