"""NumPy's own files of one array, ``.npy``."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.types import BenchError

_MAGIC = b"\x93NUMPY"

_BROKEN = (OSError, ValueError, EOFError, TypeError, SyntaxError, OverflowError, TokenError)
"""What NumPy raises on a damaged file."""


def read_array(file: Path) -> npt.NDArray[Any]:
    """The array of a ``.npy`` file, not in memory before it is used.

    Raises ``BenchError`` for a damaged file, an archive of several arrays, and one of objects.
    """
    try:
        with file.open("rb") as opened:  # an archive of several arrays would be left open
            if opened.read(len(_MAGIC)) != _MAGIC:
                raise ValueError(f"it doesn't begin with {_MAGIC!r}")
        found: npt.NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
        return found
    except _BROKEN as error:
        said = " ".join(str(error).split())
        raise BenchError(f"{file}: not a readable NumPy file: {said}") from None
