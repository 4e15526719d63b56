"""The numbers of noun phrases, of all pictures' counts together: cgF1, positive micro-F1, MCC.

They are no means over phrases: detections and instances are counted up over all pictures, and so is
whether phrases are there and answered (SAM 3, 2025). A picture's phrases go together, so intervals
are over pictures, or what these belong to.
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
from bench.analysis.sections.pooled import (
    as_numbers,
    pooled_cell,
    pooled_intervals,
    pooled_line,
    sizes_said,
)
from bench.analysis.selection import Selection
from bench.analysis.stats.intervals import Interval
from bench.analysis.wording.words import few_said, interval_said
from bench.scoring.instances.concepts import f1, presence
from bench.types.rows.concepts import PHRASE_F1

Array = npt.NDArray[np.float64]

NUMBERS = ("cgf1", "cgf1_50", "cgf1_75", "pmf1", "pmf1_50", "pmf1_75", "il_mcc")
"""What a line has with an interval, called as in ``bench.analysis.reference``."""

_MARKS = {"_50": 0, "_75": 5}
"""The places of the IoUs 0.5 and 0.75 among the ten."""

_REACHES = {name: (0.0, 1.0) if name.startswith("pmf1") else (-1.0, 1.0) for name in NUMBERS}


@dataclass(frozen=True, slots=True)
class Tallies:
    """A run's N clusters of pictures, each with the sums of its phrases.

    ``matched``, ``wrong`` and ``missed`` (N, 10) are detections and targets at each IoU, ``wrong``
    of phrases that are there alone; ``answered`` (N, 4) counts phrases that are found, lost,
    falsely found and rightly absent. ``pictures`` (N,) have a phrase that is asked.
    """

    matched: Array
    wrong: Array
    missed: Array
    answered: Array
    pictures: Array

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Tallies:
        """The sums of rows with ``cluster, image_id``, and the columns that ``read`` names."""
        owners, names = pd.factorize(clusters(rows), sort=True)
        present, found = (rows[name].to_numpy() > 0 for name in ("present", "detections"))
        matched, wrong = (np.array(rows[name].tolist()) for name in ("matched", "wrong"))
        kinds = [present & found, present & ~found, ~present & found, ~present & ~found]

        def summed(each: npt.NDArray[Any]) -> Array:
            sums = np.zeros((len(names), each.shape[1]))
            np.add.at(sums, owners, each)
            return sums

        pictures = pd.Series(rows["image_id"].to_numpy()).groupby(owners).nunique()
        return cls(
            summed(matched),
            summed(wrong * present[:, None]),
            summed(rows["targets"].to_numpy()[:, None] - matched),
            summed(np.stack(kinds, axis=1)),
            pictures.to_numpy(np.float64),
        )

    def numbers(self) -> dict[str, Interval | None]:
        """Each of ``NUMBERS`` with its interval over clusters, see ``pooled_intervals``."""
        sums = (self.matched, self.wrong, self.missed, self.answered)
        totals = [each.sum(axis=0) for each in sums]
        (whole,) = as_numbers(numbers_of(*(each[None] for each in totals)))
        left = (total - own for total, own in zip(totals, sums, strict=True))
        return pooled_intervals(whole, as_numbers(numbers_of(*left)), self.pictures, _REACHES)


def numbers_of(matched: Array, wrong: Array, missed: Array, answered: Array) -> dict[str, Array]:
    """Each of ``NUMBERS`` of N sums, (N,): (N, 10) at each IoU, and (N, 4) of phrases.

    F1 is 0 where nothing is there; MCC, and cgF1 with it, NaN where it is not defined.
    """
    scores = f1(matched, wrong, missed)
    mcc = presence(*answered.T)
    positive = {"pmf1": scores.mean(axis=1)}
    positive |= {f"pmf1{mark}": scores[:, place] for mark, place in _MARKS.items()}
    both = {name.replace("pmf1", "cgf1"): value * mcc for name, value in positive.items()}
    return both | positive | {"il_mcc": mcc}


def concepts_of_runs(selection: Selection) -> Iterator[tuple[str, pd.DataFrame, Tallies]]:
    """Each run of phrases in the selection, with its rows; nothing of other tasks."""
    if selection.leads.name != PHRASE_F1.name:
        return
    for run in sorted(selection.headers):
        columns = [
            "dataset", "model", "protocol", "cluster", "present", "targets", "detections",
            "matched", "wrong",
        ]  # fmt: skip
        rows = selection.every.of(run, columns)
        yield run, rows, Tallies.of(rows)


def concepts_section(selection: Selection) -> Iterator[Section]:
    """The table of the runs of phrases; nothing where there is none.

    Its lines: ``run, dataset, model, protocol, prompt`` ("text"), ``images, clusters, phrases,
    positive`` (phrases that are there), ``found`` and ``false`` (positive and other phrases of
    which anything is found), then each of ``NUMBERS`` with ``_low`` and ``_high``; MCC and cgF1 in
    [-1, 1], F1 in [0, 1].
    """
    lines = [_line(*each) for each in concepts_of_runs(selection)]
    if not lines:
        return
    frame = pd.DataFrame(lines)
    titles, models = selection.titles("dataset"), selection.titles("model")
    several = frame["protocol"].nunique() > 1
    heads = ["dataset", "model", *(["protocol"] if several else []), "images", "phrases"]
    heads += ["there, found", "not there, found", "cgF1", "@0.5", "@0.75"]
    heads += ["pmF1", "@0.5", "@0.75", "IL_MCC"]
    rows = []
    for line in lines:
        names = [titles[line["dataset"]], models[line["model"]]]
        names += [line["protocol"]] if several else []
        negative = line["phrases"] - line["positive"]
        answers = (
            f"{line['found']:,} of {line['positive']:,}",
            f"{line['false']:,} of {negative:,}",
        )
        shown = [pooled_cell(line, name, plain=name == "il_mcc") for name in NUMBERS]
        rows.append((*names, sizes_said(line), f"{line['phrases']:,}", *answers, *shown))
    lows = [f"{name}_low" for name in NUMBERS]
    note = (
        "Detections and instances are counted up over all pictures. pmF1, positive micro-F1: of "
        "phrases of which something is there, the mean over IoU thresholds from 0.5 to 0.95; "
        "IL_MCC: Matthews' correlation of whether something is there and whether anything is "
        "found, in [-1, 1]; cgF1, classification-gated F1: their product. F1 in points (×100), "
        f"{interval_said(frame, *lows)}. Without a phrase of nothing, or of something, there is no "
        f"IL_MCC and no cgF1.{few_said(frame, *lows)}"
    )
    yield Section("concepts", "Concepts", note, tuple(heads), tuple(rows), frame, 2 + several)


def _line(run: str, rows: pd.DataFrame, tallies: Tallies) -> dict[str, Any]:
    found, lost, false, absent = tallies.answered.sum(axis=0).astype(int).tolist()
    sizes = {"phrases": found + lost + false + absent, "positive": found + lost}
    answers = {"found": found, "false": false}
    return pooled_line(run, rows, "text", "pmf1", tallies.numbers(), sizes | answers)
