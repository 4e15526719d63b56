"""mIoU against the number of points."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from bench.report.figures import plots
from bench.report.figures.figures import Drawing, Facts, curve_columns, listed

ORDER = 10


def draw(facts: Facts) -> Iterator[Drawing]:
    """Curves over the number of clicks, as Fig. 9(c) and (d) of the SAM paper."""
    selection, table = facts.selection, facts.table
    if not selection.leads.is_iou:
        return
    clicks = [selection.steps[str(label)].only_clicks for label in table.lines["prompt"]]
    lines = table.lines[clicks]
    if lines["n_points"].nunique() < 2:
        return
    lines = lines.sort_values("dataset", na_position="first", kind="stable")
    frame = pd.DataFrame(
        {
            "panel": [
                f"mean of {k} datasets" if pd.isna(d) else table.datasets[str(d)]
                for d, k in zip(lines["dataset"], lines["datasets"], strict=True)
            ],
        }
        | curve_columns(lines, table)
    )
    yield Drawing(
        "points",
        "mIoU against the number of points",
        f"Curves of mIoU against the number of points for {listed(frame['series'])}, on "
        f"{listed(frame['panel'])}; bands are 95 % intervals. The numbers stand in the table.",
        plots.iou_over_points(frame, facts.looks),
    )
