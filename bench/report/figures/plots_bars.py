"""Bars side by side: a group for each prompt, a bar for each series."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.report.figures import style, texts
from bench.report.figures.plots import Looks, grid_of_panels, need
from bench.types import Measure

GROUP = 0.82
"""How much of the room from one group to the next its bars take."""

_HATCHES = {"-": "", "--": "////", ":": "....", "-.": "xxxx"}
"""For each style of a line, so that bars of one colour are told apart."""


def bars(lines: pd.DataFrame, labels: Mapping[str, str], looks: Looks, measure: Measure) -> Figure:
    """The measure's mean by prompt, a bar per series with its 95 % interval, from zero.

    ``lines`` has ``panel, series, label, value, low, high``, unscaled, bounds null where unknown; a
    series that lacks a label leaves a gap. A panel each for ``panel``, in their order of
    appearance; ``labels`` say how each group is called, in order. Raises ``BenchError`` for no
    line.
    """
    need(lines, "bars need lines")
    panels, series = list(dict.fromkeys(lines["panel"])), sorted(set(lines["series"]))
    figure, axes = grid_of_panels(panels, width=2.4, height=2.0, sharey=True)
    width = GROUP / len(series)
    for axis, panel in zip(axes, panels, strict=True):
        here = lines[lines["panel"] == panel].set_index(["series", "label"])
        for place, name in enumerate(series):
            own = here.reindex(pd.MultiIndex.from_product([[name], labels]))
            value, low, high = (
                measure.scale * own[column].to_numpy(float) for column in ("value", "low", "high")
            )
            x = np.arange(len(labels)) + (place - (len(series) - 1) / 2) * width
            look = looks[name]
            axis.bar(
                x, value, width=0.9 * width, color=look.colour, hatch=_HATCHES[look.line],
                edgecolor="white", linewidth=0, label=name,
            )  # fmt: skip
            axis.vlines(x, low, high, color=style.INK, linewidth=1.0)
        axis.set_xlim(-0.55, len(labels) - 0.45)
        shown = [texts.wrapped(label, 1.9 / len(labels), 8) for label in labels.values()]
        axis.set_xticks(range(len(labels)), shown)
        axis.tick_params(axis="x", length=0)
        axis.yaxis.set_major_locator(MaxNLocator(5))
    axes[0].set_ylim(bottom=min(0.0, axes[0].get_ylim()[0]))
    texts.label_beside(figure, measure.title)
    texts.add_legend(figure, axes)
    return figure
