"""The figures of a report, as the paper draws them: each a function that gives a Figure.

None touches global state: the caller draws and saves within ``style.figure_style()``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    StrMethodFormatter,
)

from bench.analysis.wording.words import signed
from bench.report import bins
from bench.report.figures import style, texts
from bench.types import IOU, BenchError

_BINS = 20
_LEAST_IN_BIN = 5
SHADES = LinearSegmentedColormap.from_list("masks", ["#bcd7ea", "#5ba3cf", "#1764ab", "#08264d"])


@dataclass(frozen=True, slots=True)
class Look:
    """What tells a series from the others in every figure: ``line`` is the style of its lines."""

    colour: str
    marker: str
    line: str


Looks: TypeAlias = Mapping[str, Look]
"""Series → how it looks."""


def iou_over_points(lines: pd.DataFrame, looks: Looks) -> Figure:
    """The mIoU against the number of points, a curve per series with its 95 % band (Fig. 9c, d).

    ``lines`` has ``panel, series, n_points, miou, low, high``; IoUs in [0, 1], bounds null where
    unknown. A panel each for ``panel``, in their order of appearance; points on a log axis, so that
    1, 2, 3, 5 and 9 stand about evenly. Raises ``BenchError`` for no line.
    """
    need(lines, "a curve needs lines with points")
    panels = list(dict.fromkeys(lines["panel"]))
    figure, axes = grid_of_panels(panels, width=2.4, height=2.1, sharey=True)
    ticks = sorted(lines["n_points"].unique())
    inches = [1.7 * math.log(t / ticks[0]) / math.log(max(ticks[-1] / ticks[0], 2)) for t in ticks]
    named = texts.thinned(inches, [texts.text_width(str(tick), 8) for tick in ticks])
    for axis, panel in zip(axes, panels, strict=True):
        here = lines[lines["panel"] == panel]
        for series, curve in here.groupby("series", sort=False):
            curve = curve.sort_values("n_points")
            look = looks[str(series)]
            x = curve["n_points"].to_numpy(float)
            axis.plot(
                x, 100 * curve["miou"], color=look.colour, marker=look.marker,
                linestyle=look.line, label=str(series),
            )  # fmt: skip
            low, high = 100 * curve["low"].astype(float), 100 * curve["high"].astype(float)
            axis.fill_between(x, low, high, color=look.colour, alpha=0.18, linewidth=0)
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(FixedLocator([ticks[i] for i in named]))
        axis.xaxis.set_minor_locator(FixedLocator(ticks))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xticklabels([str(ticks[i]) for i in named])
    texts.label_below(figure, "number of points")
    texts.label_beside(figure, "mIoU")
    texts.add_legend(figure, axes)
    return figure


def difference_bars(
    lines: pd.DataFrame,
    *,
    a: str,
    b: str,
    prompt: str,
    colours: tuple[str, str],
    what: str = IOU.title,
) -> Figure:
    """Per dataset how much better ``a`` is than ``b`` in ``what``, largest first (Fig. 9a).

    ``lines`` has ``dataset, delta, low, high, oracle_delta``, IoU differences in [-1, 1], bounds
    and oracle null where unknown. Each ±delta stands at the right, in points; a dot is the oracle
    of ``a`` against ``b``. ``colours`` are those of a gain and a loss: the two models' own. Raises
    ``BenchError`` for no line.
    """
    need(lines, "a comparison needs a dataset that both models have")
    ordered = lines.sort_values(["delta", "dataset"], ascending=[True, False], ignore_index=True)
    delta = 100 * ordered["delta"].to_numpy(float)
    low, high, oracle = (100 * ordered[c].to_numpy(float) for c in ("low", "high", "oracle_delta"))
    y = np.arange(len(ordered))
    names = [texts.wrapped(name, 2.2, 8) for name in ordered["dataset"]]
    row = max(name.count("\n") + 1 for name in names) * texts.line_height(8) + 0.136
    figure = Figure(figsize=(style.across(6.2), 0.85 + row * len(ordered)), layout="constrained")
    axis = figure.subplots()
    axis.grid(visible=False)
    axis.barh(y, delta, height=0.72, color=[colours[0] if d >= 0 else colours[1] for d in delta])
    axis.hlines(y, low, high, color=style.INK, linewidth=1.0)
    known = np.isfinite(oracle)
    if known.any():
        axis.plot(
            oracle[known], y[known], "o", markersize=5, color="white", markeredgecolor=style.INK,
            markeredgewidth=1.0, label=f"oracle of {a}",
        )  # fmt: skip
    for i, value in enumerate(delta):
        axis.text(
            1.08, i, signed(value / 100), transform=axis.get_yaxis_transform(), va="center",
            ha="right", fontsize=8,
        )  # fmt: skip
    axis.margins(x=0.04)
    axis.set_ylim(-0.6, len(ordered) - 0.4)
    axis.axvline(0, color=style.INK, linewidth=0.8)
    axis.set_yticks(y, names)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    texts.label_below(figure, f"{what} of {a} minus {b}, {prompt} (points)")
    if known.any():
        texts.add_legend(figure, [axis])
    return figure


def iou_histogram(rows: pd.DataFrame, order: Sequence[str], looks: Looks) -> Figure:
    """How the IoUs of the masks are spread, a panel per prompt label, a line per series.

    ``rows`` has ``dataset, label, series, iou`` (in [0, 1]); ``order`` the labels as the panels
    stand. Where there are several datasets each weighs the same, as in the mean over datasets.
    Raises ``BenchError`` for no row.
    """
    need(rows, "a histogram needs masks")
    labels = [label for label in order if (rows["label"] == label).any()]
    figure, axes = grid_of_panels(labels, width=2.4, height=1.8, sharey=True)
    edges = bins.bar_edges(bins.BARS)
    for axis, label in zip(axes, labels, strict=True):
        for series, part in rows[rows["label"] == label].groupby("series", sort=False):
            size = part.groupby("dataset")["iou"].transform("size")
            share = 100 / (size * part["dataset"].nunique())
            counts = bins.counted(bins.bar_of(part["iou"], bins.BARS), bins.BARS, share)
            look = looks[str(series)]
            axis.stairs(
                counts, edges, color=look.colour, linestyle=look.line, linewidth=1.4,
                label=str(series),
            )  # fmt: skip
            axis.stairs(counts, edges, color=look.colour, alpha=0.12, fill=True)
        axis.set_xlim(0, 100)
        axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.yaxis.set_major_formatter("{x:.0f} %")
    axes[0].set_ylim(bottom=0)  # last, so that the shared axis has seen every panel
    texts.label_below(figure, "IoU")
    texts.label_beside(figure, "share of masks")
    texts.add_legend(figure, axes)
    return figure


def predicted_iou(rows: pd.DataFrame, order: Sequence[str]) -> Figure:
    """The model's own estimate against the true IoU: density, diagonal and calibration line.

    ``rows`` has ``label, series, iou, predicted_iou``; a panel per series and label, Spearman's
    rank correlation ρ in its title. The line joins the mean true IoU of the masks in each twentieth
    of the predicted range. Predictions outside [0, 1] are counted at the rim. Raises
    ``BenchError`` where no model predicts its IoU.
    """
    rows = rows[rows["predicted_iou"].notna()]
    need(rows, "no model of the report predicts its IoU")
    groups = predicted_panels(rows, order)
    several = rows["series"].nunique() > 1
    titles = [
        (f"{series}\n" if several else "")
        + f"{label}, ρ {rank_correlation(part['predicted_iou'], part['iou'])}"
        for (series, label), part in groups
    ]
    figure, axes = grid_of_panels(titles, width=2.3, height=2.3, sharey=True, square=True)
    edges = np.linspace(0, 1, _BINS + 1)
    shade = LogNorm(1, 2)
    density = None
    for axis, (_, part) in zip(axes, groups, strict=True):
        x, y = part["predicted_iou"].clip(0, 1).to_numpy(), part["iou"].to_numpy()
        density = add_density(axis, x, y, shade)
        axis.plot([0, 100], [0, 100], color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
        twentieths = np.clip(np.digitize(x, edges) - 1, 0, _BINS - 1)
        binned = pd.DataFrame({"x": x, "y": y}).groupby(twentieths).agg(["mean", "size"])
        full = binned[binned[("x", "size")] >= _LEAST_IN_BIN]
        axis.plot(
            100 * full[("x", "mean")], 100 * full[("y", "mean")], color=style.CALIBRATION,
            marker="o", markersize=3.2, linewidth=1.4,
        )  # fmt: skip
        axis.grid(visible=False)
        axis.set_facecolor(style.PLATE)
        axis.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    texts.label_below(figure, "predicted IoU")
    texts.label_beside(figure, "true IoU")
    if density is not None:
        shrink = min(0.7, _BAR / figure.get_size_inches()[1])
        bar = figure.colorbar(density, ax=axes, shrink=shrink, aspect=30, pad=0.01)
        bar.set_label("masks")
        bar.locator = LogLocator(subs=(1, 3))
        bar.formatter = StrMethodFormatter("{x:g}")
        bar.minorticks_off()
        bar.outline.set_visible(False)
    return figure


def predicted_panels(
    rows: pd.DataFrame, order: Sequence[str]
) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """The rows of each panel of ``predicted_iou`` by (series, label), in the panels' order."""
    rank = {label: i for i, label in enumerate(order)}
    groups = [
        ((str(s), str(label)), part) for (s, label), part in rows.groupby(["series", "label"])
    ]
    return sorted(groups, key=lambda item: (item[0][0], rank[item[0][1]]))


