"""How values are spread that are no IoUs: a histogram for each series and prompt."""

from __future__ import annotations

from collections.abc import Iterator

from bench.report.figures import plots
from bench.report.figures.figures import Drawing, Facts, listed, series_names

ORDER = 30


def draw(facts: Facts) -> Iterator[Drawing]:
    """What leads the table, item by item."""
    selection, leads = facts.selection, facts.selection.leads
    if leads.is_iou:
        return
    rows = selection.rows[["label", leads.name]].rename(columns={leads.name: "value"})
    rows = rows.assign(series=series_names(selection.rows, facts.table))
    yield Drawing(
        "values",
        f"How {leads.title} is spread",
        f"Histograms of {leads.title} for {listed(rows['series'])}, with "
        f"{listed(selection.labels)}.",
        plots.value_histogram(rows, selection.labels, facts.looks, leads.title, leads.scale),
    )
