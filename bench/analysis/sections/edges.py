"""The numbers of edge detection, of all images' counts together: ODS, OIS, AP and R50.

They are no means over images: counts of pixels are added up at each threshold, and one curve of
precision against recall is made of the sums, as the BSDS benchmark does (Arbelaez et al., TPAMI
33(5), 2011, section 3.1).
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
from bench.analysis.wording.words import few_said, interval_said, points
from bench.scoring.edges.f_measure import harmonic, shares
from bench.types.rows.edges import BEST_F

Array = npt.NDArray[np.float64]

COUNTS = ("matched", "predicted", "recalled", "truth")
NUMBERS = {"ods": "ODS", "ois": "OIS", "ap_edges": "AP", "r50": "R50"}
"""What a line has with an interval, called as in ``bench.analysis.reference``, and in tables."""

_BETWEEN = 100
"""Places from one threshold to the next at which the best F is looked for, both ends included."""

_RECALLS = np.linspace(0, 1, 101)
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision and recall, each (T,) in [0, 1], at the thresholds ``levels`` (T,), which rise.

    ``empty`` (T,) says where nothing was found; precision is 0 there, as the published evaluator
    has it.
    """

    levels: Array
    precision: Array
    recall: Array
    empty: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, levels: Array, counts: Array) -> Curve:
        """That of counts (4, T), see ``COUNTS``."""
        precision, recall = shares(counts)
        return cls(levels, precision, recall, counts[1] == 0)

    def best(self) -> tuple[float, float, float, float]:
        """The largest F, its threshold, precision and recall.

        Threshold, precision and recall run evenly from one threshold to the next, as in the
        published evaluator.
        """
        share = np.linspace(0, 1, _BETWEEN)
        numbers = [
            each if len(each) == 1 else (each[:-1, None] * (1 - share) + each[1:, None] * share)
            for each in (self.levels, self.precision, self.recall)
        ]
        level, precision, recall = (each.ravel() for each in numbers)
        scores = harmonic(precision, recall)
        chosen = int(scores.argmax())
        return tuple(  # type: ignore[return-value]
            float(each[chosen]) for each in (scores, level, precision, recall)
        )

    def average_precision(self) -> float | None:
        """The mean of the precision over recalls 0, 0.01, … 1, times 101/100; 0 beyond the curve.

        Between the curve's points precision runs evenly; of several of one recall the last counts.
        None where there is no curve, as every threshold finds the same.
        """
        recalls, places = np.unique(self.recall[::-1], return_index=True)
        if len(recalls) < 2:
            return None
        precision = self.precision[::-1][places]
        found = np.interp(_RECALLS, recalls, precision, left=0.0, right=0.0)
        return float(found.sum() * 0.01)

    def recall_at_half(self) -> float | None:
        """The largest recall at which half of what is found is right; none where it never is.

        Between thresholds both run evenly.
        """
        found = self.recall[self.precision >= _HALF].max(initial=-1.0)
        ends = (self.precision[:-1] - _HALF) * (self.precision[1:] - _HALF) < 0
        for place in np.flatnonzero(ends):
            low, high = self.precision[place], self.precision[place + 1]
            share = (_HALF - low) / (high - low)
            crossed = self.recall[place] + share * (self.recall[place + 1] - self.recall[place])
            found = max(found, crossed)
        return float(found) if found >= 0 else None


@dataclass(frozen=True, slots=True)
class Edges:
    """A run's images, at their T thresholds: ``counts`` (N, 4, T) and the ``owners`` (N,) of each.

    ``owners`` is the cluster that an image belongs to, itself where it stands alone.
    """

    levels: Array
    counts: Array
    owners: npt.NDArray[np.intp]

    def curve(self) -> Curve:
        """That of all images together."""
        return Curve.of(self.levels, self.counts.sum(axis=0))

    def chosen(self) -> Array:
        """The counts (N, 4) of each image at the threshold that is best for it alone."""
        scores = harmonic(*shares(self.counts.transpose(1, 0, 2)))
        best = scores.argmax(axis=1)
        taken: Array = self.counts[np.arange(len(best)), :, best]
        return taken

    def numbers(self) -> dict[str, Interval | None]:
        """Each of ``NUMBERS`` with its interval; none where the number is.

        A number that there is not without some cluster has no bounds.
        """
        chosen = self.chosen()
        totals, best = self.counts.sum(axis=0), chosen.sum(axis=0)
        whole = _numbers(self.levels, totals, best)
        sizes = np.bincount(self.owners)
        without = [
            _numbers(
                self.levels,
                totals - self.counts[own].sum(axis=0),
                best - chosen[own].sum(axis=0),
            )
            for own in (self.owners == owner for owner in range(len(sizes)))
        ]
        return pooled_intervals(whole, without, sizes)


