"""The first Ctrl-C waits for what is in hand, the second doesn't, however slow that is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from finished import dataset_words

from bench.store.runs import find_runs

HERE = Path(__file__).resolve().parents[3]

SLOW = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
from bench.cli import ending
from bench.run.runtime import stopping
ending.GRACE = {grace}
with ending.ending_at_once(), stopping.asked_to_stop() as stop, ThreadPoolExecutor(1) as pool:
    slow = pool.submit(time.sleep, 60)
    print("at work", flush=True)
    while not stop():
        time.sleep(0.01)
    print("asked", flush=True)
    slow.result()
"""


@contextmanager
def started(
    command: list[str], *paths: Path
) -> Iterator[tuple[subprocess.Popen[str], Callable[[], str]]]:
    """A process that hears Ctrl-C, and its next line; it is gone at the end."""
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline
        finally:
            process.kill()


@pytest.mark.parametrize(("grace", "signals"), [(0.2, 2), (60, 3)])
def test_a_thread_in_a_slow_answer_is_not_waited_for(grace: float, signals: int) -> None:
    command = [sys.executable, "-c", SLOW.format(grace=grace)]
    with started(command, HERE) as (process, said):
        assert said() == "at work\n"
        process.send_signal(signal.SIGINT)
        assert said() == "asked\n"
        assert process.poll() is None
        for _ in range(signals - 1):
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        assert process.wait(10) == 130


@pytest.mark.long
def test_what_is_finished_is_on_the_disk_when_the_second_ends_it(
    coco_folder: Callable[..., Path], own_module: Callable[[str, str], str], tmp_path: Path
) -> None:
    folder = coco_folder(images=4, masks=1)
    module = own_module(
        "slow_model",
        "import time\nfrom bench.models.disk import Disk\n"
        "class Slow(Disk):\n    seen = 0\n    def embed(self, images):\n"
        "        Slow.seen += 1\n        if Slow.seen > 2:\n"
        "            print('slow', flush=True)\n            time.sleep(100)\n"
        "        return super().embed(images)\n",
    )
    words = [f"model.target={module}.Slow", f"runtime.allow_modules=[{module}]"]
    command = [sys.executable, "-m", "bench", "run", "model=disk", "prompt=[box]", *words]
    command += [*dataset_words(folder), "runtime.workers=1"]
    with started(command, HERE, tmp_path) as (process, said):
        assert said() == "slow\n"
        for _ in range(2):
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
        assert process.wait(15) == 130
    (store,) = find_runs(folder.parent / "results")
    assert len(store.content().images) == 2
