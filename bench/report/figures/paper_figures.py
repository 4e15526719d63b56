"""Figures 9 and 13 of the SAM paper, drawn from any runs: `figure: fig9c` in an experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import pandas as pd

from bench.analysis.comparing.differences import Side, difference, ranking
from bench.analysis.selection import Selection, part
from bench.analysis.table import Table
from bench.analysis.wording.words import points, signed
from bench.report.figures import plots, plots_size, style
from bench.report.figures.figures import Drawing, curve_columns, own_figure, series_names
from bench.report.tables.paper_tables import TABLES
from bench.types import BenchError, Step
from bench.types.errors import did_you_mean

Draw: TypeAlias = Callable[[Selection, Table], Iterator[Drawing]]

_ONE = str(Step(1))


def check_figure(name: str | None, allow_modules: Sequence[str] = ()) -> None:
    """Raises ``BenchError`` for no figure or table of the paper, nor one of a user's own."""
    there = {**FIGURES, **TABLES}
    if name is None or name in there:
        return
    if "." in name:
        own_figure(name, allow_modules)
        return
    hint = did_you_mean(name, there)
    raise BenchError(
        f"no figure is called {name!r}; {hint}{'' if hint.endswith('?') else '.'} One of your "
        "own is a module, package.module"
    )


def paper_figure(name: str | None, selection: Selection, table: Table) -> list[Drawing]:
    """The paper's figure of that name; none for a table or no name.

    Raises ``BenchError`` where the runs lack what the figure shows.
    """
    if name is None or "." in name or name in TABLES:
        return []
    check_figure(name)
    if not selection.leads.is_iou:
        raise BenchError(f"{name} is drawn of IoUs, these runs measure {selection.leads.title}")
    with style.figure_style():
        return list(FIGURES[name](selection, table))


def _fig9a(selection: Selection, table: Table) -> Iterator[Drawing]:
    """The best model against each other one, per dataset, at one point."""
    series = ranking(table, _ONE) if _ONE in selection.labels else []
    if len(series) < 2:
        raise BenchError("fig9a compares models at 1 point: give prompt=[point_1] model=A,B")
    looks = plots.looks(series_names(table.lines, table))
    best = table.series(*series[0])
    gain = looks[best].colour
    for number, other in enumerate(series[1:], start=1):
        found = difference(selection, Side(series[0], _ONE), Side(other, _ONE))
        frame = found.datasets.assign(dataset=found.datasets["dataset"].map(dict(table.datasets)))
        behind = table.series(*other)
        bars = "; ".join(
            f"{d} {signed(v)}" for d, v in zip(frame["dataset"], frame["delta"], strict=True)
        )
        yield Drawing(
            "paper_fig9a" if number == 1 else f"paper_fig9a_{number}",
            f"Fig. 9a: {best} against {behind}, {_ONE}",
            f"Bars of the difference in mIoU, in points, by dataset: {bars}. Lines are 95 % "
            "intervals of the paired difference; dots are the oracle.",
            plots.difference_bars(
                frame,
                a=best,
                b=behind,
                prompt=_ONE,
                colours=(gain, looks[behind].colour),
            ),
        )


def _over_points(letter: str, first: str) -> Draw:
    def draw(selection: Selection, table: Table) -> Iterator[Drawing]:
        lines = _whole(table)
        lines = lines[[selection.steps[str(label)].only_clicks for label in lines["prompt"]]]
        if lines["n_points"].nunique() < 2:
            raise BenchError(f"fig9{letter} needs several numbers of points: give prompt=[points]")
        frame = pd.DataFrame({"panel": f"{first}, {_where(table)}"} | curve_columns(lines, table))
        yield Drawing(
            f"paper_fig9{letter}",
            f"Fig. 9{letter}: mIoU against the number of points, {first}",
            f"Curves of mIoU, {_where(table)}: {_told(frame, 'n_points')}. "
            "Bands are 95 % intervals.",
            plots.iou_over_points(frame, plots.looks(series_names(table.lines, table))),
        )

    return draw


