"""The figures of a comparison: mask against mask, and how the differences are spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from bench.report import bins
from bench.report.figures import style, texts
from bench.report.figures.plots import add_density, grid_of_panels


def iou_against_iou(pairs: pd.DataFrame, labels: Sequence[str], a: str, b: str) -> Figure:
    """The IoU of each mask under both models, as a density; a panel per prompt label.

    ``pairs`` has ``label, iou_a, iou_b``, IoUs in [0, 1]. Above the diagonal ``a`` is better.
    """
    figure, axes = grid_of_panels(labels, width=2.4, height=2.5, sharey=True, square=True)
    shade = LogNorm(1, 2)
    for axis, label in zip(axes, labels, strict=True):
        found = pairs[pairs["label"] == label]
        add_density(axis, found["iou_b"], found["iou_a"], shade)
        axis.plot([0, 100], [0, 100], color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
        axis.grid(visible=False)
        axis.set_facecolor(style.PLATE)
        axis.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    texts.label_below(figure, f"IoU of {b}")
    texts.label_beside(figure, f"IoU of {a}")
    return figure


def delta_histogram(
    pairs: pd.DataFrame, labels: Sequence[str], a: str, b: str, colours: tuple[str, str]
) -> Figure:
    """How the per-mask differences are spread, gains and losses in the two models' colours.

    ``pairs`` as in ``iou_against_iou``; each dataset weighs the same.
    """
    figure, axes = grid_of_panels(labels, width=2.4, height=1.8, sharey=True)
    edges = bins.step_edges()
    for axis, label in zip(axes, labels, strict=True):
        found = pairs[pairs["label"] == label]
        size = found.groupby("dataset")["iou_a"].transform("size")
        share = 100 / (size * found["dataset"].nunique())
        steps = bins.step_of(found["iou_a"], found["iou_b"])
        counts = bins.counted(steps, bins.STEPS, share)
        middles = (edges[:-1] + edges[1:]) / 2
        chosen = [colours[0] if m > 0 else colours[1] if m < 0 else style.MUTED
                  for m in middles.round(6)]  # fmt: skip
        axis.bar(middles, counts, width=np.diff(edges), color=chosen)
        axis.set_yscale("symlog", linthresh=1)
        axis.yaxis.set_major_formatter("{x:g} %")
    texts.label_below(figure, f"IoU of {a} minus {b} (points)")
    texts.label_beside(figure, "share of masks")
    return figure
