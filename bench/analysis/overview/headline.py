"""The one number that a list shows of a run: what leads its table, at its last reported step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.analysis.selection import measures_of, over_images
from bench.analysis.wording.titles import labels_of
from bench.store.row_table import same_as_next
from bench.store.runs import RunStore, read_rows
from bench.types import Measure


@dataclass(frozen=True, slots=True)
class Headline:
    """A run's mean of what leads, in the measure's plain unit, and the step that it is at.

    ``mean`` is over masks, or over images where the run's protocol says so, as in the run's table.
    """

    measure: Measure
    step: str
    mean: float

    @property
    def said(self) -> str:
        """As people read it: "61.3 mIoU, 3 points"."""
        return f"{self.measure.shown(self.mean)} {self.measure.title}, {self.step}"


def headline(store: RunStore) -> Headline | None:
    """The run's headline; none before a row is written. Raises ``BenchError`` for damaged parts."""
    if store.is_empty():
        return None
    header = store.header()
    measure = measures_of(store, header).leads
    labels = labels_of({"run": header})["run"]
    rows = read_rows(store, [measure.name])
    steps = rows["step"].to_numpy()
    last = max(labels, default=int(steps.max(initial=1)))
    rows = rows.filter(steps <= last)
    values = rows.filter(~same_as_next(rows, ["image_id", "mask_id"]))
    numbers = values[measure.name].to_numpy(zero_copy_only=False).astype(np.float64)
    there = np.isfinite(numbers)
    if not there.any():
        return None
    frame = values.select(["image_id"]).to_pandas()[there].assign(value=numbers[there])
    means = frame.groupby("image_id")["value"].mean() if over_images(header) else frame["value"]
    return Headline(measure, labels.get(last, str(header["prompt"]["name"])), float(means.mean()))
