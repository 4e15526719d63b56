"""MedScribble: ``<task>/<label>/<image>/scribble_<n>.npy``, three people's, of ScribblePrompt.

Each is (2, H, W), foreground first, then background; what is above 0 is drawn. The image's id is
the path of its folder from the folder that is given, the people are told apart by ``<n>``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tokenize import TokenError

import numpy as np

from bench.prompts.recorded.entry import Entry
from bench.prompts.recorded.formats.grabcut import scribble_of
from bench.prompts.recorded.source import Source
from bench.types import Prompt

_BROKEN = (OSError, ValueError, EOFError, TypeError, SyntaxError, OverflowError, TokenError)
"""What NumPy raises on a damaged file."""


def claims(source: Source) -> bool:
    """Whether it holds such files."""
    return bool(_files(source))


def read(source: Source) -> Sequence[Entry]:
    """An entry per file, for the one mask of its image."""
    return [
        Entry(
            where=path.relative_to(source.path).as_posix(),
            step=1,
            kinds=frozenset({"scribble"}),
            prompt=partial(_scribble, path),
            image=path.parent.relative_to(source.path).as_posix(),
            loose=True,
            by=path.name,
        )
        for path in _files(source)
    ]


def _files(source: Source) -> list[Path]:
    if not source.path.is_dir():
        return []
    return [path for path in source.ending(".npy") if path.name.startswith("scribble_")]


def _scribble(path: Path, height: int, width: int) -> Prompt:
    try:
        drawn = np.load(path, mmap_mode="r", allow_pickle=False)  # takes no memory yet
    except _BROKEN as error:
        raise ValueError(f"not a readable NumPy file: {' '.join(str(error).split())}") from None
    if drawn.ndim != 3 or drawn.shape[0] != 2 or drawn.dtype.kind not in "biuf":
        raise ValueError(f"expected numbers of shape (2, H, W), found {drawn.shape} {drawn.dtype}")
    return scribble_of(np.array(drawn[0] > 0), np.array(drawn[1] > 0), height, width)
