"""The mIoU of models against a size of theirs: parameters, data, time. See ``plots``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    LogLocator,
    MaxNLocator,
    NullLocator,
    StrMethodFormatter,
)

from bench.report.figures import style, texts
from bench.report.figures.plots import Looks, grid_of_panels, need


def iou_over_scale(lines: pd.DataFrame, ticks: Sequence[str], *, xlabel: str) -> Figure:
    """The mIoU against the size of something, on a log axis, and the oracle dashed (Fig. 13).

    ``lines`` has ``x`` above 0, ascending, ``miou, low, high, oracle``; IoUs in [0, 1], bounds and
    oracle null where unknown. ``ticks`` are the texts at each ``x``. Raises ``BenchError`` for no
    line.
    """
    need(lines, "a curve needs a model")
    x = lines["x"].to_numpy(float)
    miou, low, high, oracle = (
        100 * lines[c].to_numpy(float) for c in ("miou", "low", "high", "oracle")
    )
    figure, (axis,) = grid_of_panels([""], width=4.2, height=2.6, sharey=True)
    colour, other = style.PALETTE[:2]
    axis.vlines(x, low, high, color=colour, linewidth=1.2, alpha=0.6)
    axis.plot(x, miou, color=colour, marker="o", label="most confident mask")
    if np.isfinite(oracle).any():
        axis.plot(
            x, oracle, color=other, marker="o", markerfacecolor="white", linestyle=(0, (4, 3)),
            label="oracle",
        )  # fmt: skip
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(list(x)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.margins(x=_MARGIN)
    _name_ticks(figure, axis, x, ticks)
    texts.label_below(figure, xlabel)
    axis.set_ylabel("mIoU, 1 point")
    texts.add_legend(figure, [axis])
    return figure


def iou_over_cost(lines: pd.DataFrame, looks: Looks) -> Figure:
    """The mIoU against the time that a picture with one prompt takes, a marker per series.

    ``lines`` has ``panel, series, ms, miou, low, high``: ``ms`` above 0, on a log axis that grows
    to the right; IoUs in [0, 1], bounds null where unknown. A panel each for ``panel``, in their
    order of appearance. Raises ``BenchError`` for no line.
    """
    need(lines, "a marker needs a model")
    panels = list(dict.fromkeys(lines["panel"]))
    figure, axes = grid_of_panels(panels, width=2.4, height=2.1, sharey=True)
    for axis, panel in zip(axes, panels, strict=True):
        for line in lines[lines["panel"] == panel].to_dict("records"):
            look = looks[str(line["series"])]
            ends = [100 * float(line[end]) for end in ("low", "high")]
            axis.vlines(line["ms"], ends[0], ends[1], color=look.colour, linewidth=1.2, alpha=0.6)
            axis.plot(
                line["ms"], 100 * line["miou"], color=look.colour, marker=look.marker,
                linestyle="none", label=str(line["series"]),
            )  # fmt: skip
        axis.set_xscale("log")
        axis.margins(x=_MARGIN)
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        narrow = float(lines["ms"].max()) < 10 * float(lines["ms"].min())
        wide = LogLocator(subs=(1.0, 2.0, 5.0))
        axis.xaxis.set_major_locator(MaxNLocator(4) if narrow else wide)
        axis.xaxis.set_minor_locator(NullLocator())
    texts.label_below(figure, "ms for a picture and one prompt")
    texts.label_beside(figure, "mIoU")
    texts.add_legend(figure, axes)
    return figure


_MARGIN = 0.12


def _name_ticks(
    figure: Figure, axis: Axes, x: npt.NDArray[np.float64], names: Sequence[str]
) -> None:
    """Names under the ticks; where these are close, turned, moved apart and joined to them."""
    room = 3.4
    lines = [texts.wrapped(name, 1.4, 8) for name in names]
    widths = [max(texts.text_width(line, 8) for line in text.splitlines()) for text in lines]
    logs = np.log(x)
    reach = max(float(np.ptp(logs)), 1e-9)
    shares = ((logs - logs[0]) / reach + _MARGIN) / (1 + 2 * _MARGIN) if len(x) > 1 else [0.5]
    if texts.apart([room * share for share in shares], widths):
        axis.set_xticklabels(lines)
        texts.grow(figure, height=max(text.count("\n") for text in lines) * texts.line_height(8))
        return
    gap = max(text.count("\n") + 1 for text in lines) * texts.line_height(8) + 0.06
    wider = max(room, gap * len(x))
    texts.grow(figure, width=wider - room, height=max(widths) + 0.3)
    axis.set_xticklabels([""] * len(x))
    places = texts.spread([wider * share for share in shares], gap, wider)
    for share, place, text in zip(shares, places, lines, strict=True):
        axis.annotate(
            text, xy=(share, 0), xytext=(place / wider, -0.1), xycoords="axes fraction",
            rotation=90, ha="center", va="top", fontsize=8, multialignment="right",
            arrowprops={"arrowstyle": "-", "color": style.MUTED, "linewidth": 0.6, "shrinkB": 0},
        )  # fmt: skip
