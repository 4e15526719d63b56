"""Ctrl-C, and the signal by which clusters ask a job to end: stop after the image in hand."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Gives a question: whether somebody has asked to stop since.

    The first SIGINT or SIGTERM only sets the answer; the next is what SIGINT was before, or raises
    ``KeyboardInterrupt`` at once. Elsewhere than in the main thread signals stay as they are.
    """
    asked = threading.Event()
    at_once = signal.getsignal(signal.SIGINT)

    def on_signal(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            if callable(at_once):
                at_once(number, frame)
            raise KeyboardInterrupt
        asked.set()
        with suppress(OSError):  # not by logging, which may be in the middle of a line
            os.write(2, b"\nsam-bench: stopping after the image in hand; once more stops at once\n")

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
