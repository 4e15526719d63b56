"""Clicks that a mask needs (NoC) and the area under its curve: interactive segmentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.analysis.every_row import clusters
from bench.analysis.section import Section
from bench.analysis.selection import Selection
from bench.analysis.stats import averages
from bench.analysis.stats.intervals import Interval
from bench.analysis.table import bounds
from bench.analysis.wording.words import counted, few_said, interval_said, points, with_bounds

THRESHOLDS = (0.80, 0.85, 0.90)
LEAST_CLICKS = 10
"""A shorter curve says little about how many clicks are needed."""


def clicks_needed(ious: npt.NDArray[np.float64], threshold: float) -> npt.NDArray[np.int64]:
    """The first click (N,) of 1 to K whose mask has IoU >= ``threshold``; K where none has.

    ``ious`` is (N, K), the IoU after each click, in [0, 1]. As RITM counts: a later, worse mask
    doesn't count against an earlier good one, and a mask that never gets there counts K clicks.

    >>> clicks_needed(np.array([[0.5, 0.92, 0.7], [0.9, 0.1, 0.2], [0.1, 0.2, 0.3]]), 0.9).tolist()
    [2, 1, 3]
    """
    reached = ious >= threshold
    first = reached.argmax(axis=1) + 1
    needed: npt.NDArray[np.int64] = np.where(reached.any(axis=1), first, ious.shape[1])
    return needed


def areas_under(ious: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The area (N,) under each curve of IoU against clicks, in [0, 1].

    ``ious`` is (N, K), the IoU after each click, in [0, 1]; a later, worse mask counts as it is.
    The trapezoid rule over clicks 1 to K, divided by their distance K - 1, so that IoU 1 from the
    first click on gives 1; a curve of a single click has its IoU. The mean over masks is the area
    under the mIoU curve, the AuC of Jang and Kim (BRS, CVPR 2019), normed to [0, 1] as theirs.

    >>> areas_under(np.array([[0.0, 1.0, 1.0], [0.5, 0.5, 0.5]])).tolist()
    [0.75, 0.5]
    """
    if ious.shape[1] == 1:
        return ious[:, 0]
    areas: npt.NDArray[np.float64] = ((ious[:, 1:] + ious[:, :-1]) / 2).mean(axis=1)
    return areas


def noc_section(selection: Selection) -> Iterator[Section]:
    """The table of the runs with at least ten clicks; nothing where there is none.

    Its lines: ``run, dataset, model, protocol, clicks`` (K), ``masks, images, clusters, effective,
    largest, few`` (as in ``bench.analysis.table.Table``), then per threshold ``noc_80, noc_80_low,
    noc_80_high`` (mean clicks, from 1 to K, with a 95 % interval), ``never_80``
    (masks that never get there), ``solved_80`` (the share of masks that do, 1 - never / masks) and
    ``at_limit_80`` (masks whose NoC is K, what RITM's script prints as failures: it holds those
    that get there with the last click); at last ``auc, auc_low, auc_high``, the mean of
    ``areas_under`` with its interval, in [0, 1].
    """
    if not selection.of_masks:
        return
    lines = [
        _line(name, selection)
        for name, header in sorted(selection.headers.items())
        if max((int(step) for step in header.get("report_steps") or ()), default=0) >= LEAST_CLICKS
    ]
    if not lines:
        return
    frame = pd.DataFrame(lines)
    titles, models = selection.titles("dataset"), selection.titles("model")
    several = frame["protocol"].nunique() > 1
    marks = [round(100 * threshold) for threshold in THRESHOLDS]
    heads = ["dataset", "model", *(["protocol"] if several else []), "clicks", "masks", "images"]
    heads += [f"NoC@{mark}" for mark in marks] + [f"never {mark}" for mark in marks]
    heads += [*(f"solved {mark}" for mark in marks), "AUC"]
    rows = []
    for line in lines:
        names = [titles[line["dataset"]], models[line["model"]]]
        names += [line["protocol"]] if several else []
        nocs = [_shown(line, f"noc_{mark}") for mark in marks]
        never = [f"{line[f'never_{mark}']:,}" for mark in marks]
        solved = [points(line[f"solved_{mark}"]) for mark in marks]
        ends = points(line["auc_low"]), points(line["auc_high"])
        auc = with_bounds(points(line["auc"]), *ends, line["few"])
        sizes = (line[name] for name in ("images", "clusters", "effective", "largest"))
        counts = str(line["clicks"]), f"{line['masks']:,}", counted(*sizes)
        rows.append((*names, *counts, *nocs, *never, *solved, auc))
    lows = [f"noc_{mark}_low" for mark in marks]
    note = (
        "NoC@t: the mean number of clicks until a mask's IoU first reaches t, the limit where it "
        f"never does, {interval_said(frame, *lows)}. Never: how many masks don't get there. "
        "Solved: how many do, in per cent. AUC: the area under the curve of mIoU over the clicks, "
        f"100 for a perfect mask from the first click on.{few_said(frame, *lows, 'auc_low')}"
    )
    yield Section("noc", "Clicks needed", note, tuple(heads), tuple(rows), frame, names=2 + several)


def _line(run: str, selection: Selection) -> dict[str, Any]:
    rows = selection.every.of(run, ["dataset", "model", "protocol", "iou", "cluster"])
    rows["cluster"] = clusters(rows)
    curves = rows.pivot(index=["image_id", "cluster", "mask_id"], columns="step", values="iou")
    ious = curves.sort_index(axis=1).ffill(axis=1).to_numpy(np.float64)
    images, owners = (list(curves.index.get_level_values(n)) for n in ("image_id", "cluster"))
    over_images = selection.over_images(rows)

    def interval(values: npt.ArrayLike, reach: tuple[float, float]) -> Interval:
        return averages(values, images, owners, reach=reach).of(over_images)

    areas = averages(areas_under(ious), images, owners)
    sizes, area = areas.masks, areas.of(over_images)
    first = rows.iloc[0]
    line: dict[str, Any] = {
        "run": run,
        "dataset": str(first["dataset"]),
        "model": str(first["model"]),
        "protocol": str(first["protocol"]),
        "clicks": ious.shape[1],
        "masks": len(ious),
        "images": len(set(images)),
        "clusters": sizes.clusters,
        "effective": sizes.effective,
        "largest": sizes.largest,
        "few": area.few,
    }
    for threshold in THRESHOLDS:
        mark = round(100 * threshold)
        needed = clicks_needed(ious, threshold)
        line |= bounds(f"noc_{mark}", interval(needed, (1.0, float(ious.shape[1]))))
        line[f"never_{mark}"] = int((ious < threshold).all(axis=1).sum())
        line[f"solved_{mark}"] = 1 - line[f"never_{mark}"] / len(ious)
        line[f"at_limit_{mark}"] = int((needed == ious.shape[1]).sum())
    return line | bounds("auc", area)


def _shown(line: dict[str, Any], name: str) -> str:
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    if low is None or high is None:
        return f"{line[name]:.2f}"
    return with_bounds(f"{line[name]:.2f}", f"{low:.2f}", f"{high:.2f}", line["few"])
