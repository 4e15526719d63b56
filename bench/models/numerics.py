"""How a model computes: the reference is float32 as written; faster ways may move numbers."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from bench.types import BenchError
from bench.types.errors import did_you_mean

F = TypeVar("F", bound=Callable[..., Any])

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

LIBRARIES = ("torchvision", "segment-anything", "numpy", "pillow")
"""Beside torch: what resizes and normalises an image."""

SWITCHES = ("NVIDIA_TF32_OVERRIDE", "ONEDNN_DEFAULT_FPMATH_MODE", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR")
"""Variables of the environment by which libraries compute in another way."""


@dataclass(frozen=True, slots=True)
class Numerics:
    """``dtype`` of the matrix products of encoder and decoder, and whether both are compiled.

    ``int8`` has the encoder's linear layers in whole numbers of 8 bits (``bench.models.int8``).
    What else there is stays float32 in every mode: coordinates, whose pixels half precision would
    move, and what comes out. Raises ``BenchError`` for an unknown dtype.
    """

    dtype: str = "float32"
    compiled: bool = False
    int8: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise BenchError(f"no dtype {self.dtype!r}; {did_you_mean(self.dtype, DTYPES)}")

    @classmethod
    def of(cls, args: Mapping[str, Any]) -> Numerics:
        """The choices among a model's arguments, the others left aside."""
        names = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in args.items() if name in names})

    def identity(self) -> dict[str, Any]:
        """What differs from the reference: this enters the run's key, the reference adds nothing.

        A faster mode names its decoder as well, as earlier runs of the mode had another.

        >>> Numerics().identity(), Numerics("bfloat16").identity()
        ({}, {'dtype': 'bfloat16', 'decoder': 'shared'})
        """
        reference = Numerics()
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        other = {name: v for name, v in found.items() if v != getattr(reference, name)}
        decoder = "shared" if not self.compiled else "shared, all tokens"
        return {**other, "decoder": decoder} if other else {}

    @property
    def products_in(self) -> torch.dtype:
        """The dtype as torch's."""
        return DTYPES[self.dtype]

    def faster(self, function: F) -> F:
        """The function, compiled where that is asked for; its first calls then take minutes."""
        return cast("F", torch.compile(function, dynamic=True)) if self.compiled else function

    @contextmanager
    def products(self, device: torch.device) -> Iterator[None]:
        """Matrix products and convolutions of the block in ``dtype``."""
        dtype = self.products_in
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            yield


def surroundings(device: torch.device, *libraries: str) -> dict[str, str]:
    """What may move the last bits of a result beside weights, arguments and input.

    ``libraries`` are those that compute, beside ``LIBRARIES``. On a CPU the number of torch's
    threads is that of the calling thread. Raises ``BenchError`` where a library doesn't tell its
    version.
    """
    found = {"device": device.type, "torch": str(torch.__version__)}
    found |= {name: _version(name) for name in (*LIBRARIES, *libraries)}
    found |= {name: os.environ[name] for name in SWITCHES if name in os.environ}
    if device.type == "cuda":
        found["device_name"] = torch.cuda.get_device_name(device)
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        found["cudnn"] = str(cudnn)
    else:
        found["threads"] = str(torch.get_num_threads())
        found["processor"] = _processor()
        found["instructions"] = torch.backends.cpu.get_cpu_capability()
    return found


@lru_cache
def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError as error:
        raise BenchError(
            f"{library} is installed without its version: what made an embedding cannot be told "
            "(runtime.embedding_cache=null goes on)"
        ) from error


@lru_cache
def _processor() -> str:
    """The processor's model as far as the system tells it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
