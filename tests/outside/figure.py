"""A figure of one's own."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.figure import Figure

from bench.report.figures.figures import Drawing, Facts

ORDER = 5


def draw(facts: Facts) -> Iterator[Drawing]:
    """Values over their rank."""
    leads = facts.selection.leads
    figure = Figure(figsize=(3, 2), layout="constrained")
    axis = figure.subplots()
    for name, rows in facts.selection.rows.groupby("model", observed=True):
        axis.plot(sorted(rows[leads.name]), label=str(name))
    axis.legend()
    yield Drawing("ranked", "Values by rank", f"{leads.title} in order.", figure)
