"""What the bench makes of damaged and forged files: thousands of them, each judged.

    PYTHONPATH=. python benchmarks/fuzz.py --count 10000 --name fuzz

A case is good where the file is read as an independent decoder reads it, or refused with a
``BenchError``. It fails on any other exception, a wrong value, code that ran, a crash, more than
10 s of the processor, or more than 2 GB. Cases run in a process of their own with a limit on its
memory, are named by kind and number, and are the same for a seed; `--kind K --only N` runs one
again. Writes
``benchmarks/results/<name>.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

SECONDS = 10.0
PATIENCE = 300.0
"""Of the processor, for starting and for the independent decoders."""
BYTES = 2 << 30
KINDS = ("image", "mask", "coco", "rle", "checkpoint", "parquet", "run_json", "yaml")
PACKAGES = ("pillow", "torch", "pyarrow", "numpy", "hydra-core", "safetensors", "pycocotools")


def work(seed: int) -> None:
    """The process that runs cases: a line of JSON in; "start", "judged", JSON out."""
    import logging
    import warnings

    from fuzzing import annotations, files, pictures

    from bench.types import BenchError

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    makers: Mapping[str, Any] = dict(
        zip(
            KINDS,
            (pictures.picture, pictures.mask, annotations.coco, annotations.rle, files.checkpoint,
             files.parquet, files.run_json, files.config),
            strict=True,
        )
    )  # fmt: skip
    for maker in makers.values():  # what is imported once and cached is no case's
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Exception):
            maker(random.Random(0), Path(folder))()
    limit = _status("VmSize") + 2 * BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for line in sys.stdin:
        kind, number = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            judge = makers[kind](random.Random(f"{seed}/{kind}/{number}"), Path(folder))
            Path("/proc/self/clear_refs").write_text("5")
            _say("start")
            start = time.process_time()
            seconds, why = None, ""
            try:
                verify = judge()
                seconds, peak = time.process_time() - start, _status("VmHWM")
                _say("judged")
                verify()
                outcome = "read"
            except BenchError as error:
                outcome, why = "refused", str(error)
                if "\n" in why.strip():
                    outcome = "several lines"
            except pictures.WrongError as error:
                outcome, why = "wrong", str(error)
            except BaseException as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                outcome = "memory" if isinstance(error, MemoryError) else "traceback"
                where = f"{Path(last.filename).name}:{last.lineno}"
                why = f"{type(error).__name__} at {where}: {str(error)[:200]}"
            if seconds is None:
                seconds, peak = time.process_time() - start, _status("VmHWM")
        if outcome in ("read", "refused") and peak > BYTES:
            outcome, why = "memory", f"peak of {peak / 2**20:.0f} MB; {why}"
        said = {"outcome": outcome, "why": why[:300], "seconds": seconds, "peak": peak}
        _say(json.dumps({"kind": kind, "number": number} | said))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _processor_seconds(pid: int) -> float:
    """The processor's time that a process has used; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
        on the clock, for what waits.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        start, used = time.monotonic(), _processor_seconds(self._process.pid)
        while "\n" not in self._heard:
            if not select.select([self._process.stdout], [], [], min(seconds, 1.0))[0]:
                busy = _processor_seconds(self._process.pid) - used
                if busy > seconds or time.monotonic() - start > 10 * seconds:
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


def fuzz(
    kinds: Sequence[str], count: int, seed: int, jobs: int = 1
) -> Iterator[list[dict[str, Any]]]:
    """The outcomes of the cases so far, after each kind; ``count`` in all, as many of each kind."""

    def of_kind(kind: str) -> list[dict[str, Any]]:
        worker = Worker(seed)
        try:
            found = [worker.run(kind, number) for number in range(-(-count // len(kinds)))]
        finally:
            worker.close()
        sys.stderr.write(f"{summary(found)[0]}\n")
        return found

    so_far: list[dict[str, Any]] = []
    with ThreadPoolExecutor(jobs) as pool:
        for own in pool.map(of_kind, kinds):
            so_far += own
            yield so_far


def summary(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A line per kind and one for all: counts, the longest time and the highest memory."""
    lines = []
    for kind in (*dict.fromkeys(one["kind"] for one in found), "all"):
        own = [one for one in found if kind in (one["kind"], "all")]
        counts = Counter(one["outcome"] for one in own)
        failures = {k: v for k, v in counts.items() if k not in ("read", "refused")}
        lines.append(
            {
                "kind": kind, "cases": len(own), "read": counts["read"],
                "refused": counts["refused"], "failures": sum(failures.values()),
                "of which": failures, "worst seconds": round(max(o["seconds"] for o in own), 2),
                "peak MB": round(max(o["peak"] for o in own) / 2**20),
            }
        )  # fmt: skip
    return lines


def report(found: Sequence[Mapping[str, Any]], head: Mapping[str, Any], path: Path) -> str:
    """Writes the JSON and gives the Markdown."""
    lines = summary(found)
    bad = [one for one in found if one["outcome"] not in ("read", "refused")]
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {**head, "summary": lines, "failures": bad}
    path.with_suffix(".json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    names = ("kind", "cases", "read", "refused", "failures", "of which", "worst seconds", "peak MB")
    rows = ["| " + " | ".join(names) + " |", "|---|" + "---:|" * (len(names) - 1)]
    for line in lines:
        cells = [line[n] if n != "of which" else ", ".join(f"{v} {k}" for k, v in line[n].items())
                 for n in names]  # fmt: skip
        rows.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    said = [f"{key}: {value}" for key, value in head.items()]
    text = "\n".join(["# Fuzzing", "", *(f"- {one}" for one in said), "", *rows, ""])
    path.with_suffix(".md").write_text(text)
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="of cases, over all kinds")
    parser.add_argument("--kind", action="append", choices=KINDS, help="one kind alone")
    parser.add_argument("--only", type=int, help="one case of a kind by its number")
    parser.add_argument("--jobs", type=int, default=1, help="kinds at the same time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--name", default="fuzz", help="of the files in benchmarks/results")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.worker:
        work(chosen.seed)
        return 0
    kinds = chosen.kind or list(KINDS)
    if chosen.only is not None:
        worker = Worker(chosen.seed)
        print(json.dumps(worker.run(kinds[0], chosen.only), indent=1))  # noqa: T201
        worker.close()
        return 0
    start = time.perf_counter()
    found, path = [], Path(__file__).parent / "results" / chosen.name
    for found in fuzz(kinds, chosen.count, chosen.seed, chosen.jobs):
        head = {
            "command": " ".join(["python benchmarks/fuzz.py", *(arguments or sys.argv[1:])]),
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "machine": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "versions": ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES),
            "seconds": round(time.perf_counter() - start),
        }
        text = report(found, head, path)
    print(text)  # noqa: T201
    return 0 if not any(line["failures"] for line in summary(found)) else 1


if __name__ == "__main__":
    sys.exit(main())
