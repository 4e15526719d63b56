"""Calls of torch's operators: how much a host has to ask of a device, and what it does beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


class Recorded(TorchDispatchMode):
    """Keeps the ``results`` of every operator that is called within the block."""

    def __init__(self) -> None:
        super().__init__()
        self.results: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute and remember."""
        self.results.append(func(*args, **(kwargs or {})))
        return self.results[-1]


class Replayed(TorchDispatchMode):
    """Answers the same calls in the same order from ``results``, so that nothing is computed.

    What calls them does all that it did, on the same numbers; a call costs what torch's dispatcher
    takes to get here and back. Views are made anew, which computes nothing either. The results of
    operators that change a tensor lie in it already.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Not at the price of torch's switch for compiling, a half of a call: none is compiled."""
        return False

    def __init__(self, results: Sequence[Any]) -> None:
        super().__init__()
        self._results: Iterator[Any] = iter(results)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Remember the result."""
        result = next(self._results)
        if func.is_view:
            return func(*args, **(kwargs or {}))
        return args[0] if func._schema.is_mutable else result
