"""The mIoU table: a line per dataset, model and prompt label, and the mean over datasets."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from bench.analysis.selection import BOUNDARY, Selection
from bench.analysis.stats import (
    Float64Array,
    Interval,
    clustered_draws,
    draws_interval,
    mean_interval,
)
from bench.analysis.words import definitions
from bench.types import ORACLE, BenchError, Measure

SERIES = ["model", "protocol"]
"""What a curve, a bar or a line of the table stands for, next to its dataset and label."""


@dataclass(frozen=True, slots=True)
class Table:
    """The lines of a table with its caption.

    ``lines`` has one row per line: ``dataset`` (null for a mean over datasets), ``model,
    protocol, prompt`` (the label), ``n_points, datasets`` (how many are averaged)``, masks,
    images``, the mean of what ``leads`` with its bounds (``miou, miou_low, miou_high``), the means
    of the ``further`` measures (``miou_oracle, boundary_iou``) with the number of masks that each
    metric applies to (``boundary_iou_masks``), and ``run``. IoUs are in [0, 1]; null where they
    don't apply: no interval for a single image, no oracle where the model gave one mask, no mean of
    a metric that was not computed of every mask, or applies to none. ``datasets`` and ``models``
    map a name to the title that is shown; ``items`` is what ``masks`` counts, where rows are no
    masks.
    """

    lines: pd.DataFrame
    caption: str
    leads: Measure
    further: tuple[Measure, ...]
    datasets: Mapping[str, str]
    models: Mapping[str, str]
    items: str = "masks"

    @property
    def means(self) -> pd.DataFrame:
        """The lines that average over datasets."""
        means: pd.DataFrame = self.lines[self.lines["dataset"].isna()]
        return means

    def series(self, model: str, protocol: str) -> str:
        """How a curve is called: the model's title, and the protocol where there are several."""
        title = self.models[model]
        return title if self.lines["protocol"].nunique() == 1 else f"{title}, {protocol}"


def miou_table(
    selection: Selection, *, allow_partial: bool = False, samples: int = 10_000, seed: int = 0
) -> Table:
    """The table of a selection; every number is a group-by over its rows.

    mIoU is the mean over masks, its 95 % interval a bootstrap over images; a mean over datasets
    weighs each dataset the same. Raises ``BenchError`` where the series cover different sets of
    datasets, which would make their means incomparable, unless ``allow_partial``.
    """
    rows = selection.rows
    lines: list[dict[str, Any]] = []
    means: list[dict[str, Any]] = []
    notes = _missing_datasets(rows, allow_partial)
    order = {label: i for i, label in enumerate(selection.labels)}
    for (label, model, protocol), group in _groups(rows):
        scored = [
            _scored(str(dataset), part, selection, samples, seed)
            for dataset, part in group.groupby("dataset")
        ]
        identity = {
            "model": model,
            "protocol": protocol,
            "prompt": label,
            "n_points": int(group["n_points"].max()),
        }
        lines += [identity | line for line, _, _ in scored]
        if len(scored) > 1:
            means.append(identity | _mean(scored, selection))
    further = ((ORACLE,) if selection.of_masks else ()) + selection.further
    mean = selection.leads.mean
    counts = [measure.count for measure in selection.further]
    columns = [*_NAMES, mean, f"{mean}_low", f"{mean}_high", *(m.mean for m in further), *counts]
    frame = pd.DataFrame(lines + means, columns=[*columns, "run"])
    frame = frame.astype(dict.fromkeys(counts, "Int64"))
    frame["order"] = frame["prompt"].map(order)
    keys = ["dataset", "order", "model", "protocol"]
    frame = frame.sort_values(keys, na_position="last", ignore_index=True).drop(columns="order")
    said = _caption(frame, selection, further, samples)
    titles = selection.titles("dataset"), selection.titles("model")
    partly = [m.title for m in selection.further if (frame[m.count] < frame["masks"]).any()]
    if partly:
        notes.append(
            f"{', '.join(partly)}: the mean over what it applies to, and in brackets how many that "
            "are, where it is not all."
        )
    caption = " ".join([said, *selection.notes, *notes])
    items = "masks" if selection.of_masks else "items"
    return Table(frame, caption, selection.leads, further, *titles, items)


_NAMES = ("dataset", "model", "protocol", "prompt", "n_points", "datasets", "masks", "images")

Scored = tuple[dict[str, Any], Interval, Float64Array]


