"""A table that fits its terminal: words fold, a number never does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bench.files.text import visible

_NUMBER = re.compile(r"\W*\d[\W\d]*[^\W\d]{0,3}\W*")
"""A word that is a number, with its brackets, signs and unit: ``(58.0–64.1)``, ``≈3s``."""

_LEAST_NAME = 8
_LEAST_HEAD = 6
"""Characters of a name, and of a head, that stand in one line at least; the rest folds below."""

_LEAST_LABEL = 8


def fitted(table: Table, width: int) -> Table:
    """The table in at most ``width`` characters.

    Where it is wider its columns are narrowed, and their words stand below each other; where that
    isn't enough every row becomes a block of lines, one for each cell, behind the head of its
    column; a first cell that is empty, because it is that of the row above, is repeated. No
    number is cut or broken, nor left alone when a name around it is.
    """
    columns = _columns(table)
    least = [_narrowest(cells, head) for head, cells in columns]
    if sum(least) + _around(table) > width:
        return _blocks(table, width)
    most = [_longest([head, *cells]) for head, cells in columns]
    widths = _shared(least, most, width - _around(table))
    made = _like(table)
    made.box, made.padding, made.show_header = table.box, table.padding, table.show_header
    made.header_style = table.header_style
    for column, (head, _), given in zip(table.columns, columns, widths, strict=True):
        made.add_column(_folded(head, given), justify=column.justify, width=given, overflow="fold")
    lines = zip(*(cells for _, cells in columns), strict=True)
    for row, cells in zip(table.rows, lines, strict=True):
        folded = [_folded(cell, given) for cell, given in zip(cells, widths, strict=True)]
        made.add_row(*folded, end_section=row.end_section)
    return made


def least_width(table: Table) -> int:
    """The fewest characters in which the table stands as a table."""
    return _around(table) + sum(_narrowest(cells, head) for head, cells in _columns(table))


def _shared(least: list[int], most: list[int], room: int) -> list[int]:
    """Each column's width, the widest ones narrowed until all fit; none below its least."""
    widths = list(most)
    while sum(widths) > room:
        spare = [w if w > low else 0 for w, low in zip(widths, least, strict=True)]
        widths[spare.index(max(spare))] -= 1
    return widths


def _blocks(table: Table, width: int) -> Table:
    """A line for each cell behind its column's head, a blank line between two rows."""
    columns = _columns(table)
    label = min(_longest([head for head, _ in columns]), max(_LEAST_LABEL, width // 3))
    room = width - 1 - (label + 1 if label else 0)
    made = _like(table)
    made.box, made.padding, made.show_header = None, (0, 1, 0, 0), False
    if label:
        made.add_column(style="dim", width=label, overflow="fold")
    made.add_column(width=room, overflow="fold")
    above = Text()
    for number, cells in enumerate(zip(*(cells for _, cells in columns), strict=True)):
        above = cells[0] if cells[0].plain else above
        if number:
            made.add_row()
        for (head, _), cell in zip(columns, (above, *cells[1:]), strict=True):
            if cell.plain:
                made.add_row(*([_folded(head, label)] if label else []), _folded(cell, room))
    return made


def _like(table: Table) -> Table:
    """A table without columns, titled as this one."""
    return Table(
        title=table.title,
        caption=table.caption,
        title_justify=table.title_justify,
        caption_justify=table.caption_justify,
        title_style=table.title_style,
    )


def _columns(table: Table) -> list[tuple[Text, list[Text]]]:
    """The head and the cells of each column, as text."""
    shown = table.show_header
    return [
        (_text(column.header) if shown else Text(), [_text(cell) for cell in column.cells])
        for column in table.columns
    ]


def _text(cell: RenderableType) -> Text:
    shown = visible(str(cell))
    return Text.from_markup(shown, emoji=False) if isinstance(cell, str) else Text(shown)


def _around(table: Table) -> int:
    """The characters that are no cell's: padding and the box."""
    columns = len(table.columns)
    _, right, _, left = table.padding
    padding = columns * (right + left)
    box = 0 if table.box is None else columns - 1 + 2 * table.show_edge
    return padding + box


def _longest(cells: Sequence[Text]) -> int:
    return max((cell_len(line) for cell in cells for line in cell.plain.splitlines()), default=0)


def _narrowest(cells: Sequence[Text], head: Text) -> int:
    """The fewest characters in which every number of a column stands in one piece."""
    words = [(word, _LEAST_NAME) for cell in cells for word in cell.plain.split()]
    words += [(word, _LEAST_HEAD) for word in head.plain.split()]
    return max((_least_of(word, least) for word, least in words), default=0)


def _least_of(word: str, least: int) -> int:
    parts = [0, *_breaks(word), len(word)]
    longest = max(cell_len(word[first:last]) for first, last in pairwise(parts))
    return max(longest, min(cell_len(word), least))


def _breaks(word: str) -> list[int]:
    """Where a name may be broken: before a letter, behind a part that has one, in no number."""
    if _NUMBER.fullmatch(word):
        return []
    found, start = [], 0
    for place in range(1, len(word)):
        if word[place].isalpha() and any(map(str.isalpha, word[start:place])):
            found.append(place)
            start = place
    return found


def _folded(text: Text, width: int) -> Text:
    """The text with its longer words broken into parts of at most ``width`` characters."""
    places: list[int] = []
    for word in re.finditer(r"\S+", text.plain):
        start = word.start()
        cuts = [*(word.start() + at for at in _breaks(word[0])), word.end()]
        for cut, following in pairwise(cuts):
            if cell_len(text.plain[start:following]) > width:
                places.append(cut)
                start = cut
    return Text("\n").join(text.divide(places)) if places else text
