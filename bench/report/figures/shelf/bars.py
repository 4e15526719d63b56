"""What leads after 1 point, after 3 and with a box: bars with intervals."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from bench.report.figures import plots_bars
from bench.report.figures.figures import Drawing, Facts, listed, series_names
from bench.report.figures.spots import bar_spots
from bench.types import Step

ORDER = 8

SHOWN = (Step(points=1), Step(points=3), Step(box=True))
"""The prompts that papers show side by side."""


def draw(facts: Facts) -> Iterator[Drawing]:
    """A panel for each dataset and for their mean, where two of the prompts were asked."""
    selection, table = facts.selection, facts.table
    if not selection.of_masks:
        return
    labels = [label for label in selection.labels if selection.steps[label] in SHOWN]
    lines = table.lines[table.lines["prompt"].isin(labels)]
    if lines["prompt"].nunique() < 2:
        return
    lines = lines.sort_values("dataset", na_position="first", kind="stable")
    leads = table.leads
    frame = pd.DataFrame(
        {
            "panel": [
                f"mean of {k} datasets" if pd.isna(d) else table.datasets[str(d)]
                for d, k in zip(lines["dataset"], lines["datasets"], strict=True)
            ],
            "dataset": [None if pd.isna(d) else table.datasets[str(d)] for d in lines["dataset"]],
            "series": series_names(lines, table),
            "label": lines["prompt"].tolist(),
            "value": lines[leads.mean].tolist(),
            "low": lines[f"{leads.mean}_low"].tolist(),
            "high": lines[f"{leads.mean}_high"].tolist(),
        }
    )
    named = {label: selection.shown.get(label, label) for label in labels}
    figure = plots_bars.bars(frame, named, facts.looks, leads)
    spots = bar_spots(figure, frame, named, plots_bars.GROUP)
    yield Drawing(
        "bars",
        f"{leads.title} by prompt",
        f"Bars of {leads.title} with {listed(named.values())} for {listed(frame['series'])}, on "
        f"{listed(frame['panel'])}; lines are 95 % intervals. The numbers stand in the table.",
        figure,
        tuple(spots) if leads.is_iou else (),
    )
