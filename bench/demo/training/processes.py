"""Several processes that stand and fall together."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing import connection
from typing import Any, cast


def run_together(target: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> None:
    """Call `target(*arguments[i])` in a fresh process for each i, and wait for all of them.

    If one fails, the others are ended and RuntimeError names its exit code.
    """
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=target, args=each) for each in arguments]
    for process in processes:
        process.start()
    try:
        running = {process.sentinel: process for process in processes}
        while running:
            for sentinel in connection.wait(list(running)):
                process = running.pop(cast(int, sentinel))
                process.join()
                if process.exitcode:
                    raise RuntimeError(
                        f"a process ended with exit code {process.exitcode}, see its output"
                    )
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
            process.join()
