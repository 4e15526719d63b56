"""The random numbers of prompts: each mask's step has its own, or none at all."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import numpy as np

from bench.types import BenchError


def mask_rng(seed: int, image_id: str, mask_id: str, step: int) -> np.random.Generator:
    """The random numbers of one mask's step: its own, whatever runs before or beside it."""
    name = "\0".join((str(seed), image_id, mask_id, str(step)))
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


class _NoNumbers:
    """What stands for the random numbers of a strategy that takes none."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python's own questions
            raise AttributeError(name)
        raise BenchError(f"a prompt strategy whose draws is false asks for random numbers: {name}")


NO_NUMBERS = cast("np.random.Generator", _NoNumbers())
