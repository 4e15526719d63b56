"""Names in a figure: whole, in as many lines as their place asks for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from bench.report.figures import style

SIZE = 8.5
"""Points of labels and legends; titles are bold and half a point larger."""

_POINTS = 72.0
_HINTED = 1.06
"""How much wider letters may become where they are fitted to pixels."""
_LINE = 1.2
_MOST_LINES = 12


def text_width(text: str, size: float = SIZE, *, bold: bool = False) -> float:
    """How wide a line of text is, in inches."""
    font = FontProperties(family=style.FONT, weight="bold" if bold else "normal", size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return _HINTED * float(width) / _POINTS


def line_height(size: float = SIZE) -> float:
    """From one line of text to the next, in inches."""
    return _LINE * size / _POINTS


def wrapped(text: str, width: float, size: float = SIZE, *, bold: bool = False) -> str:
    """The text in lines of at most ``width`` inches; no character in it is read as mathematics.

    Words that are longer are broken. A text of more than a dozen lines ends in "…".
    """
    lines: list[str] = []
    for part in text.splitlines() or [""]:
        line = ""
        for word in part.split():
            both = f"{line} {word}".lstrip()
            while text_width(both, size, bold=bold) > width:
                if line:
                    lines.append(line)
                    line, both = "", word
                    continue
                fits = _fitting(word, width, size, bold)
                lines.append(word[:fits])
                word = both = word[fits:]
            line = both
        lines.append(line)
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES - 1 :] = [f"{lines[_MOST_LINES - 1]}…"]
    return "\n".join(lines).replace("$", r"\$")


def _fitting(word: str, width: float, size: float, bold: bool) -> int:
    """How many characters of a word, at least one, are at most ``width`` inches wide."""
    return max(
        [1, *(n for n in range(1, len(word)) if text_width(word[:n], size, bold=bold) <= width)]
    )


def grow(figure: Figure, *, width: float = 0.0, height: float = 0.0) -> None:
    """Makes the figure larger by so many inches; not wider where it is to fit a page."""
    across, down = figure.get_size_inches()
    figure.set_size_inches(across + (0.0 if style.is_on_page() else width), down + height)


def label_below(figure: Figure, text: str) -> None:
    """What is to the right in all panels, under them; the corners are left to ``label_beside``."""
    lines = wrapped(text, figure.get_size_inches()[0] - 1.2)
    figure.supxlabel(lines, fontsize=SIZE, color=style.INK)
    grow(figure, height=lines.count("\n") * line_height())


def label_beside(figure: Figure, text: str) -> None:
    """What is upwards in all panels, to their left."""
    lines = wrapped(text, figure.get_size_inches()[1] - 0.9)
    figure.supylabel(lines, fontsize=SIZE, color=style.INK)
    grow(figure, width=lines.count("\n") * line_height())


def add_legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend above all panels, each name once, whichever panels it stands in."""
    found = {
        name: handle
        for axis in axes
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    names = sorted(found)
    em, room = SIZE / _POINTS, figure.get_size_inches()[0]
    lines = {name: wrapped(name, room - 5 * em) for name in names}
    widest = max(text_width(line) for text in lines.values() for line in text.splitlines())
    columns = next(
        (n for n in (3, 2) if n * (3 * em + widest) + (2 * n) * em <= room),
        1,
    )
    columns = min(columns, len(names))
    rows = ceil(len(names) / columns)
    tallest = max(text.count("\n") + 1 for text in lines.values())
    grow(figure, height=rows * (tallest * line_height() + 0.5 * em) + 1.8 * em)
    figure.legend(
        [found[name] for name in names], list(lines.values()), loc="outside upper left",
        ncols=columns,
    )  # fmt: skip


def apart(places: Sequence[float], widths: Sequence[float]) -> bool:
    """Whether texts of these widths, centred on these ascending places, leave each other room."""
    pairs = zip(pairwise(places), pairwise(widths), strict=True)
    return all(right - left >= (a + b) / 2 + 0.06 for (left, right), (a, b) in pairs)


def thinned(places: Sequence[float], widths: Sequence[float]) -> list[int]:
    """Which of such texts can be shown: the last one, and from the first on what fits."""
    kept: list[int] = []
    last = len(places) - 1
    for index in range(last):
        shown = [*kept[-1:], index, last]
        if apart([places[i] for i in shown], [widths[i] for i in shown]):
            kept.append(index)
    return [*kept, last]


def spread(places: Sequence[float], gap: float, room: float) -> list[float]:
    """Ascending places moved as little as leaves ``gap`` between them, within [0, room].

    >>> spread([1.0, 1.5, 4.0], 1.0, 5.0), spread([3.0, 4.5, 4.75], 1.0, 5.0)
    ([1.0, 2.0, 4.0], [3.0, 4.0, 5.0])
    """
    moved = list(places)
    for index in range(1, len(moved)):
        moved[index] = max(moved[index], moved[index - 1] + gap)
    moved[-1] = min(moved[-1], room)
    for index in range(len(moved) - 1, 0, -1):
        moved[index - 1] = min(moved[index - 1], moved[index] - gap)
    return moved
