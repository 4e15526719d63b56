"""Which figures a report has, and the frames that they are drawn from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bench.analysis.comparing.differences import Difference
from bench.analysis.selection import Selection
from bench.analysis.table import Table
from bench.analysis.words import signed
from bench.report.figures import plots, style


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure, the name of its files, its heading, and what it shows for who can't see it."""

    name: str
    title: str
    alt: str
    figure: Figure


def figures(selection: Selection, table: Table, compared: Sequence[Difference]) -> list[Drawing]:
    """Every figure that the rows allow, in the order in which a report shows them."""
    looks = plots.looks(series_names(table.lines, table))
    with style.figure_style():
        return [
            *_points(table, looks),
            *_differences(table, compared, looks),
            *_histogram(selection, table, looks),
            *_predicted(selection, table),
        ]


def _points(table: Table, looks: plots.Looks) -> Iterator[Drawing]:
    lines = table.lines
    counted = [
        label in (f"{n} point", f"{n} points")
        for label, n in zip(lines["prompt"], lines["n_points"], strict=True)
    ]
    lines = lines[counted]
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
        f"Curves of mIoU against the number of points for {_listed(frame['series'])}, on "
        f"{_listed(frame['panel'])}; bands are 95 % intervals. The numbers stand in the table.",
        plots.iou_over_points(frame, looks),
    )


def _differences(
    table: Table, compared: Sequence[Difference], looks: plots.Looks
) -> Iterator[Drawing]:
    for number, found in enumerate(compared):
        if len(found.datasets) < 2:
            continue
        a, b = table.series(*found.a.series), table.series(*found.b.series)
        frame = found.datasets.assign(dataset=found.datasets["dataset"].map(dict(table.datasets)))
        bars = "; ".join(
            f"{d} {signed(v)}" for d, v in zip(frame["dataset"], frame["delta"], strict=True)
        )
        colours = (looks[a][0], looks[b][0])
        left = f" {found.left_out:,} scores of masks that only one has are left out."
        yield Drawing(
            "difference" if number == 0 else f"difference_{number + 1}",
            f"{a} against {b}, {found.a.label}",
            f"Bars of the difference in mIoU, in points, by dataset: {bars}. Lines are 95 % "
            f"intervals of the paired difference.{left if found.left_out else ''}",
            plots.difference_bars(frame, a=a, b=b, prompt=found.a.label, colours=colours),
        )


def _histogram(selection: Selection, table: Table, looks: plots.Looks) -> Iterator[Drawing]:
    rows = selection.rows[["dataset", "label", "iou"]]
    rows = rows.assign(series=series_names(selection.rows, table))
    equal = " Each dataset weighs the same." if rows["dataset"].nunique() > 1 else ""
    yield Drawing(
        "histogram",
        "How the IoUs are spread",
        f"Histograms of the masks' IoU for {_listed(rows['series'])}, with "
        f"{_listed(selection.labels)}.{equal}",
        plots.iou_histogram(rows, selection.labels, looks),
    )


def _predicted(selection: Selection, table: Table) -> Iterator[Drawing]:
    rows = selection.rows[["label", "iou", "predicted_iou"]]
    rows = rows.assign(series=series_names(selection.rows, table))
    rows = rows[selection.rows["predicted_iou"].notna() & ~selection.rows["carried"]]
    varied = rows.groupby("series")["predicted_iou"].transform("nunique") > 1
    if not varied.any():
        return
    yield Drawing(
        "predicted_iou",
        "Predicted against true IoU",
        "Density of true against predicted IoU with the diagonal, where an estimate is right, "
        "and in orange the mean true IoU of masks of alike estimate; ρ is Spearman's rank "
        "correlation.",
        plots.predicted_iou(rows[varied], selection.labels),
    )


def curve_columns(lines: pd.DataFrame, table: Table) -> dict[str, list[Any]]:
    """What ``plots.iou_over_points`` draws of a table's lines, but for the panel."""
    return {
        "series": series_names(lines, table),
        "n_points": lines["n_points"].tolist(),
        "miou": lines["miou"].tolist(),
        "low": lines["miou_low"].tolist(),
        "high": lines["miou_high"].tolist(),
    }


def series_names(frame: pd.DataFrame, table: Table) -> list[str]:
    """How each row's curve is called, from its ``model`` and ``protocol``."""
    pairs = list(zip(frame["model"], frame["protocol"], strict=True))
    names = {pair: table.series(*pair) for pair in set(pairs)}
    return [names[pair] for pair in pairs]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(re.sub(r"\s+", " ", str(name)) for name in names))
