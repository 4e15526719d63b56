"""How a command ends that is to stop at once: within seconds, whatever its threads are at."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

GRACE = 3.0
"""Seconds that a command has, once it is to stop at once, to put on the disk what is done."""


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Has a process that is a command end ``GRACE`` seconds after Ctrl-C, or at the next, whatever.

    A thread in the middle of a slow answer can't be interrupted, and Python waits for it before it
    ends. What is finished is on the disk, and the lock falls with the process. A Ctrl-C that the
    process was told not to hear stays unheard.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    heard = threading.Event()

    def end() -> None:
        time.sleep(GRACE)
        _leave()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if heard.is_set():
            _leave()
        heard.set()
        threading.Thread(target=end, daemon=True).start()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, on_signal)
    try:
        yield
    finally:
        if not heard.is_set():
            signal.signal(signal.SIGINT, before)


def _leave() -> None:
    with suppress(OSError):
        if os.isatty(2):
            os.write(2, b"\x1b[?25h")  # the cursor, which a progress bar hides
    os._exit(INTERRUPTED)


INTERRUPTED = 130
"""The exit code of a command that Ctrl-C has ended."""
