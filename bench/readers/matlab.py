"""MATLAB's ``.mat`` files, as far as datasets of segmentations use them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bench.readers.files import need_package
from bench.readers.pictures import LabelArray
from bench.types import BenchError


def need_matlab(what: str) -> ModuleType:
    """``scipy.io``; ``BenchError`` where scipy isn't installed."""
    return need_package("scipy.io", what)


def load_variable(io: ModuleType, file: Path, name: str) -> Any:
    """A variable of a ``.mat`` file, structs as objects; ``BenchError`` naming the file."""
    try:
        content = io.loadmat(file, struct_as_record=False, squeeze_me=False)
    except FileNotFoundError:
        raise BenchError(f"{file}: no such file") from None
    # What scipy raises on broken files; it documents none of it.
    except (ValueError, TypeError, OSError, KeyError, IndexError, NotImplementedError) as error:
        raise BenchError(f"{file}: not a .mat file that can be read: {error}") from None
    if name not in content:
        found = ", ".join(key for key in content if not key.startswith("__")) or "none"
        raise BenchError(f"{file}: it has no variable {name!r}; found: {found}")
    return content[name]


def labels_of(file: Path, struct: Any, field: str) -> LabelArray:
    """A struct's field of whole numbers as (H, W) int32; ``BenchError`` for anything else."""
    values = np.asarray(getattr(struct, field, None))
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.integer):
        raise BenchError(f"{file}: {field!r} must be (H, W) whole numbers, found {values.dtype}")
    labels: LabelArray = values.astype(np.int32)
    return labels
