"""How people's ratings are spread, as in the human study of Segment Anything."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.report.figures import texts
from bench.report.figures.plots import Looks, grid_of_panels, need
from bench.store.ratings import HIGHEST, LOWEST


def rating_shares(lines: pd.DataFrame, looks: Looks) -> Figure:
    """The share of each rating from 1 to 10, a line per series (Figs 11 and 18).

    ``lines`` has ``panel, series, value, share`` (in [0, 1]); a panel each for ``panel``, in their
    order of appearance. Raises ``BenchError`` for no line.
    """
    need(lines, "the spread of ratings needs ratings")
    panels = list(dict.fromkeys(lines["panel"]))
    figure, axes = grid_of_panels(panels, width=3.0, height=2.1, sharey=True)
    for axis, panel in zip(axes, panels, strict=True):
        for series, line in lines[lines["panel"] == panel].groupby("series", sort=False):
            look = looks[str(series)]
            line = line.sort_values("value")
            axis.plot(
                line["value"], 100 * line["share"], color=look.colour, marker=look.marker,
                linestyle=look.line, label=str(series),
            )  # fmt: skip
        axis.set_xlim(LOWEST - 0.3, HIGHEST + 0.3)
        axis.set_xticks(range(LOWEST, HIGHEST + 1))
        axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.yaxis.set_major_formatter("{x:.0f} %")
    axes[0].set_ylim(bottom=0)  # last, so that the shared axis has seen every panel
    texts.label_below(figure, "rating")
    texts.label_beside(figure, "share of ratings")
    texts.add_legend(figure, axes)
    return figure