def _scored(
    dataset: str, rows: pd.DataFrame, selection: Selection, samples: int, seed: int
) -> Scored:
    """One line of the table, with the interval and the draws behind it."""
    values = rows[selection.leads.name]
    draws = clustered_draws(
        values, rows["image_id"], samples=samples, seed=dataset_seed(seed, dataset)
    )
    interval = draws_interval(values, rows["image_id"], draws)
    run = str(rows["run"].iloc[0])
    means: dict[str, Any] = {}
    for measure in selection.further:
        known = measure.name in selection.measured[run]
        applies = rows[measure.name].dropna()
        means[measure.mean] = float(applies.mean()) if known and len(applies) else None
        means[measure.count] = len(applies) if known else None
    line = _numbers(interval, selection.leads) | means
    if selection.of_masks:
        line[ORACLE.mean] = oracle(rows)
    line |= {"dataset": dataset, "datasets": 1, "run": run}
    return line, interval, draws


def oracle(rows: pd.DataFrame) -> float | None:
    """The mean IoU of each mask's best candidate; none unless several were given for every mask.

    Rows carried over from an earlier step don't decide it: nothing was predicted for them.
    """
    predicted = rows[~rows["carried"]]
    return float(rows["iou_oracle"].mean()) if predicted["multimask"].all() else None


def overall(lines: pd.DataFrame) -> pd.Series[Any]:
    """Of the lines of one series and label the mean over datasets; of one dataset its own line."""
    means = lines[lines["dataset"].isna()]
    (index,) = (lines if means.empty else means).index
    line: pd.Series[Any] = lines.loc[index]
    return line


def dataset_seed(seed: int, dataset: str) -> int:
    """A seed of the dataset's own, so that datasets are resampled independently."""
    return zlib.crc32(f"{seed} {dataset}".encode())


def _mean(scored: list[Scored], selection: Selection) -> dict[str, Any]:
    interval = mean_interval([i for _, i, _ in scored], [draws for _, _, draws in scored])
    numbers = _numbers(interval, selection.leads)
    counts = {measure.count for measure in selection.further}
    averages = {}
    for column in scored[0][0].keys() - numbers.keys() - {"dataset", "datasets", "run"}:
        values = [line[column] for line, _, _ in scored]
        known = all(value is not None for value in values)
        parts = 1 if column in counts else len(values)
        averages[column] = sum(values) / parts if known else None
    return numbers | averages | {"dataset": None, "datasets": len(scored), "run": None}


def _numbers(interval: Interval, leads: Measure) -> dict[str, Any]:
    return {
        "masks": interval.n,
        "images": interval.clusters,
        leads.mean: interval.mean,
        f"{leads.mean}_low": interval.low,
        f"{leads.mean}_high": interval.high,
    }


def _groups(rows: pd.DataFrame) -> Iterator[tuple[tuple[str, str, str], pd.DataFrame]]:
    """The rows of each (label, model, protocol)."""
    for key, group in rows.groupby(["label", *SERIES]):
        label, model, protocol = (str(name) for name in cast("tuple[Any, ...]", key))
        yield (label, model, protocol), group


def _missing_datasets(rows: pd.DataFrame, allowed: bool) -> list[str]:
    """Which series lack a dataset that others have; refused unless allowed."""
    everything = set(rows["dataset"])
    notes = []
    for (label, model, protocol), group in _groups(rows):
        if missing := sorted(everything - set(group["dataset"])):
            notes.append(f"{model} with {label} (protocol {protocol}) lacks {', '.join(missing)}")
    if notes and not allowed:
        raise BenchError(
            f"means over different sets of datasets can't be compared: {'; '.join(notes)}; run "
            "what is missing, or allow a partial report"
        )
    return [f"Means are over different sets of datasets: {'; '.join(notes)}."] if notes else []


def _caption(
    lines: pd.DataFrame, selection: Selection, further: Sequence[Measure], samples: int
) -> str:
    leads = selection.leads
    protocols = sorted(lines["protocol"].unique())
    interval = f"a 95 % interval from {samples:,} bootstrap samples over images"
    if leads.is_iou:
        sentences = [f"mIoU: mean IoU over masks, in points (×100), with {interval}."]
    else:
        what = f" {leads.definition}" if leads.definition else ""
        sentences = [f"{leads.title}:{what} Means with {interval}."]
    if lines["dataset"].isna().any():
        sentences.append("The mean over datasets weighs each dataset the same.")
    if selection.of_masks:
        sentences.append(
            "Oracle: the best of several candidate masks instead of the most confident one."
        )
    shown = [m for m in further if m.name not in (ORACLE.name, BOUNDARY.name)]
    sentences += definitions(shown)
    sentences.append(f"Protocol{'s' * (len(protocols) > 1)} {', '.join(protocols)}.")
    return " ".join(sentences)
