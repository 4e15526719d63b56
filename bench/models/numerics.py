"""How a model computes: the reference is float32 as written; faster ways may move numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, TypeVar, cast

import torch

from bench.types import BenchError

F = TypeVar("F", bound=Callable[..., Any])

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True, slots=True)
class Numerics:
    """``dtype`` of the matrix products of encoder and decoder, and whether both are compiled.

    What else there is stays float32 in every mode: coordinates, whose pixels half precision
    would move, and what comes out. Raises ``BenchError`` for an unknown dtype.
    """

    dtype: str = "float32"
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise BenchError(f"no dtype {self.dtype!r}: it must be one of {', '.join(DTYPES)}")

    @classmethod
    def of(cls, args: Mapping[str, Any]) -> Numerics:
        """The choices among a model's arguments, the others left aside."""
        names = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in args.items() if name in names})

    def identity(self) -> dict[str, Any]:
        """What differs from the reference: this enters the run's key, the reference adds nothing.

        >>> Numerics().identity(), Numerics("bfloat16").identity()
        ({}, {'dtype': 'bfloat16'})
        """
        reference = Numerics()
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: v for name, v in found.items() if v != getattr(reference, name)}

    def faster(self, function: F) -> F:
        """The function, compiled where that is asked for; its first calls then take minutes."""
        return cast("F", torch.compile(function, dynamic=True)) if self.compiled else function

    @contextmanager
    def products(self, device: torch.device) -> Iterator[None]:
        """Matrix products and convolutions of the block in ``dtype``."""
        dtype = DTYPES[self.dtype]
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            yield
