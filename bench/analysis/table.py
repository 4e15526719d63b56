"""The mIoU table: a line per dataset, model and prompt label, and the mean over datasets."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from bench.analysis.selection import Selection
from bench.analysis.stats import (
    Float64Array,
    Interval,
    clustered_draws,
    draws_interval,
    mean_interval,
)
from bench.types import BenchError

SERIES = ["model", "protocol"]
"""What a curve, a bar or a line of the table stands for, next to its dataset and label."""


@dataclass(frozen=True, slots=True)
class Table:
    """The lines of a table with its caption.

    ``lines`` has one row per line: ``dataset`` (null for a mean over datasets), ``model,
    protocol, prompt`` (the label), ``n_points, datasets`` (how many are averaged)``, masks,
    images, miou, miou_low, miou_high, miou_oracle, boundary_iou, run``. IoUs are in [0, 1]; null
    where they don't apply: no interval for a single image, no oracle where the model gave one
    mask. ``datasets`` and ``models`` map a name to the title that is shown.
    """

    lines: pd.DataFrame
    caption: str
    datasets: Mapping[str, str]
    models: Mapping[str, str]

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
            _scored(str(dataset), part, samples, seed) for dataset, part in group.groupby("dataset")
        ]
        identity = {
            "model": model,
            "protocol": protocol,
            "prompt": label,
            "n_points": int(group["n_points"].max()),
        }
        lines += [identity | line for line, _, _ in scored]
        if len(scored) > 1:
            means.append(identity | _mean(scored))
    frame = pd.DataFrame(lines + means, columns=[*_COLUMNS])
    frame["order"] = frame["prompt"].map(order)
    keys = ["dataset", "order", "model", "protocol"]
    frame = frame.sort_values(keys, na_position="last", ignore_index=True).drop(columns="order")
    caption = " ".join([_caption(frame, samples), *selection.notes, *notes])
    return Table(frame, caption, selection.titles("dataset"), selection.titles("model"))


_COLUMNS = (
    "dataset", "model", "protocol", "prompt", "n_points", "datasets", "masks", "images",
    "miou", "miou_low", "miou_high", "miou_oracle", "boundary_iou", "run",
)  # fmt: skip

Scored = tuple[dict[str, Any], Interval, Float64Array]


def _scored(dataset: str, rows: pd.DataFrame, samples: int, seed: int) -> Scored:
    """One line of the table, with the interval and the draws behind it."""
    draws = clustered_draws(
        rows["iou"], rows["image_id"], samples=samples, seed=dataset_seed(seed, dataset)
    )
    interval = draws_interval(rows["iou"], rows["image_id"], draws)
    boundary = rows["boundary_iou"]
    line = _numbers(interval) | {
        "dataset": dataset,
        "datasets": 1,
        "miou_oracle": oracle(rows),
        "boundary_iou": float(boundary.mean()) if boundary.notna().all() else None,
        "run": str(rows["run"].iloc[0]),
    }
    return line, interval, draws


def oracle(rows: pd.DataFrame) -> float | None:
    """The mean IoU of each mask's best candidate; none unless several were given for every mask.

    Rows carried over from an earlier step don't decide it: nothing was predicted for them.
    """
    predicted = rows[~rows["carried"]]
    return float(rows["iou_oracle"].mean()) if predicted["multimask"].all() else None


def dataset_seed(seed: int, dataset: str) -> int:
    """A seed of the dataset's own, so that datasets are resampled independently."""
    return zlib.crc32(f"{seed} {dataset}".encode())


def _mean(scored: list[Scored]) -> dict[str, Any]:
    interval = mean_interval([i for _, i, _ in scored], [draws for _, _, draws in scored])
    averages = {}
    for column in ("miou_oracle", "boundary_iou"):
        values = [line[column] for line, _, _ in scored]
        known = all(value is not None for value in values)
        averages[column] = sum(values) / len(values) if known else None
    return _numbers(interval) | averages | {"dataset": None, "datasets": len(scored), "run": None}


def _numbers(interval: Interval) -> dict[str, Any]:
    return {
        "masks": interval.n,
        "images": interval.clusters,
        "miou": interval.mean,
        "miou_low": interval.low,
        "miou_high": interval.high,
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


def _caption(lines: pd.DataFrame, samples: int) -> str:
    protocols = sorted(lines["protocol"].unique())
    named = f"Protocol{'s' * (len(protocols) > 1)} {', '.join(protocols)}."
    sentences = [
        "mIoU: mean IoU over masks, in points (×100), with a 95 % interval from "
        f"{samples:,} bootstrap samples over images.",
        "Oracle: the best of several candidate masks instead of the most confident one.",
        named,
    ]
    if lines["dataset"].isna().any():
        sentences.insert(1, "The mean over datasets weighs each dataset the same.")
    return " ".join(sentences)
