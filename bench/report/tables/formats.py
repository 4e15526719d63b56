"""A table as CSV, Markdown, LaTeX, or text in the terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import rich.box
import rich.markup
import rich.table

from bench.analysis.table import Table
from bench.analysis.wording.words import DASH, MARK, counted, with_bounds
from bench.files.text import as_cell, csv_cell
from bench.report.tables.fitting import is_wide, size_for, stacked
from bench.types import Measure


@dataclass(frozen=True, slots=True)
class Cells:
    """One line of a table as it is shown: IoUs ×100 with one decimal.

    ``value`` is the mean of what leads, with its bounds, ``few`` marks them; ``over_images`` is the
    mean over images with its own; ``further`` the table's other measures, in its order, with the
    number that one applies to where that isn't all. ``best`` marks what is shown to be the best of
    a dataset and prompt; ``first`` the first line of its dataset; ``mean`` a mean over datasets.
    """

    dataset: str
    prompt: str
    model: str
    protocol: str
    masks: str
    images: str
    value: str
    low: str
    high: str
    few: bool
    over_images: str
    further: tuple[str, ...]
    best: bool
    first: bool
    mean: bool


def cells(table: Table) -> Iterator[Cells]:
    """The lines of a table as they are shown, in its order."""
    leads, images = table.leads, f"{table.leads.mean}_images"
    previous: str | None = None
    for line in table.lines.to_dict("records"):
        mean = pd.isna(line["dataset"])
        title = f"mean of {line['datasets']} datasets" if mean else table.datasets[line["dataset"]]
        yield Cells(
            dataset=title,
            prompt=line["prompt"],
            model=table.models[line["model"]],
            protocol=line["protocol"],
            masks=f"{line['masks']:,}",
            images=counted(*(line[name] for name in _SIZES)),
            value=leads.shown(line[leads.mean]),
            low=leads.shown(line[f"{leads.mean}_low"]),
            high=leads.shown(line[f"{leads.mean}_high"]),
            few=bool(line["few"]),
            over_images=with_bounds(
                leads.shown(line[images]),
                leads.shown(line[f"{images}_low"]),
                leads.shown(line[f"{images}_high"]),
                bool(line["few_images"]),
            ),
            further=tuple(_with_count(measure, line) for measure in table.further),
            best=table.is_best(line),
            first=title != previous,
            mean=bool(mean),
        )
        previous = title


def _with_count(measure: Measure, line: Mapping[Any, Any]) -> str:
    """A mean, with the number of masks in brackets where the measure doesn't apply to all."""
    shown, count = measure.shown(line[measure.mean]), line.get(measure.count)
    whole = count is None or pd.isna(count) or count == line["masks"]
    return shown if whole else f"{shown} ({count:,})"


_SIZES = ("images", "clusters", "effective", "largest")


def to_csv(table: Table) -> str:
    """One line per line, IoUs in [0, 1] at full precision, nulls empty."""
    return csv_text(table.lines)


def to_markdown(table: Table) -> str:
    """A pipe table with its caption under it; what is shown to be best in bold.

    No character of a name can break out of its cell or start markup.
    """
    heads, rows = _grid(table, escape_markdown, _starred, lambda text: f"**{text}**")
    left = 3 + _several_protocols(table)
    rule = ["---" if i < left else "--:" for i in range(len(heads))]
    lines = [f"| {' | '.join(row)} |" for row in (heads, rule, *rows)]
    return "\n".join(lines) + f"\n\n{escape_markdown(table.caption)}\n"


def to_latex(table: Table) -> str:
    """A ``table`` environment for booktabs, intervals as subscripts, bold as in Markdown."""
    heads, rows = _grid(table, escape_latex, _subscript, lambda text: rf"\textbf{{{text}}}")
    first = [line.first for line in cells(table)]
    return latex_table(heads, rows, first, 3 + _several_protocols(table), table.caption)


def latex_table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    first: Sequence[bool],
    left: int,
    caption: str,
) -> str:
    """A ``table`` environment for booktabs, its heads and cells as given, the caption escaped.

    Over both columns of a page that has two where it is wider than one, in the largest letters that
    fit, and with heads in several lines where these are wider than what stands under them.
    ``first`` says which rows start a new first column: a rule above, the name only there. ``left``
    columns are left-aligned.
    """
    body: list[str] = []
    for starts, row in zip(first, rows, strict=True):
        if starts and body:
            body.append(r"\midrule")
        body.append(_latex_row([row[0] if starts else "", *row[1:]]))
    caption, heads = escape_latex(caption), stacked(heads, rows, left)
    page = is_wide(heads, rows)
    size = size_for(heads, rows, page=page)
    texts, name = [*heads, *body, caption], "table*" if page else "table"
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}, and for letters with accents \usepackage[T1]{fontenc}",
            *([CHARACTER] if any(r"\samchar{" in text for text in texts) else []),
            rf"\begin{{{name}}}",
            r"\centering",
            *([f"{{{size}"] if size else []),
            rf"\begin{{tabular}}{{{'l' * left}{'r' * (len(heads) - left)}}}",
            r"\toprule",
            _latex_row(heads),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *(["}"] if size else []),
            rf"\caption{{{caption}}}",
            rf"\end{{{name}}}",
            "",
        ]
    )


