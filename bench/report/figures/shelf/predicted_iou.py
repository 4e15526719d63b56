"""Predicted against true IoU."""

from __future__ import annotations

from collections.abc import Iterator

from bench.report.figures import plots
from bench.report.figures.figures import Drawing, Facts, series_names
from bench.report.figures.spots import predicted_spots

ORDER = 40


def draw(facts: Facts) -> Iterator[Drawing]:
    """A density for each series and label whose model estimates its own IoU."""
    selection, table = facts.selection, facts.table
    if not selection.leads.is_iou:
        return
    rows = selection.rows[["label", "iou", "predicted_iou"]]
    rows = rows.assign(series=series_names(selection.rows, table))
    rows = rows[selection.rows["predicted_iou"].notna() & ~selection.rows["carried"]]
    if rows.empty:
        return
    figure = plots.predicted_iou(rows, selection.labels)
    panels = plots.predicted_panels(rows, selection.labels)
    yield Drawing(
        "predicted_iou",
        "Predicted against true IoU",
        "Density of true against predicted IoU with the diagonal, where an estimate is right, "
        "and in orange the mean true IoU of masks of alike estimate; ρ is Spearman's rank "
        "correlation.",
        figure,
        tuple(predicted_spots(figure, panels)) if selection.of_masks else (),
    )
