"""mIoU against the number of points for prompts that share a step: real clicks and simulated."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from bench.analysis.comparing.prompts import asked_steps, line_of, shared_steps
from bench.report.figures import plots
from bench.report.figures.figures import Drawing, Facts, listed

ORDER = 12


def draw(facts: Facts) -> Iterator[Drawing]:
    """A curve per prompt, a panel per dataset and series in which two were answered differently."""
    selection, table = facts.selection, facts.table
    if not selection.leads.is_iou:
        return
    pairs = [(a, b) for a, b, _ in shared_steps(selection) if a.step.only_clicks]
    shown = {(one.dataset, one.series, one.prompt) for pair in pairs for one in pair}
    mean, found = table.leads.mean, []
    for each in asked_steps(selection):
        if (each.dataset, each.series, each.prompt) in shown and each.step.only_clicks:
            line = line_of(each, table)
            found.append(
                {
                    "panel": f"{table.datasets[each.dataset]}, {table.series(*each.series)}",
                    "series": each.prompt,
                    "n_points": each.step.points,
                    "miou": line[mean],
                    "low": line[f"{mean}_low"],
                    "high": line[f"{mean}_high"],
                }
            )
    lines = pd.DataFrame(found)
    if lines.empty or lines["n_points"].nunique() < 2:
        return
    yield Drawing(
        "prompts",
        "mIoU against the number of points, by who prompts",
        f"Curves of mIoU against the number of points for the prompts {listed(lines['series'])}, "
        f"on {listed(lines['panel'])}; bands are 95 % intervals. The numbers stand in the table.",
        plots.iou_over_points(lines, plots.looks(sorted(lines["series"].unique()))),
    )