def _latex_row(row: Sequence[str]) -> str:
    r"""The cells in a line; what begins it is no argument or star of the ``\\`` or rule above."""
    line = " & ".join(row) + r" \\"
    return "{}" + line if line.startswith(("[", "*")) else line


def to_rich(table: Table) -> rich.table.Table:
    """The table for a terminal, its caption under it; a dataset's name stands in its first line."""
    heads, rows = _grid(table, _escape_rich, _interval, lambda text: f"[bold]{text}[/bold]")
    left = 3 + _several_protocols(table)
    shown = rich.table.Table(
        box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption=_escape_rich(table.caption)
    )
    shown.caption_justify = "left"
    for i, head in enumerate(heads):
        shown.add_column(head, justify="left" if i < left else "right")
    for line, row in zip(cells(table), rows, strict=True):
        shown.add_row(row[0] if line.first else "", *row[1:])
    return shown


Escape = Callable[[str], str]


def _grid(
    table: Table, escape: Escape, show: Callable[[Cells, str], str], bold: Escape
) -> tuple[list[str], list[list[str]]]:
    """The heads and the escaped cells, the same columns for every format."""
    several = _several_protocols(table)
    heads = ["dataset", "prompt", "model", *(["protocol"] if several else [])]
    heads += [table.items, "images", table.leads.title, "over images"]
    heads += [measure.title for measure in table.further]
    rows = []
    for line in cells(table):
        names = [line.dataset, line.prompt, line.model, *([line.protocol] if several else [])]
        counts = [escape(text) for text in (*names, line.masks, line.images)]
        value = show(line, bold(line.value) if line.best else line.value)
        rows.append([*counts, value, *map(escape, (line.over_images, *line.further))])
    return [escape(head) for head in heads], rows


def _several_protocols(table: Table) -> bool:
    return table.lines["protocol"].nunique() > 1


def _interval(line: Cells, value: str) -> str:
    return with_bounds(value, line.low, line.high, line.few)


def _starred(line: Cells, value: str) -> str:
    """As ``_interval``, the mark escaped for Markdown, in which a bare star starts markup."""
    plain = with_bounds(value, line.low, line.high)
    return plain + escape_markdown(MARK) * (line.few and plain != value)


def _subscript(line: Cells, value: str) -> str:
    bounds = rf"$_{{[{line.low},\,{line.high}]}}${MARK * line.few}"
    return value if line.low == DASH else value + bounds


_LATEX: dict[str, str | int | None] = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "±": r"$\pm$",
    "≈": r"$\approx$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "Δ": r"$\Delta$",
    "α": r"$\alpha$",
    "π": r"$\pi$",
    "ρ": r"$\rho$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "`": r"\textasciigrave{}",
    "\0": "{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}

_LIGATURE = re.compile("(?<=[-–',!?])(?=[-–',`])")
"""Between characters that LaTeX would make one of: two hyphens are no dash."""

_UNSURE = re.compile(
    "[^\x20-\x7e\u00a0-\u0125\u0128-\u0137\u0139-\u013e\u0141-\u0148\u014a-\u0165\u0168-\u017e"
    "\u2018-\u201a\u201c-\u201e\u2020-\u2022\u2026\u20ac\u2122]"
)
"""Any but what pdflatex of 2020 and later prints in the encoding T1 without a further package."""

CHARACTER = (
    r"\providecommand{\samchar}[2]{\ifdefined\Uchar#1\else"
    r"\ifcsname u8:\detokenize{#1}\endcsname#1\else(U+#2)\fi\fi}"
)
"""A character in lualatex, xelatex and where pdflatex knows it, else its number in Unicode."""


def escape_latex(text: str) -> str:
    r"""No character of the text means anything to LaTeX, and none stops it.

    >>> escape_latex("50% of a--b: 犬")
    '50\\% of a-{}-b: \\samchar{犬}{72AC}'
    """
    plain = _LIGATURE.sub("\0", unicodedata.normalize("NFC", as_cell(text)))
    known = plain.translate(str.maketrans(_LATEX))
    return _UNSURE.sub(_named_character, known)


def _named_character(found: re.Match[str]) -> str:
    character, number = found[0], f"{ord(found[0]):04X}"
    if character == "\ufffd" or unicodedata.category(character) in ("Cc", "Cn", "Co", "Cs"):
        return f"(U+{number})"  # no character to some programs
    return rf"\samchar{{{character}}}{{{number}}}"


def escape_markdown(text: str) -> str:
    """No character of the text can break out of its cell or start markup."""
    marks: dict[str, str | int | None] = {mark: f"\\{mark}" for mark in "\\`*_[]|~$"}
    return as_cell(text).translate(str.maketrans(marks | {"<": "&lt;", "&": "&amp;"}))


def csv_text(frame: pd.DataFrame) -> str:
    """The lines at full precision, nulls empty; no text is a formula (``csv_cell``)."""
    texts = {
        name: frame[name].map(lambda cell: csv_cell(cell) if isinstance(cell, str) else cell)
        for name in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[name])
    }
    plain: str = frame.assign(**texts).to_csv(index=False, lineterminator="\n")
    return plain


def _escape_rich(text: str) -> str:
    return rich.markup.escape(text)
