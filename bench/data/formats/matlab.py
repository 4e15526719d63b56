"""MATLAB's ``.mat`` files, as far as datasets of segmentations use them."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.formats.pictures import LabelArray
from bench.types import BenchError

BYTES_PER_PIXEL = 256
"""The most that labels may take: of ten people, in 64 bits, with their boundaries."""

SMALL = 1 << 20
"""Bytes that are no matter however they are packed."""

_HEAD, _COMPRESSED, _STEP = 128, 15, 1 << 20

# What scipy raises on broken files.
_BROKEN = (
    ValueError, TypeError, OSError, LookupError, NotImplementedError, ArithmeticError,
    AttributeError, MemoryError, RecursionError, struct.error, zlib.error,
)  # fmt: skip


def load_variable(file: Path, name: str, shape: tuple[int, ...]) -> Any:
    """A variable of a ``.mat`` file, structs as objects; ``BenchError`` naming the file.

    ``shape`` is the picture's: a file that unfolds into far more than its labels is not decoded.
    """
    from scipy.io import loadmat  # takes a tenth of a second to import

    try:
        _refuse_packed(file, SMALL + BYTES_PER_PIXEL * math.prod(shape))
        content = loadmat(file, struct_as_record=False, squeeze_me=False)
    except FileNotFoundError:
        raise BenchError(f"{file}: no such file") from None
    # What scipy raises on broken files; it documents none of it.
    except _BROKEN as error:
        raise BenchError(f"{file}: not a .mat file that can be read: {error}") from None
    if name not in content:
        found = ", ".join(key for key in content if not key.startswith("__")) or "none"
        raise BenchError(f"{file}: it has no variable {name!r}; found: {found}")
    return content[name]


def _refuse_packed(file: Path, most: int) -> None:
    """Raises ``ValueError`` where the elements of a ``.mat`` file unfold into more than ``most``.

    Version 5 holds elements one after another, each packed by zlib (type 15) or as it is. Other
    versions are as large as they look, and left to scipy.
    """
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
        order = {b"IM": "<", b"MI": ">"}.get(head[-2:])
        left = most
        while order and len(tag := opened.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            if kind != _COMPRESSED:
                opened.seek(size + (-size) % 8, 1)
                continue
            unpacker = zlib.decompressobj()
            while size and not unpacker.eof:
                block = opened.read(min(size, _STEP))
                if not block:
                    return  # cut off, which scipy says
                size -= len(block)
                while block:
                    left -= len(unpacker.decompress(block, _STEP))
                    if left < 0:
                        raise ValueError(f"it unfolds into more than {most} bytes")
                    block = unpacker.unconsumed_tail
            opened.seek(size, 1)


def labels_of(file: Path, struct: Any, field: str) -> LabelArray:
    """A struct's field of whole numbers as (H, W) int32; ``BenchError`` for anything else."""
    values = np.asarray(getattr(struct, field, None))
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.integer):
        raise BenchError(f"{file}: {field!r} must be (H, W) whole numbers, found {values.dtype}")
    labels: LabelArray = values.astype(np.int32)
    return labels
