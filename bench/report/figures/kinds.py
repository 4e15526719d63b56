"""Which files a figure is written as, beside the page that shows it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from bench.types import BenchError
from bench.types.errors import did_you_mean

KINDS = ("pdf", "svg", "png", "pgf")
"""For LaTeX and print, for the web, for slides, and set by LaTeX in a paper's own fonts."""

NONE = "none"
"""The word for no file: the page alone."""

VARIABLE = "SAM_BENCH_FIGURES"
"""The variable of the environment that says it where no command does."""


def kinds_asked(words: Sequence[str] | None = None) -> tuple[str, ...]:
    """Those of the words in the order of ``KINDS``; without words the environment's, else all.

    Raises ``BenchError`` for a word that is no kind.

    >>> kinds_asked(["png", "pdf"]), kinds_asked(["none"])
    (('pdf', 'png'), ())
    """
    source = "--figures"
    if words is None:
        source, said = VARIABLE, os.environ.get(VARIABLE, "")
        words = [word.strip() for word in said.split(",")] if said.strip() else KINDS
    for word in words:
        if word not in (*KINDS, NONE):
            raise BenchError(f"{source}: no kind {word!r}; {did_you_mean(word, (*KINDS, NONE))}")
    if NONE in words and len(words) > 1:
        raise BenchError(f"{source}: {NONE} stands alone")
    return tuple(kind for kind in KINDS if kind in words)
