"""The numbers of label maps that microscopy reports: mSA, SA50 and F1, as means over pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.every_row import clusters
from bench.analysis.section import Section
from bench.analysis.selection import Selection
from bench.analysis.stats.intervals import Interval, clustered_interval
from bench.analysis.table import bounds
from bench.analysis.wording.words import counted, few_said, interval_said, points, with_bounds
from bench.types.rows.proposals import AR_1000

NUMBERS = {"msa": "mSA", "sa50": "SA50", "f1": "F1"}
"""What a line has with an interval, and what tables call it."""


def label_map_section(selection: Selection) -> Iterator[Section]:
    """The table of the runs whose pictures have a label map; nothing where there is none.

    Its lines: ``run, dataset, model, protocol, prompt`` ("proposals"), ``images, clusters``, then
    ``msa, sa50, f1`` with ``_low`` and ``_high``, in [0, 1].
    """
    if selection.leads.name != AR_1000.name:
        return
    columns = {run: store.columns() for run, store in selection.stores.items()}
    lines = [_line(run, selection) for run in sorted(columns) if "segments" in columns[run]]
    if not lines:
        return
    frame = pd.DataFrame(lines)
    titles, models = selection.titles("dataset"), selection.titles("model")
    several = frame["protocol"].nunique() > 1
    heads = ["dataset", "model", *(["protocol"] if several else []), "images", *NUMBERS.values()]
    rows = []
    for line in lines:
        names = [titles[line["dataset"]], models[line["model"]]]
        names += [line["protocol"]] if several else []
        sizes = (line[name] for name in ("images", "clusters", "effective", "largest"))
        rows.append((*names, counted(*sizes), *(_shown(line, name) for name in NUMBERS)))
    lows = [f"{name}_low" for name in NUMBERS]
    note = (
        "A picture's proposals as one label map: a pixel is that of the best proposal by score "
        "that covers it. Segments and targets are matched one to one. SA50: TP / (TP + FP + FN) of "
        "a picture at an IoU of 0.5; mSA: its mean over IoU thresholds from 0.5 to 0.95; F1: "
        "2 TP / (2 TP + FP + FN) at 0.5. Means over pictures in points (×100), "
        f"{interval_said(frame, *lows)}.{few_said(frame, *lows)}"
    )
    yield Section(
        "label_maps", "Label maps", note, tuple(heads), tuple(rows), frame, names=2 + several
    )


def of_pictures(rows: pd.DataFrame) -> pd.DataFrame:
    """A line for each picture, in the rows' order: ``owner`` and each of ``NUMBERS``, in [0, 1].

    ``rows`` are those of targets: ``segments`` of their picture, and ``mapped``, 1 at each
    threshold at which a segment is theirs.
    """
    lines = []
    owners = clusters(rows)
    for _, some in rows.groupby("image_id", sort=False):
        matched = np.stack(some["mapped"].tolist()).sum(axis=0)
        both = int(some["segments"].iloc[0]) + len(some)
        accuracy = matched / (both - matched)
        lines.append(
            {
                "owner": owners[some.index[0]],
                "msa": float(accuracy.mean()),
                "sa50": float(accuracy[0]),
                "f1": float(2 * matched[0] / both),
            }
        )
    found: pd.DataFrame = pd.DataFrame(lines)
    return found


def _line(run: str, selection: Selection) -> dict[str, Any]:
    names = ["dataset", "model", "protocol", "cluster", "segments", "mapped"]
    rows = selection.every.of(run, names)
    pictures = of_pictures(rows)
    found: dict[str, Interval] = {
        name: clustered_interval(pictures[name], pictures["owner"]) for name in NUMBERS
    }
    whole, first = found["msa"], rows.iloc[0]
    line: dict[str, Any] = {
        "run": run,
        "dataset": str(first["dataset"]),
        "model": str(first["model"]),
        "protocol": str(first["protocol"]),
        "prompt": "proposals",
        "images": len(pictures),
        "clusters": whole.clusters,
        "effective": whole.effective,
        "largest": whole.largest,
        "few": whole.few,
    }
    for name, interval in found.items():
        line |= bounds(name, interval)
    return line


def _shown(line: dict[str, Any], name: str) -> str:
    value, low, high = (points(line[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return with_bounds(value, low, high, line["few"])