_BAR = 6.0
"""Inches that the bar of a density's colours is high at most."""


def value_histogram(
    rows: pd.DataFrame, order: Sequence[str], looks: Looks, title: str, scale: float
) -> Figure:
    """Histograms of values that are no IoUs, a panel per prompt label, a line per series.

    ``rows`` has ``label``, ``series`` and ``value``; ``order`` the labels as the panels stand,
    ``scale`` is what values are multiplied with. Raises ``BenchError`` for no row.
    """
    need(rows, "a histogram needs rows")
    labels = [label for label in order if (rows["label"] == label).any()]
    figure, axes = grid_of_panels(labels, width=2.4, height=1.8, sharey=True)
    edges = np.histogram_bin_edges(scale * rows["value"].to_numpy(float), bins=_BINS)
    for axis, label in zip(axes, labels, strict=True):
        for series, part in rows[rows["label"] == label].groupby("series", sort=True):
            counts, _ = np.histogram(scale * part["value"].to_numpy(float), bins=edges)
            look = looks[str(series)]
            axis.stairs(
                counts, edges, color=look.colour, linestyle=look.line, linewidth=1.4,
                label=str(series),
            )  # fmt: skip
    axes[0].set_ylim(bottom=0)  # last, so that the shared axis has seen every panel
    axes[0].yaxis.set_major_locator(MaxNLocator(5, integer=True))
    texts.label_below(figure, title)
    texts.label_beside(figure, "items")
    texts.add_legend(figure, axes)
    return figure


