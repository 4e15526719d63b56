"""How the masks' IoUs are spread."""

from __future__ import annotations

from collections.abc import Iterator

from bench.report.figures import plots
from bench.report.figures.figures import Drawing, Facts, listed, series_names
from bench.report.figures.spots import histogram_spots

ORDER = 30


def draw(facts: Facts) -> Iterator[Drawing]:
    """A histogram for each prompt label, all series in one."""
    selection, table = facts.selection, facts.table
    if not selection.leads.is_iou:
        return
    rows = selection.rows[["dataset", "label", "iou"]]
    rows = rows.assign(series=series_names(selection.rows, table))
    labels = selection.labels
    figure = plots.iou_histogram(rows, labels, facts.looks)
    equal = " Each dataset weighs the same." if rows["dataset"].nunique() > 1 else ""
    yield Drawing(
        "histogram",
        "How the IoUs are spread",
        f"Histograms of the masks' IoU for {listed(rows['series'])}, with {listed(labels)}.{equal}",
        figure,
        tuple(histogram_spots(figure, rows, labels)) if selection.of_masks else (),
    )
