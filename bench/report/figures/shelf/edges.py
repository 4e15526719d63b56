"""Precision against recall of edges."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from bench.analysis.sections.edges import edges_of_runs
from bench.report.figures import plots_edges
from bench.report.figures.figures import Drawing, Facts, listed

ORDER = 5


def draw(facts: Facts) -> Iterator[Drawing]:
    """A curve per run of edges, a panel per dataset."""
    selection, table = facts.selection, facts.table
    curves, marks = [], []
    for _, rows, edges in edges_of_runs(selection):
        first = rows.iloc[0]
        curve = edges.curve()
        names = {
            "panel": table.datasets[str(first["dataset"])],
            "series": table.series(str(first["model"]), str(first["protocol"])),
        }
        there = ~curve.empty
        pairs = zip(curve.recall[there].tolist(), curve.precision[there].tolist(), strict=True)
        curves += [names | {"recall": r, "precision": p} for r, p in pairs]
        _, _, precision, recall = curve.best()
        marks.append(names | {"recall": recall, "precision": precision})
    if not curves:
        return
    lines = pd.DataFrame(curves)
    yield Drawing(
        "edges",
        "Precision against recall",
        f"Precision against recall of the edges of {listed(lines['series'])}, a curve over the "
        "thresholds each, with the best F marked, over lines of equal F. The numbers stand in the "
        "table of edges.",
        plots_edges.precision_recall(lines, pd.DataFrame(marks), facts.looks),
    )
