"""The bars and cells of figures that open lists of masks: where they lie, and what they open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bench.report import bins
from bench.report.figures.figures import Spot
from bench.report.figures.plots import cell_counts
from bench.report.masks.addresses import list_address


@dataclass(frozen=True, slots=True)
class Place:
    """A spot on a figure's SVG, in its units: its corner (x, y), its size, and what it opens."""

    x: float
    y: float
    width: float
    height: float
    address: str
    said: str


def places(figure: Figure, spots: Sequence[Spot]) -> tuple[Place, ...]:
    """Where the spots of a figure lie that has been laid out, in points from its upper left."""
    scale, height = 72 / figure.dpi, 72 * figure.get_figheight()
    found = []
    for spot in spots:
        box = spot.axes.bbox
        (x0, x1), (y0, y1) = (box.x0, box.x1), (box.y0, box.y1)
        if spot.x is not None:
            x0, x1 = (spot.axes.transData.transform((x, 0))[0] for x in spot.x)
        if spot.y is not None:
            y0, y1 = (spot.axes.transData.transform((0, y))[1] for y in spot.y)
        place = (x0 * scale, height - y1 * scale, (x1 - x0) * scale, (y1 - y0) * scale)
        left, top, across, down = (round(float(value), 2) for value in place)
        found.append(Place(left, top, across, down, spot.address, spot.said))
    return tuple(found)


def histogram_spots(figure: Figure, rows: pd.DataFrame, labels: Sequence[str]) -> Iterator[Spot]:
    """Of each bar of ``plots.iou_histogram`` that has masks, in its full height."""
    edges = bins.bar_edges(bins.BARS)
    shown = [label for label in labels if (rows["label"] == label).any()]
    for axis, label in zip(figure.axes, shown, strict=False):
        found = rows[rows["label"] == label]
        counts = bins.counted(bins.bar_of(found["iou"], bins.BARS), bins.BARS)
        noun = "mask" if found["series"].nunique() == 1 else "answer"
        for bar in np.flatnonzero(counts):
            reach = _reach(edges, int(bar))
            said = f"{label}, IoU {_said(reach)}: {_counted(counts[bar], noun)}"
            yield Spot(axis, list_address(prompt=label, iou=reach), said, x=reach)


def predicted_spots(
    figure: Figure, panels: Sequence[tuple[tuple[str, str], pd.DataFrame]]
) -> Iterator[Spot]:
    """Of each cell of ``plots.predicted_iou``."""
    edges = bins.bar_edges(bins.CELLS)
    for axis, ((series, label), rows) in zip(figure.axes, panels, strict=False):
        for (i, j), count in cell_counts(rows["predicted_iou"], rows["iou"]).items():
            x, y = _reach(edges, i), _reach(edges, j)
            address = list_address(
                model=series, prompt=label, asked="yes", predicted=x, iou=y, sort="predicted"
            )
            said = f"predicted {_said(x)}, IoU {_said(y)}: {_counted(count)}"
            yield Spot(axis, address, said, x=x, y=y)


def difference_spots(
    figure: Figure, lines: pd.DataFrame, *, a: str, b: str, prompt: str
) -> Iterator[Spot]:
    """Of each bar of ``plots.difference_bars``; ``lines`` as there, all across the figure."""
    ordered = lines.sort_values(["delta", "dataset"], ascending=[True, False], ignore_index=True)
    for place, dataset in enumerate(ordered["dataset"]):
        address = list_address(
            dataset=str(dataset), prompt=prompt, model=a, beside=b, sort="difference"
        )
        said = f"{dataset}, {prompt}: masks of {a} and {b}"
        yield Spot(figure.axes[0], address, said, y=(place - 0.5, place + 0.5))


def pair_spots(
    figure: Figure, pairs: pd.DataFrame, labels: Sequence[str], a: str, b: str
) -> Iterator[Spot]:
    """Of each cell of ``plots_compare.iou_against_iou``."""
    edges = bins.bar_edges(bins.CELLS)
    for axis, label in zip(figure.axes, labels, strict=False):
        found = pairs[pairs["label"] == label]
        for (i, j), count in cell_counts(found["iou_b"], found["iou_a"]).items():
            x, y = _reach(edges, i), _reach(edges, j)
            address = list_address(
                prompt=label, model=a, beside=b, iou=y, beside_iou=x, sort="difference"
            )
            said = f"{a} {_said(y)}, {b} {_said(x)}: {_counted(count)}"
            yield Spot(axis, address, said, x=x, y=y)


def spread_spots(
    figure: Figure, pairs: pd.DataFrame, labels: Sequence[str], a: str, b: str
) -> Iterator[Spot]:
    """Of each bar of ``plots_compare.delta_histogram``, in its full height."""
    edges = bins.step_edges()
    for axis, label in zip(figure.axes, labels, strict=False):
        found = pairs[pairs["label"] == label]
        counts = bins.counted(bins.step_of(found["iou_a"], found["iou_b"]), bins.STEPS)
        for bar in np.flatnonzero(counts):
            reach = _reach(edges, int(bar))
            address = list_address(
                prompt=label, model=a, beside=b, difference=reach, sort="difference"
            )
            yield Spot(
                axis, address, f"difference {_said(reach)}: {_counted(counts[bar])}", x=reach
            )


def bar_spots(
    figure: Figure, lines: pd.DataFrame, labels: Mapping[str, str], width: float
) -> Iterator[Spot]:
    """Of each bar of ``plots_bars.bars`` on a dataset, in its full height.

    ``lines`` as there; ``width`` is what a group takes of the room from one to the next.
    """
    panels, series = list(dict.fromkeys(lines["panel"])), sorted(set(lines["series"]))
    each = width / len(series)
    for axis, panel in zip(figure.axes, panels, strict=False):
        here = lines[lines["panel"] == panel]
        for line in here.to_dict("records"):
            group = list(labels).index(line["label"])
            left = group - width / 2 + each * series.index(line["series"])
            dataset = line["dataset"] if isinstance(line["dataset"], str) else None
            address = list_address(dataset=dataset, prompt=line["label"], model=line["series"])
            said = f"{line['series']}, {line['label']}: masks on {panel}"
            yield Spot(axis, address, said, x=(left, left + each))


def _reach(edges: np.ndarray, place: int) -> tuple[float, float]:
    return float(edges[place]), float(edges[place + 1])


def _said(reach: tuple[float, float]) -> str:
    return "{:g} to {:g}".format(*reach).replace("-", "−")


def _counted(count: int, noun: str = "mask") -> str:
    return f"{int(count):,} {noun}{'s' * (int(count) != 1)}"