def _numbers(levels: Array, totals: Array, best: Array) -> dict[str, float | None]:
    curve = Curve.of(levels, totals)
    at_best = Curve.of(np.zeros(1), best[:, None])
    return {
        "ods": curve.best()[0],
        "ois": float(harmonic(at_best.precision, at_best.recall)[0]),
        "ap_edges": curve.average_precision(),
        "r50": curve.recall_at_half(),
    }


def edges_of_runs(selection: Selection) -> Iterator[tuple[str, pd.DataFrame, Edges]]:
    """Each run of edges in the selection, with its rows; nothing of other tasks."""
    if selection.leads.name != BEST_F.name:
        return
    for run in sorted(selection.headers):
        columns = ["dataset", "model", "protocol", "cluster", "levels", *COUNTS]
        rows = selection.every.of(run, columns)
        counts = np.stack(
            [np.stack([np.asarray(row[name], np.float64) for name in COUNTS])
             for row in rows.to_dict("records")]
        )  # fmt: skip
        owners, _ = pd.factorize(clusters(rows), sort=True)
        levels = np.asarray(rows["levels"].iloc[0], np.float64)
        yield run, rows, Edges(levels, counts, owners)


def edges_section(selection: Selection) -> Iterator[Section]:
    """The table of the runs of edges; nothing where there is none.

    Its lines: ``run, dataset, model, protocol, prompt`` ("edges"), ``images, clusters``, then
    ``ods, ois, ap_edges, r50`` with ``_low`` and ``_high``, in [0, 1], and the ``threshold``,
    ``precision`` and ``recall`` of ODS.
    """
    lines = [_line(*each) for each in edges_of_runs(selection)]
    if not lines:
        return
    frame = pd.DataFrame(lines)
    titles, models = selection.titles("dataset"), selection.titles("model")
    several = frame["protocol"].nunique() > 1
    heads = ["dataset", "model", *(["protocol"] if several else []), "images"]
    known = [name for name in NUMBERS if frame[name].notna().any()]
    heads += [*(NUMBERS[name] for name in known), "at", "precision", "recall"]
    rows = []
    for line in lines:
        names = [titles[line["dataset"]], models[line["model"]]]
        names += [line["protocol"]] if several else []
        shown = [pooled_cell(line, name) for name in known]
        at = [f"{line['threshold']:.2f}", points(line["precision"]), points(line["recall"])]
        rows.append((*names, sizes_said(line), *shown, *at))
    lows = [f"{name}_low" for name in NUMBERS]
    note = (
        "Counts of pixels are added up over all images. ODS: the best F at one threshold for all, "
        "which stands behind it with its precision and recall; OIS: each image at its own best "
        "threshold; AP: the area under the curve of precision against recall; R50: the recall "
        "where half of what is found is right. In points (×100), "
        f"{interval_said(frame, *lows)}. A pixel is right where it is matched one to one within "
        f"the reach (0.0075 of the diagonal unless the run says otherwise).{few_said(frame, *lows)}"
    )
    yield Section("edges", "Edges", note, tuple(heads), tuple(rows), frame, names=2 + several)


def _line(run: str, rows: pd.DataFrame, edges: Edges) -> dict[str, Any]:
    names = ("threshold", "precision", "recall")
    at = dict(zip(names, edges.curve().best()[1:], strict=True))
    return pooled_line(run, rows, "edges", "ods", edges.numbers(), at)
