"""Precision against recall of edges, over the lines of equal F that such plots are known by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.figures import style, texts
from bench.report.figures.plots import Looks, grid_of_panels, need

_SCORES = tuple(tenths / 10 for tenths in range(1, 10))


def precision_recall(lines: pd.DataFrame, best: pd.DataFrame, looks: Looks) -> Figure:
    """A curve of precision against recall per series, its best F marked, over lines of equal F.

    ``lines`` has ``panel, series, recall, precision``, in the order of the curve; ``best`` a row
    per curve, ``panel, series, recall, precision``; all in [0, 1]. A panel each for ``panel``, in
    their order of appearance. Raises ``BenchError`` for no line.
    """
    need(lines, "a curve needs edges")
    panels = list(dict.fromkeys(lines["panel"]))
    figure, axes = grid_of_panels(panels, width=3.4, height=3.2, sharey=True, square=True)
    for axis, panel in zip(axes, panels, strict=True):
        _equal_f(axis)
        for series, curve in lines[lines["panel"] == panel].groupby("series", sort=True):
            look = looks[str(series)]
            axis.plot(
                curve["recall"], curve["precision"], color=look.colour, linestyle=look.line,
                linewidth=1.4, label=str(series),
            )  # fmt: skip
        for mark in best[best["panel"] == panel].to_dict("records"):
            look = looks[str(mark["series"])]
            axis.plot(
                mark["recall"], mark["precision"], color=look.colour, marker=look.marker,
                markersize=5, markeredgecolor="white", linestyle="none",
            )  # fmt: skip
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1)
        axis.set_aspect("equal")
        axis.set_xlabel("recall")
    axes[0].set_ylabel("precision")
    texts.add_legend(figure, axes)
    return figure


def equal_f(score: float) -> tuple[Sequence[float], Sequence[float]]:
    """Recall and precision of every pair of one F, from the corner where precision is 1.

    >>> recall, precision = equal_f(0.5)
    >>> round(recall[0], 3), round(precision[0], 3), round(recall[-1], 3), round(precision[-1], 3)
    (0.333, 1.0, 1.0, 0.333)
    """
    inverse = np.linspace(2 / score - 1, 1, 200)  # 1/P + 1/R is 2/F
    recall, precision = 1 / inverse, 1 / (2 / score - inverse)
    return recall.tolist(), precision.tolist()


def _equal_f(axis: Axes) -> None:
    for score in _SCORES:
        recall, precision = equal_f(score)
        axis.plot(recall, precision, color=style.RULE, linewidth=0.8, zorder=0)
        axis.annotate(
            f"{score:.1f}", (recall[-1], precision[-1]), xytext=(-2, 0), ha="right", va="center",
            textcoords="offset points", color=style.MUTED, fontsize=texts.SIZE - 2,
            backgroundcolor="white", zorder=0.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip
