"""A section as CSV, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.analysis.section import Section
from bench.report.tables.formats import (
    Escape,
    csv_text,
    escape_latex,
    escape_markdown,
    latex_table,
)


def to_csv(section: Section) -> str:
    """The lines, IoUs in [0, 1], nulls empty."""
    return csv_text(section.lines)


def to_markdown(section: Section) -> str:
    """A pipe table with its note under it."""
    heads = [escape_markdown(head) for head in section.heads]
    rule = ["---" if i < section.names else "--:" for i in range(len(heads))]
    rows = cells(section, escape_markdown, lambda text: f"**{text}**")
    lines = [f"| {' | '.join(row)} |" for row in (heads, rule, *rows)]
    return "\n".join(lines) + f"\n\n{escape_markdown(section.note)}\n"


def to_latex(section: Section) -> str:
    """A ``table`` environment for booktabs, its title and note as the caption."""
    heads = [escape_latex(head) for head in section.heads]
    rows = cells(section, escape_latex, lambda text: rf"\textbf{{{text}}}")
    caption = f"{section.title}. {section.note}"
    return latex_table(heads, rows, spans(section.rows), section.names, caption)


def cells(section: Section, escape: Escape, bold: Escape) -> list[list[str]]:
    """The cells as a format writes them, those that stand out in bold."""
    return [
        [
            bold(escape(cell)) if (i, j) in section.bold else escape(cell)
            for j, cell in enumerate(row)
        ]
        for i, row in enumerate(section.rows)
    ]


def section_files(section: Section) -> dict[str, str]:
    """File name → text: the table as CSV at full precision, as Markdown and as LaTeX."""
    texts = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
    return {f"{section.name}.{ending}": text(section) for ending, text in texts.items()}


def summary(title: str, answer: Sequence[str], tables: Mapping[str, str]) -> str:
    """A report in Markdown as the page of a pipeline's job shows it: the answer, then the tables.

    ``tables`` are in Markdown already, by their titles.
    """
    parts = [f"# {escape_markdown(title)}", *map(escape_markdown, answer)]
    for heading, text in tables.items():
        parts += [f"## {escape_markdown(heading)}", text.strip()]
    return "\n\n".join(parts) + "\n"


def spans(rows: Sequence[tuple[str, ...]]) -> list[bool]:
    """Which rows start a new first column, where a rule is drawn above."""
    return [i == 0 or row[0] != rows[i - 1][0] for i, row in enumerate(rows)]
