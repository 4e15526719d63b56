"""Further tables of a report, next to the mIoU table: slices, clicks needed, published numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bench.report.formats import DASH, escape_latex, escape_markdown, latex_table


@dataclass(frozen=True, slots=True)
class Section:
    """A table as it is shown, under its own heading, and the numbers behind it.

    ``name`` is that of its files and its place in the page; ``note`` says how to read it.
    ``heads`` and ``rows`` are texts, the first ``names`` columns left-aligned; ``lines`` holds the
    same at full precision, for ``<name>.csv`` and ``report.json``.
    """

    name: str
    title: str
    note: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: pd.DataFrame
    names: int = 2

    def to_csv(self) -> str:
        """The lines, IoUs in [0, 1], nulls empty."""
        return self.lines.to_csv(index=False, lineterminator="\n")

    def to_markdown(self) -> str:
        """A pipe table with its note under it."""
        heads = [escape_markdown(head) for head in self.heads]
        rule = ["---" if i < self.names else "--:" for i in range(len(heads))]
        rows = [[escape_markdown(cell) for cell in row] for row in self.rows]
        lines = [f"| {' | '.join(row)} |" for row in (heads, rule, *rows)]
        return "\n".join(lines) + f"\n\n{escape_markdown(self.note)}\n"

    def to_latex(self) -> str:
        """A ``table`` environment for booktabs, its title and note as the caption."""
        heads = [escape_latex(head) for head in self.heads]
        rows = [[escape_latex(cell) for cell in row] for row in self.rows]
        caption = f"{self.title}. {self.note}"
        return latex_table(heads, rows, spans(self.rows), self.names, caption)

    def files(self) -> dict[str, str]:
        """File name → text: the table as CSV at full precision, as Markdown and as LaTeX."""
        texts = {"csv": self.to_csv(), "md": self.to_markdown(), "tex": self.to_latex()}
        return {f"{self.name}.{ending}": text for ending, text in texts.items()}


def with_bounds(value: str, low: str, high: str) -> str:
    """A number and its interval in one cell; the number alone where there is no interval.

    >>> with_bounds("61.3", "58.0", "64.1"), with_bounds("61.3", "–", "–")
    ('61.3 (58.0–64.1)', '61.3')
    """
    return value if DASH in (low, high) else f"{value} ({low}–{high})"


def spans(rows: Sequence[tuple[str, ...]]) -> list[bool]:
    """Which rows start a new first column, where a rule is drawn above."""
    return [i == 0 or row[0] != rows[i - 1][0] for i, row in enumerate(rows)]
