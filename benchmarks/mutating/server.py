"""A process that runs tests in forks of itself, with the large libraries imported already.

Reads a line of JSON with ``words`` for pytest, ``processor`` and ``clock`` seconds and writes one:
``code`` (pytest's, or none where the time was up), ``failed`` (the first test that did), ``why``.
It stands in the root of a copy of the tree and imports nothing of ``bench`` itself.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LIBRARIES = (
    "cv2", "jinja2", "matplotlib.figure", "numpy.testing", "pandas",
    "PIL.Image", "pyarrow.dataset", "pyarrow.parquet", "pycocotools.mask", "pytest", "rich.table",
    "safetensors.torch", "scipy.ndimage", "segment_anything", "torch", "torchvision",
)  # fmt: skip
MEMORY = 6 << 30
"""Bytes that a fault may take beside what the libraries have mapped."""


class _First:
    """The first test that failed, and the last line of why."""

    def __init__(self) -> None:
        self.failed = self.why = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._note(report)

    def pytest_collectreport(self, report: Any) -> None:
        self._note(report)

    def _note(self, report: Any) -> None:
        if report.failed and not self.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            text = crash.message if crash else str(report.longrepr)
            self.failed, self.why = report.nodeid, text.strip().partition("\n")[0][:200]


def serve() -> None:
    """Answers until the input ends."""
    for name in LIBRARIES:
        importlib.import_module(name)
    assert not [name for name in sys.modules if name.partition(".")[0] == "bench"]
    out = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        asked = json.loads(line)
        answer = _in_a_fork(asked["words"], asked["processor"], asked["clock"])
        out.write(json.dumps(answer) + "\n")
        out.flush()


def _in_a_fork(words: Sequence[str], processor: float, clock: float) -> dict[str, Any]:
    start, (heard, said) = time.monotonic(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        _run(words, processor, said)
    os.close(said)
    text = os.read(heard, 1 << 16) if select.select([heard], [], [], clock)[0] else b""
    os.close(heard)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = (
        json.loads(text) if text else {"code": None, "failed": "", "why": "time or memory is up"}
    )
    return found | {"seconds": time.monotonic() - start}


def _run(words: Sequence[str], processor: float, said: int) -> None:
    """The child: pytest on ``words``; never returns."""
    code, first = 3, _First()
    try:
        os.setsid()
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(processor) + 1, most))
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))
        import pytest

        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *words],
                               plugins=[first]))  # fmt: skip
    except BaseException as error:
        first.why = f"{type(error).__name__}: {error}"
    finally:
        answer = {"code": code, "failed": first.failed, "why": first.why}
        os.write(said, json.dumps(answer).encode())
        os.close(said)
        os._exit(0)


if __name__ == "__main__":
    serve()
