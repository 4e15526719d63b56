"""A table of a report, next to the mIoU table: slices, clicks needed, published numbers."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


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
