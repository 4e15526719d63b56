"""The numbers of panoptic segmentation, of all pictures' counts together: PQ, SQ and RQ.

Segments are counted up over all pictures by category, and categories weigh the same (Kirillov and
others, Panoptic Segmentation, CVPR 2019, section 4.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.analysis.every_row import clusters
from bench.analysis.section import Section
from bench.analysis.sections.pooled import pooled_cell, pooled_intervals, pooled_line, sizes_said
from bench.analysis.selection import Selection
from bench.analysis.stats.intervals import Interval
from bench.analysis.wording.words import few_said, interval_said
from bench.types.rows.panoptic import CATEGORY_PQ

Array = npt.NDArray[np.float64]

QUALITIES = ("pq", "sq", "rq")
GROUPS = ("", "_things", "_stuff")
NUMBERS = tuple(f"{quality}{group}" for group in GROUPS for quality in QUALITIES)
"""What a line has with an interval: of all categories, of things and of stuff."""

COUNTS = ("matched", "wrong", "missed", "iou_sum")
_KINDS = {"_things": "thing", "_stuff": "stuff"}


@dataclass(frozen=True, slots=True)
class Segments:
    """A run's rows: what each counts (N, 4), see ``COUNTS``, of which category, in which cluster.

    ``categories`` (N,) are places in ``kinds`` (C,), ``owners`` (N,) clusters by number, each of so
    many ``pictures``.
    """

    counts: Array
    categories: npt.NDArray[np.intp]
    kinds: npt.NDArray[Any]
    owners: npt.NDArray[np.intp]
    pictures: Array

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Segments:
        """Those of rows with ``image_id, cluster, category, kind`` and ``COUNTS``."""
        owners, _ = pd.factorize(clusters(rows), sort=True)
        categories, titles = pd.factorize(rows["category"], sort=True)
        kinds = rows.drop_duplicates("category").set_index("category")["kind"].loc[titles]
        pictures = pd.Series(rows["image_id"].to_numpy()).groupby(owners).nunique()
        return cls(
            rows[list(COUNTS)].to_numpy(np.float64),
            categories,
            kinds.to_numpy(),
            owners,
            pictures.to_numpy(np.float64),
        )

    def totals(self) -> Array:
        """What is counted of each category, (C, 4)."""
        return self._summed(np.arange(len(self.counts)))

    def numbers(self) -> dict[str, Interval | None]:
        """Each of ``NUMBERS`` with its interval over clusters, see ``pooled_intervals``."""
        totals = self.totals()
        whole = numbers_of(totals, self.kinds)
        order = np.argsort(self.owners, kind="stable")
        ends = np.cumsum(np.bincount(self.owners))[:-1]
        without = [
            numbers_of(totals - self._summed(own), self.kinds) for own in np.split(order, ends)
        ]
        return pooled_intervals(whole, without, self.pictures)

    def _summed(self, some: npt.NDArray[np.intp]) -> Array:
        sums = np.zeros((len(self.kinds), len(COUNTS)))
        np.add.at(sums, self.categories[some], self.counts[some])
        return sums


def numbers_of(totals: Array, kinds: npt.NDArray[Any]) -> dict[str, float | None]:
    """Each of ``NUMBERS`` of counts (C, 4): means over the categories of which there is anything.

    SQ is 0 for a category without a pair, as panopticapi has it. None where no category is there.
    """
    matched, wrong, missed, iou = totals.T
    whole = matched + (wrong + missed) / 2
    there = whole > 0.25  # sums that had a cluster taken away are whole numbers but for rounding
    size = np.where(there, whole, 1.0)
    shares = {
        "pq": iou / size,
        "sq": np.where(matched > 0, iou / np.maximum(matched, 1), 0.0),
        "rq": matched / size,
    }
    found: dict[str, float | None] = {}
    for group in GROUPS:
        own = there & (kinds == _KINDS[group]) if group else there
        for name, values in shares.items():
            found[f"{name}{group}"] = float(values[own].mean()) if own.any() else None
    return found


def panoptic_of_runs(selection: Selection) -> Iterator[tuple[str, pd.DataFrame, Segments]]:
    """Each run of panoptic segmentation in the selection, with its rows; nothing of other tasks."""
    if selection.leads.name != CATEGORY_PQ.name:
        return
    for run in sorted(selection.headers):
        columns = ["dataset", "model", "protocol", "cluster", "category", "kind", *COUNTS]
        rows = selection.every.of(run, columns)
        yield run, rows, Segments.of(rows)


def panoptic_section(selection: Selection) -> Iterator[Section]:
    """The table of the runs of panoptic segmentation; nothing where there is none.

    Its lines: ``run, dataset, model, protocol, prompt`` ("panoptic"), ``images, clusters, things,
    stuff`` (categories that are there), then each of ``NUMBERS`` with ``_low`` and ``_high``, in
    [0, 1].
    """
    lines = [_line(*each) for each in panoptic_of_runs(selection)]
    if not lines:
        return
    frame = pd.DataFrame(lines)
    titles, models = selection.titles("dataset"), selection.titles("model")
    several = frame["protocol"].nunique() > 1
    heads = ["dataset", "model", *(["protocol"] if several else []), "images"]
    heads += ["things", "stuff", "PQ", "SQ", "RQ"]
    heads += [f"{name} {of}" for of in ("things", "stuff") for name in ("PQ", "SQ", "RQ")]
    rows = []
    for line in lines:
        names = [titles[line["dataset"]], models[line["model"]]]
        names += [line["protocol"]] if several else []
        shown = [pooled_cell(line, name) for name in NUMBERS]
        kinds = (f"{line['things']:,}", f"{line['stuff']:,}")
        rows.append((*names, sizes_said(line), *kinds, *shown))
    lows = [f"{name}_low" for name in NUMBERS]
    note = (
        "Segments are counted up over all pictures by category, and the mean is over the "
        "categories that are there, of things and of stuff alone behind it. RQ: F1 of pairs of one "
        "category whose IoU lies above 0.5; SQ: the mean IoU of the pairs; PQ: their product, by "
        f"category. In points (×100), {interval_said(frame, *lows)}.{few_said(frame, *lows)}"
    )
    yield Section("panoptic", "Panoptic", note, tuple(heads), tuple(rows), frame, 2 + several)


def _line(run: str, rows: pd.DataFrame, segments: Segments) -> dict[str, Any]:
    kinds = [int((segments.kinds == kind).sum()) for kind in _KINDS.values()]
    there = dict(zip(("things", "stuff"), kinds, strict=True))
    return pooled_line(run, rows, "panoptic", "pq", segments.numbers(), there)