def rank_correlation(a: pd.Series[float], b: pd.Series[float]) -> str:
    """Spearman's ρ to two decimals; a dash where one side never varies.

    >>> rank_correlation(pd.Series([0.1, 0.5, 0.9]), pd.Series([0.2, 0.4, 0.3]))
    '0.50'
    """
    left, right = a.rank(), b.rank()
    if left.nunique() < 2 or right.nunique() < 2:
        return "–"
    return f"{left.corr(right):.2f}".replace("-", "−")


def need(frame: pd.DataFrame, what: str) -> None:
    """Raises ``BenchError`` that says what a figure wants, where there is nothing to draw."""
    if frame.empty:
        raise BenchError(what)


def looks(series: Iterable[str]) -> Looks:
    """How each series looks, by name: alike in every figure, and like no other up to 64 of them."""
    colours, markers, lines = style.PALETTE, style.MARKERS, style.LINES
    found: dict[str, Look] = {}
    for number, name in enumerate(sorted(set(series))):
        turn, place = divmod(number, len(colours))
        marker = markers[(place + turn) % len(markers)]
        found[name] = Look(colours[place], marker, lines[turn % len(lines)])
    return found


def add_density(axis: Axes, x: npt.ArrayLike, y: npt.ArrayLike, shade: LogNorm) -> PolyCollection:
    """Values of [0, 1] as cells, coloured by how many lie in each; ``shade`` grows to the most.

    Panels that share a ``shade`` have one scale.
    """
    found = cell_counts(x, y)
    edges = bins.bar_edges(bins.CELLS)
    corners = [
        [(edges[i], edges[j]), (edges[i + 1], edges[j]),
         (edges[i + 1], edges[j + 1]), (edges[i], edges[j + 1])]
        for i, j in found
    ]  # fmt: skip
    cells = PolyCollection(corners, norm=shade, cmap=SHADES, linewidths=0.1, edgecolors="face")
    cells.set_array(np.array(list(found.values()), dtype=float))
    axis.add_collection(cells)
    shade.vmax = max(shade.vmax or 2.0, *found.values(), 0.0)
    return cells


def cell_counts(x: npt.ArrayLike, y: npt.ArrayLike) -> dict[tuple[int, int], int]:
    """How many values of [0, 1] lie in each cell of a density, by its place along x and y."""
    places = bins.CELLS * bins.bar_of(x, bins.CELLS) + bins.bar_of(y, bins.CELLS)
    numbers, counts = np.unique(places, return_counts=True)
    return {
        (int(number) // bins.CELLS, int(number) % bins.CELLS): int(count)
        for number, count in zip(numbers, counts, strict=True)
    }


def grid_of_panels(
    titles: Sequence[str], *, width: float, height: float, sharey: bool, square: bool = False
) -> tuple[Figure, list[Axes]]:
    """A grid of panels under their titles, ``width`` × ``height`` inches each, or ``square``.

    Where figures are to fit a page (``style.on_page``) they are as wide as that leaves them,
    and as much lower.

    Titles stand in as many lines as they need, for which the figure is higher; the unused panels
    are removed.
    """
    count = len(titles)
    columns = 2 if count == 4 else min(count, 3 if count <= 9 else 4)
    rows = ceil(count / columns)
    natural = max(3.6, width * columns + 0.4)
    across = style.across(natural)
    width, height = (min(1.0, across / natural) * inches for inches in (width, height))
    bold = texts.SIZE + 0.5
    lines = [texts.wrapped(title, width - 0.4, bold, bold=True) for title in titles]
    more = max(text.count("\n") for text in lines) * texts.line_height(bold)
    layout: Literal["compressed", "constrained"] = "compressed" if square else "constrained"
    figure = Figure(figsize=(across, (height + more) * rows + 0.2), layout=layout)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=sharey).ravel()
    for axis in grid[count:]:
        axis.remove()
    axes = list(grid[:count])
    for axis, text in zip(axes, lines, strict=True):
        axis.set_title(text)
    return figure, axes
