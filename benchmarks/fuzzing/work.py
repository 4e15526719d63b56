"""The process in which cases run: each is made, read under a watch, and judged."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from bench.types import BenchError
from fuzzing.kinds import maker
from fuzzing.pictures import WrongError
from fuzzing.watch import Watch

BYTES = 2 << 30
"""The most memory of a case."""


def work(seed: int) -> None:
    """The process that runs cases: a line of JSON in; "start", "judged", JSON out."""
    said = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a case prints is no answer
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    watch, makers = Watch(), {}
    for line in sys.stdin:
        kind, number = json.loads(line)
        if kind not in makers:  # what is imported once and cached is no case's
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
            makers[kind] = maker(kind)
            for warm in range(3):
                with _empty_folder() as folder, contextlib.suppress(Exception):
                    makers[kind](random.Random(warm), folder)()
            limit = _status("VmSize") + 2 * BYTES
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        with _empty_folder() as folder:
            try:
                judge = makers[kind](random.Random(f"{seed}/{kind}/{number}"), folder)
            except Exception as error:
                told = {"outcome": "maker", "why": _told(error), "seconds": 0.0, "peak": 0}
                said.write(json.dumps({"kind": kind, "number": number} | told) + "\n")
                said.flush()
                continue
            Path("/proc/self/clear_refs").write_text("5")
            said.write("start\n")
            said.flush()
            start = time.process_time()
            seconds, why = None, ""
            try:
                with watch.over(folder):
                    verify = judge()
                seconds, peak = time.process_time() - start, _status("VmHWM")
                said.write("judged\n")
                said.flush()
                verify()
                outcome = "read"
            except BenchError as error:
                outcome, why = "refused", str(error)
                if "\n" in why.strip():
                    outcome = "several lines"
            except WrongError as error:
                outcome, why = "wrong", str(error)
            except BaseException as error:
                outcome = "memory" if isinstance(error, MemoryError) else "traceback"
                why = _told(error)
            if seconds is None:
                seconds, peak = time.process_time() - start, _status("VmHWM")
        if watch.seen and outcome in ("read", "refused"):
            outcome, why = "reached out", "; ".join(watch.seen)
        if outcome in ("read", "refused") and peak > BYTES:
            outcome, why = "memory", f"peak of {peak / 2**20:.0f} MB; {why}"
        told = {"outcome": outcome, "why": why[:300], "seconds": seconds, "peak": peak}
        said.write(json.dumps({"kind": kind, "number": number} | told) + "\n")
        said.flush()


@contextlib.contextmanager
def _empty_folder() -> Iterator[Path]:
    """A new folder, the current one for the length of the block."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


def _told(error: BaseException) -> str:
    """An exception that is none of the bench's, and where it was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    own = [at for at in traceback.extract_tb(error.__traceback__) if "/bench/" in at.filename]
    where = [f"{Path(at.filename).name}:{at.lineno}" for at in (*own[-1:], last)]
    return f"{type(error).__name__} at {', '.join(dict.fromkeys(where))}: {str(error)[:200]}"


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0