def _fig13_encoders(selection: Selection, table: Table) -> Iterator[Drawing]:
    lines = _scaled(selection, table, "encoder_parameters")
    ticks = [
        f"{name}\n{millions(size)}" for name, size in zip(lines["series"], lines["x"], strict=True)
    ]
    yield Drawing(
        "paper_fig13_encoders",
        "Fig. 13: mIoU against the size of the image encoder",
        f"mIoU with 1 point, {_where(table)}, by encoder parameters: {_told(lines, 'x')}. "
        "Lines are 95 % intervals; the dashed curve is the oracle.",
        plots_size.iou_over_scale(lines, ticks, xlabel="parameters of the image encoder"),
    )


def _fig13_data(selection: Selection, table: Table) -> Iterator[Drawing]:
    lines = _scaled(selection, table, "data_share")
    yield Drawing(
        "paper_fig13_data",
        "Fig. 13: mIoU against the share of the training data",
        f"mIoU with 1 point, {_where(table)}, by share of the data: {_told(lines, 'x')}. "
        "Lines are 95 % intervals; the dashed curve is the oracle.",
        plots_size.iou_over_scale(
            lines, [f"{100 * share:g} %" for share in lines["x"]], xlabel="share of training data"
        ),
    )


FIGURES: Mapping[str, Draw] = {
    "fig9a": _fig9a,
    "fig9c": _over_points("c", "center point"),
    "fig9d": _over_points("d", "random first point"),
    "fig13_encoders": _fig13_encoders,
    "fig13_data": _fig13_data,
}


def millions(count: float) -> str:
    """A number of parameters as the paper writes it.

    >>> millions(637_026_048), millions(1_565_808)
    ('637M', '1.6M')
    """
    value = count / 1e6
    return f"{value:.0f}M" if value >= 9.95 else f"{value:.1f}M"


def _whole(table: Table) -> pd.DataFrame:
    """The means over datasets; of one dataset its own lines."""
    lines: pd.DataFrame = table.lines if table.means.empty else table.means
    return lines


def _where(table: Table) -> str:
    names = list(table.datasets.values())
    return names[0] if len(names) == 1 else f"mean of {len(names)} datasets"


def _scaled(selection: Selection, table: Table, fact: str) -> pd.DataFrame:
    """The lines at one point, by what a model's YAML says of itself under ``fact``."""
    lines = _whole(table)
    lines = lines[lines["prompt"] == _ONE]
    if lines.empty:
        raise BenchError("fig13 shows models at 1 point: give prompt=[point_1]")
    abouts = {
        str(part(header, "model").get("name")): part(header, "model").get("about") or {}
        for header in selection.headers.values()
    }
    sizes = []
    for model in lines["model"]:
        written = str(abouts[str(model)].get(fact, "")).replace(" ", "")
        try:
            sizes.append(float(written))
        except ValueError:
            sizes.append(0.0)
        if not sizes[-1] > 0:
            raise BenchError(
                f"{model}: the model's YAML names no about.{fact} above 0 "
                f"(found {written or 'nothing'})"
            )
    found: pd.DataFrame = pd.DataFrame(
        {
            "series": series_names(lines, table),
            "x": sizes,
            "miou": lines["miou"].tolist(),
            "low": lines["miou_low"].tolist(),
            "high": lines["miou_high"].tolist(),
            "oracle": lines["miou_oracle"].tolist(),
        }
    ).sort_values(["x", "series"], ignore_index=True)
    if found["x"].nunique() < len(found):
        raise BenchError(f"two of the models have the same about.{fact}; leave one of them out")
    return found


def _told(frame: pd.DataFrame, x: str) -> str:
    """The curves in words."""
    return "; ".join(
        f"{series} " + ", ".join(
            f"{points(y)} at {at:g}" for at, y in zip(curve[x], curve["miou"], strict=True)
        )
        for series, curve in frame.groupby("series", sort=False)
    )  # fmt: skip
