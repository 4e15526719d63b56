r"""How a LaTeX table fits a paper of two columns: which environment, which size of letters."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.report.papers import NARROWEST, POINTS

COLUMN, WHOLE = (POINTS * inches for inches in (NARROWEST.column, NARROWEST.whole))
"""A column and both with what is between them, in points."""

_SIZES = (
    ("", 4.8, 12.0),
    (r"\small\setlength{\tabcolsep}{4pt}", 4.4, 8.0),
    (r"\footnotesize\setlength{\tabcolsep}{3pt}", 4.0, 6.0),
    (r"\scriptsize\setlength{\tabcolsep}{2pt}", 3.7, 4.0),
    (r"\tiny\setlength{\tabcolsep}{1pt}", 3.2, 2.0),
)
"""What sets a size, and how wide a letter is there on average and the space between columns."""

_LONG = 10
"""Letters of a head that stand in one line however narrow its column is."""

_COMMAND = re.compile(r"\\[a-zA-Z]+|[\\{}$]")


def is_wide(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table in ten points is wider than a column; heads and cells as in LaTeX."""
    return _width(heads, rows, *_SIZES[0][1:]) > COLUMN


def size_for(heads: Sequence[str], rows: Sequence[Sequence[str]], *, page: bool) -> str:
    """What makes the letters as large as they may be for a column, or for the ``page``; or ""."""
    most = WHOLE if page else COLUMN
    fitting = (command for command, *sizes in _SIZES if _width(heads, rows, *sizes) <= most)
    return next(fitting, _SIZES[-1][0])


def stacked(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> list[str]:
    r"""Heads in several lines where their column is narrower than they are.

    The first ``left`` of them stand on the left.

    >>> stacked(["model", "clicks did not help"], [["sam", "0.4"]], 1)
    ['model', '\\shortstack[r]{clicks\\\\did not\\\\help}']
    """
    return [
        _stacked(head, max((_letters(row[i]) for row in rows), default=0), "l" if i < left else "r")
        for i, head in enumerate(heads)
    ]


def _stacked(head: str, width: int, side: str) -> str:
    most, lines = max(width, _LONG), [""]
    if _letters(head) <= most or "{" in head:  # a command's own words stay together
        return head
    most = max(width, *(_letters(word) for word in head.split(" ")), 7)
    for word in head.split(" "):
        joined = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], joined] if _letters(joined) <= most else [*lines, word]
    # What begins a line is no argument or star of the one before.
    guarded = [f"{{}}{line}" if line.startswith(("[", "*")) else line for line in lines]
    together = r"\\".join(guarded)
    return rf"\shortstack[{side}]{{{together}}}" if len(lines) > 1 else head


def _letters(text: str) -> int:
    """About how many letters wide a cell is; one of several lines as its longest."""
    lines = re.sub(r"^\\shortstack\[[lr]\]", "", text).split(r"\\")
    return max(len(_COMMAND.sub("", line)) for line in lines)


def _width(
    heads: Sequence[str], rows: Sequence[Sequence[str]], letter: float, between: float
) -> float:
    columns = zip(heads, *rows, strict=True)
    return sum(letter * max(map(_letters, column)) + between for column in columns)
