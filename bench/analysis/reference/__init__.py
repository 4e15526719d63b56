"""Numbers that papers and public code printed, to set the bench's own results beside.

One CSV file per family of sources lies in this folder, one row per number:

* ``model``, ``dataset``, ``prompt``: slugs; a model, dataset or protocol of ``conf/`` goes by its
  name there. ``dataset`` is empty where a number belongs to none, such as a speed.
* ``protocol``: a name of ``conf/protocol`` where the number was measured under that one, else
  empty, and ``note`` says why.
* ``metric``, ``value``, ``unit``: IoU, AP and AR are in points (IoU × 100), clicks in clicks;
  ``_ci95_half`` is the half-width of a stated 95 % interval, ``miou_at_k`` the mean IoU after the
  number of clicks that ``prompt`` says, in an evaluation that goes on to NoC.
* ``source``, ``locator``: a key of the folder's ``README.md``, and where in that source.
* ``how_read``: one of `HOW_READ`.
* ``note``: what to know before comparing.

A number that was never printed is not here, except ``derived`` ones, whose note says from what.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING

from bench.files.text import lines_of
from bench.types import BenchError
from bench.types.errors import did_you_mean

if TYPE_CHECKING:
    from importlib.abc import Traversable

    import pandas as pd

__all__ = ["COLUMNS", "HOW_READ", "IDENTITY", "published"]

COLUMNS = (
    "model",
    "dataset",
    "protocol",
    "prompt",
    "metric",
    "value",
    "unit",
    "source",
    "locator",
    "how_read",
    "note",
)
IDENTITY = ("model", "dataset", "protocol", "prompt", "metric", "source", "locator")
"""What tells one number from another; no two rows share it."""

HOW_READ = ("table", "text", "figure", "code", "readme", "derived", "third_party")
"""``derived`` is computed from printed numbers, ``third_party`` recorded by others than the
authors of the model or protocol; the rest say where the authors printed it."""


def published(**filters: str) -> pd.DataFrame:
    """The published numbers as one table, or those whose columns equal the filters.

    ``value`` is float64 in the row's ``unit``, every other column text, with "" for what does not
    apply. Sorted by `IDENTITY`, index from 0. No match gives an empty table with all columns.
    Raises ``BenchError`` for a filter that is no column, and for a file with other columns, a
    value that is no finite number, an unknown ``how_read`` or a number that stands twice.

    >>> published(model="sam_vit_h", dataset="ppdls")["value"].tolist()
    [46.9]
    """
    unknown = set(filters) - (set(COLUMNS) - {"value"})
    if unknown:
        hint = did_you_mean(min(unknown), set(COLUMNS) - {"value"})
        raise BenchError(f"no filter {', '.join(sorted(unknown))} on published numbers; {hint}")
    rows = _read(files(__name__))
    kept = [row for row in rows if all(row[name] == wanted for name, wanted in filters.items())]

    import pandas as pd

    table: pd.DataFrame = pd.DataFrame(kept, columns=list(COLUMNS))
    table["value"] = table["value"].astype("float64")
    return table


def _read(folder: Traversable) -> list[dict[str, str]]:
    """The rows of every CSV file in a folder, checked and sorted; raises as `published` does."""
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".csv")), key=str)
    if not paths:
        raise BenchError(f"no CSV file of published numbers in {folder}; install the bench again")
    numbers: dict[tuple[str, ...], tuple[str, dict[str, str]]] = {}
    for path in paths:
        for where, row in _rows(path):
            identity = tuple(row[name] for name in IDENTITY)
            if identity in numbers:
                raise BenchError(
                    f"{numbers[identity][0]} and {where} hold the same number, "
                    f"{', '.join(filter(None, identity))}: "
                    "remove one, or tell them apart by their locators"
                )
            numbers[identity] = where, row
    return [numbers[identity][1] for identity in sorted(numbers)]


def _rows(path: Traversable) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row of a file with its place, "file line n"."""
    reader = csv.reader(lines_of(path.read_text(encoding="utf-8")))
    header = next(reader, [])
    if tuple(header) != COLUMNS:
        raise BenchError(f"{path.name} has the columns {header}, not {list(COLUMNS)}")
    for fields in reader:
        where = f"{path.name} line {reader.line_num}"
        if len(fields) != len(COLUMNS):
            raise BenchError(f"{where}: {len(fields)} fields, not {len(COLUMNS)}")
        row = dict(zip(COLUMNS, fields, strict=True))
        if not _is_finite(row["value"]):
            raise BenchError(f"{where}: value is {row['value']!r}, not a finite number")
        if row["how_read"] not in HOW_READ:
            expected = ", ".join(HOW_READ)
            raise BenchError(f"{where}: how_read is {row['how_read']!r}, not one of {expected}")
        yield where, row


def _is_finite(text: str) -> bool:
    """Whether a text is a number, neither infinite nor NaN."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
