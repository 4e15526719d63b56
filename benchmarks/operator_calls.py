"""Counts and times calls of torch's operators: how much a host has to ask of a device."""

from __future__ import annotations

import time
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class Operators(TorchDispatchMode):
    """``calls`` within the block, and ``computing`` of them: those that are no views.

    ``seconds`` are those of the calling thread's processor within them, their arithmetic and what
    torch does to begin it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls = self.computing = 0
        self.seconds = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count, time and go on."""
        self.calls += 1
        self.computing += not func.is_view
        start = time.thread_time()
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self.seconds += time.thread_time() - start
