"""Which further tables a report has: of tasks, clicks needed, published numbers, slices, cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from bench.analysis.comparing.prompts import prompts_section
from bench.analysis.reasons import Codes, reasons
from bench.analysis.section import Section, named_apart
from bench.analysis.sections import published
from bench.analysis.sections.annotators import annotators_section
from bench.analysis.sections.boxes import boxes_section
from bench.analysis.sections.concepts import concepts_section
from bench.analysis.sections.cost import cost_section
from bench.analysis.sections.edges import edges_section
from bench.analysis.sections.label_maps import label_map_section
from bench.analysis.sections.noc import noc_section
from bench.analysis.sections.panoptic import panoptic_section
from bench.analysis.sections.reasons import reasons_section
from bench.analysis.sections.slices import slice_section
from bench.analysis.sections.wide import wide_section
from bench.analysis.selection import Selection
from bench.analysis.table import Table
from bench.report.request import Request
from bench.report.tables.paper_tables import paper_table
from bench.types import BenchError


def further_tables(
    selection: Selection, table: Table, request: Request, codes: Codes | None = None
) -> Iterator[Section]:
    """Every table that the rows allow, in the order in which a report shows them.

    ``codes`` are those of ``bench.analysis.reasons``, where they are known already.
    """
    yield from named_apart(_tables(selection, table, request, codes))


def _tables(
    selection: Selection, table: Table, request: Request, codes: Codes | None
) -> Iterator[Section]:
    read_sample = request.read_sample
    yield from wide_section(selection, table, request.columns)
    yield from paper_table(request.figure, selection, request.by, read_sample)
    if not selection.leads.is_iou:
        if request.by:
            raise BenchError(
                f"--by {request.by[0]}: tables by group are of masks' IoU, and these runs are "
                f"measured by {selection.leads.title}; leave --by out"
            )
        made = (
            boxes_section,
            concepts_section,
            edges_section,
            label_map_section,
            panoptic_section,
        )
        own = [section for each in made for section in each(selection)]
        yield from own
        yield from _published(selection, [table.lines, *(section.lines for section in own)])
        return
    if (asked := prompts_section(selection)) is not None:
        yield asked
    if selection.of_masks:
        known = reasons(selection) if codes is None else codes
        yield from reasons_section(selection, table, known)
    clicks = list(noc_section(selection))
    yield from clicks
    yield from annotators_section(selection)
    yield from _published(selection, [table.lines, *(section.lines for section in clicks)])
    for key in dict.fromkeys(request.by):
        yield slice_section(selection, key, read_sample)
    yield from cost_section(selection)


def _published(selection: Selection, tables: Sequence[pd.DataFrame]) -> Iterator[Section]:
    """What was published of any line of these tables."""
    found = [published.published_lines(lines, selection) for lines in tables]
    titles = {kind: selection.titles(kind) for kind in ("dataset", "model")}
    shown = published.section(pd.concat(found, ignore_index=True), titles)
    if shown is not None:
        yield shown
