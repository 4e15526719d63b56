"""Tables 2 and 6 of the SAM paper: a line per group, one point and three, each ± 95 %."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import pandas as pd

from bench.analysis.section import Section
from bench.analysis.sections.slices import UNKNOWN, slice_section
from bench.analysis.selection import Selection
from bench.analysis.wording.words import DASH, MARK, few_said, interval_said, points
from bench.store.runs import RunStore
from bench.types import BenchError, Sample

ReadSample: TypeAlias = Callable[[RunStore, str], Sample]

TABLES = {"table2": "Groups of people (Table 2)", "table6": "Clothing, by its wearer (Table 6)"}
"""The tables by name. The form is the same, the data are not."""


def paper_table(
    figure: str | None,
    selection: Selection,
    by: Sequence[str],
    read_sample: ReadSample | None,
) -> Iterator[Section]:
    """The table of that name; nothing for another name.

    The groups are those of ``by``, see ``bench.analysis.sections.slices``, else of every attribute
    that the masks have. Its lines are those of the slices and ``attribute``. Raises ``BenchError``
    where no mask has an attribute.
    """
    if figure not in TABLES:
        return
    keys = [*dict.fromkeys(by)] or [f"attribute:{name}" for name in _attributes(selection)]
    found = pd.concat(
        [
            slice_section(selection, key, read_sample).lines.assign(
                attribute=key.removeprefix("attribute:")
            )
            for key in keys
        ],
        ignore_index=True,
    )
    lines = found[found["group"] != UNKNOWN]
    kinds = [kind for kind in ("dataset", "model", "protocol") if lines[kind].nunique() > 1]
    labels = [label for label in selection.labels if (lines["prompt"] == label).any()]
    titles = {kind: selection.titles(kind) for kind in ("dataset", "model")}
    rows = []
    for names, group in lines.groupby([*kinds, "attribute", "group"], sort=False):
        cells = {line["prompt"]: line for line in group.to_dict("records")}
        masks = max(line["masks"] for line in cells.values())
        shown = [_plus_minus(cells[label]) if label in cells else DASH for label in labels]
        named = zip([*kinds, "attribute", "group"], map(str, names), strict=True)
        said = [titles.get(kind, {}).get(name, name) for kind, name in named]
        rows.append((*said, *shown, f"{masks:,}"))
    left_out = int(found.loc[found["group"] == UNKNOWN, "masks"].sum())
    note = (
        "mIoU in points ± half of its interval, of which the table's file has both bounds, "
        f"{interval_said(lines, 'miou_low')}.{few_said(lines, 'miou_low')}"
    )
    if left_out:
        note += f" {left_out:,} scores of masks without the attribute are left out."
    yield Section(
        f"paper_{figure}",
        TABLES[figure],
        note,
        (*kinds, "attribute", "group", *labels, "masks"),
        tuple(rows),
        lines,
        names=len(kinds) + 2,
    )


def _attributes(selection: Selection) -> list[str]:
    rows = selection.every.all(["attributes"])
    names = sorted({str(name) for each in rows["attributes"] for name in (each or {})})
    if not names:
        raise BenchError(
            "the table is by attribute, and these masks have none; --by names other groups"
        )
    return names


def _plus_minus(line: dict[str, Any]) -> str:
    if pd.isna(line["miou_low"]):
        return points(line["miou"])
    half = (line["miou_high"] - line["miou_low"]) / 2
    return f"{points(line['miou'])} ± {points(half)}{MARK * bool(line['few'])}"
