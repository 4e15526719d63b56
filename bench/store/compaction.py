"""Many small parts made into few: no row is ever twice or nowhere, whenever it is cut short.

The large part is written first and names the parts that it replaces; from the moment of its rename
readers pass over those, and only then they are deleted. Whoever finds some of them left (the
command was killed) deletes them. Contents are kept word for word, and parts of other columns, such
as other metrics, stay apart: nothing is known less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import pyarrow as pa

from bench.store.part_file import PartFile, part_bytes, read_table
from bench.store.runs import RunStore

MOST_SMALL = 64
"""So many small parts may lie in a run."""

SMALL = 4 << 20
"""Bytes below which a part is small."""

LARGE = 16 << 20
"""Bytes of small parts that go into one."""

MOST_AT_ONCE = 1024
"""So many parts are merged in one go, so that a run that begins with a heap begins soon."""


def compact(store: RunStore) -> int:
    """Merges the small parts where there are too many, and gives how many were merged.

    Only for who holds the run, after ``RunStore.mend``. Raises ``BenchError`` for a part that
    cannot be read or written.
    """
    small = [part for part in store.survey().sound if part.size < SMALL]
    if len(small) <= MOST_SMALL:
        return 0
    merged = 0
    for group in _groups(sorted(small[:MOST_AT_ONCE], key=_columns)):
        tables = [read_table(part.path) for part in group]
        contents = [content for part in group for content in part.contents]
        names = [part.path.name for part in group]
        store.replace_parts(
            part_bytes(pa.concat_tables(tables, promote_options="default"), contents, names), names
        )
        merged += len(group)
    return merged


def _groups(parts: Sequence[PartFile]) -> Iterator[list[PartFile]]:
    """Runs of parts of one set of columns, about ``LARGE`` bytes, two parts at least, in order."""
    for _, alike in groupby(parts, _columns):
        group: list[PartFile] = []
        size = 0
        for part in alike:
            group.append(part)
            size += part.size
            if size >= LARGE:
                yield group
                group, size = [], 0
        if len(group) > 1:
            yield group


def _columns(part: PartFile) -> list[str]:
    """The columns of a part's rows; where it has none, it is like any other without."""
    return sorted(part.columns) if any(content.masks for content in part.contents) else []
