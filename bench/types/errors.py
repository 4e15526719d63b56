"""The one error of the bench."""

from __future__ import annotations

import traceback
from pathlib import Path

_BENCH = str(Path(__file__).parents[1])


class BenchError(Exception):
    """A user's mistake or a broken input: shown as one clear line, exit code 2."""


def said_of(error: BaseException) -> str:
    r"""An error that somebody's own code raised, in one line, and where in that code.

    >>> said_of(ValueError("no such\n  thing"))
    'ValueError: no such thing'
    """
    words = ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))
    frames = traceback.extract_tb(error.__traceback__)[-1:]
    own = [f for f in frames if not f.filename.startswith((_BENCH, "<"))]
    return "".join([words, *(f", {frame.filename} line {frame.lineno}" for frame in own)])
