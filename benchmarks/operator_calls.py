"""Counts calls of torch's operators: how much a host has to ask of a device, however fast it is."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class Operators(TorchDispatchMode):
    """``calls`` within the block, and ``computing`` of them: those that are no views."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = self.computing = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count and go on."""
        self.calls += 1
        self.computing += not func.is_view
        return func(*args, **(kwargs or {}))
