"""A table of a report, next to the mIoU table: slices, clicks needed, published numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import pandas as pd


@dataclass(frozen=True, slots=True)
class Section:
    """A table as it is shown, under its own heading, and the numbers behind it.

    ``name`` is that of its files and its place in the page; ``note`` says how to read it.
    ``heads`` and ``rows`` are texts, the first ``names`` columns left-aligned; ``lines`` holds the
    same at full precision, for ``<name>.csv`` and ``report.json``. ``bold`` are the cells (row,
    column), from 0, that stand out. ``printed`` says whether a terminal shows it, too.
    """

    name: str
    title: str
    note: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: pd.DataFrame
    names: int = 2
    bold: frozenset[tuple[int, int]] = frozenset()
    printed: bool = True


def named_apart(sections: Iterable[Section]) -> Iterator[Section]:
    """The sections, no two of one name, whatever the case: later ones of a name bear a number."""
    taken: set[str] = set()
    for section in sections:
        name, number = section.name, 1
        while name.lower() in taken:
            number += 1
            name = f"{section.name}_{number}"
        taken.add(name.lower())
        yield replace(section, name=name)
