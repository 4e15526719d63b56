"""mIoU against what an answer costs."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from bench.analysis.sections.cost import costs
from bench.analysis.table import Table
from bench.report.figures import plots_size
from bench.report.figures.figures import Drawing, Facts, listed, series_names

ORDER = 50


def draw(facts: Facts) -> Iterator[Drawing]:
    """A marker per model over its time, where several ran in one way on one device."""
    selection, table = facts.selection, facts.table
    if not selection.leads.is_iou:
        return
    times = _comparable(costs(selection.headers.values()))
    if len(times) < 2:
        return
    lines = _leading(table)
    lines = lines[lines["model"].isin(times.index)]
    mean = table.leads.mean
    frame = pd.DataFrame(
        {
            "panel": lines["prompt"].tolist(),
            "series": series_names(lines, table),
            "ms": [times[model] for model in lines["model"]],
            "miou": lines[mean].tolist(),
            "low": lines[f"{mean}_low"].tolist(),
            "high": lines[f"{mean}_high"].tolist(),
        }
    )
    if frame.empty:
        return
    yield Drawing(
        "cost",
        "mIoU against cost",
        f"The mIoU of {listed(frame['series'])} against the milliseconds that the model takes for "
        "a picture and one prompt, with 95 % intervals. The numbers stand in the tables.",
        plots_size.iou_over_cost(frame, facts.looks),
    )


def _comparable(frame: pd.DataFrame) -> pd.Series[float]:
    """Milliseconds by model, of the largest group that ran on one device by as many workers."""
    known = frame.dropna(subset=["embed_ms", "predict_ms"])
    ms = known["embed_ms"].astype(float) + known["predict_ms"].astype(float)
    known = known.assign(ms=ms)[ms > 0]
    groups = [
        each.drop_duplicates("model", keep=False)
        for _, each in known.groupby(["device", "workers", "image_batch"], sort=True)
    ]
    largest = max(groups, key=len, default=known)
    by_model: pd.Series[float] = largest.set_index("model")["ms"]
    return by_model


def _leading(table: Table) -> pd.DataFrame:
    """The means over datasets, or the lines of the only dataset."""
    if not table.means.empty:
        return table.means
    return table.lines if table.lines["dataset"].nunique() == 1 else table.lines.iloc[:0]
