"""Adds a metric to a finished run from its stored masks and the truth read again: no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from bench.analysis.selection import KEY, measures_of, none_scored, select
from bench.analysis.stats import averages
from bench.scoring.metrics import Metric, chosen, metric
from bench.scoring.metrics.iou import iou
from bench.store.added_metrics import write_added
from bench.store.runs import RunStore, read_runs
from bench.store.schema import taken_columns
from bench.types import IOU, ORACLE, BenchError, Mask, MaskRow, Sample
from bench.types.categories import target_of

ReadSample = Callable[[RunStore, str], Sample]


def rescore(
    store: RunStore,
    metrics: Sequence[str],
    read_sample: ReadSample,
    *,
    allow_modules: Sequence[str] = (),
    image_done: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """The run's rows with the metrics, which are kept in its folder ``metrics/``.

    ``metrics`` are names as ``chosen_metrics`` takes them; ``read_sample`` gives the image and the
    targets of (run, image id). The frame has ``image_id, mask_id, step`` and a column for each
    metric, null where it doesn't apply. The IoU is computed along, to the last bit: where it isn't
    the stored one the data isn't what the run saw. Then ``BenchError`` is raised and nothing is
    written, as it is for a metric that can't be computed, a run without stored masks, or without
    any row.
    """
    wanted = chosen_metrics([store], metrics, allow_modules)
    if "mask_rle" not in store.columns():
        raise BenchError(none_scored(store, store.header()))
    rows = read_runs([store], ["height", "width", "iou", "mask_rle"])
    if rows.empty:
        raise BenchError(none_scored(store, store.header()))
    if without := int(rows["mask_rle"].isna().sum()):
        raise BenchError(
            f"{store.folder}: {without} of {len(rows)} rows hold no mask "
            "(runtime.keep_masks=false); run it again with masks, into another results folder"
        )
    found = {each.name: np.empty(len(rows)) for each in wanted}
    for image_id, group in rows.groupby("image_id", sort=False):
        sample = read_sample(store, str(image_id))
        for index, values in _image(store, sample, group, wanted):
            for name, value in values.items():
                found[name][index] = np.nan if value is None else value
        image_done()
    frame: pd.DataFrame = rows[KEY].assign(**found)
    for each in wanted:
        write_added(store.folder, each.measure, frame, store.key)
    return frame


def chosen_metrics(
    stores: Sequence[RunStore], metrics: Sequence[str], allow_modules: Sequence[str] = ()
) -> tuple[Metric, ...]:
    """The metrics of some names that may be added to the runs, each once.

    Raises ``BenchError`` as ``bench.scoring.metrics.chosen`` does, for what the runs measure
    already too, and where nothing but the IoU is asked for.
    """
    there = {m.name: m for s in stores for m in measures_of(s, s.header()).further}
    for name in metrics:
        there.pop(metric(name, allow_modules).name, None)
    always = (IOU, ORACLE)
    wanted = chosen(
        metrics,
        allow_modules,
        taken=taken_columns(MaskRow, always),
        beside=(*always, *there.values()),
    )
    if not wanted:
        raise BenchError("iou is in the rows of every run with masks already")
    return wanted


def metric_means(
    stores: Sequence[RunStore],
    metrics: Sequence[str],
    *,
    allow_partial: bool = False,
) -> pd.DataFrame:
    """The means of metrics that are in each run's rows, at its reported steps.

    A row per run, reported step and metric: ``run, dataset, model, protocol, prompt`` (the label),
    ``metric, masks, images, clusters, mean, low, high, few``, in the metric's plain unit, over the
    masks that it applies to, or over their images where the protocol says so; the 95 % interval is
    null for fewer than three images and where they agree exactly, ``few`` marks it below thirty.
    Raises ``BenchError`` as a report does.
    """
    lines: list[dict[str, Any]] = []
    for store in stores:
        selection = select([store], allow_partial=allow_partial)
        rows = selection.rows
        measures = {measure.name: measure for measure in (selection.leads, *selection.further)}
        for label in selection.labels:
            group = rows[rows["label"] == label]
            first = group.iloc[0]
            names = {each: str(first[each]) for each in ("run", "dataset", "model", "protocol")}
            for name in metrics:
                said = names | {"prompt": label, "metric": name}
                applies = group[group[name].notna()]
                if applies.empty:
                    nothing = {"mean": None, "low": None, "high": None, "few": True}
                    lines.append(said | {"masks": 0, "images": 0, "clusters": 0} | nothing)
                    continue
                both = averages(
                    applies[name],
                    applies["image_id"],
                    applies["cluster"],
                    reach=measures[name].reach,
                )
                found = both.of(selection.over_images(applies))
                numbers = {"masks": both.masks.n, "images": both.images.n, "mean": found.mean}
                numbers["clusters"] = both.masks.clusters
                bounds = {"low": found.low, "high": found.high, "few": found.few}
                lines.append(said | numbers | bounds)
    means: pd.DataFrame = pd.DataFrame(lines)
    return means


def _image(
    store: RunStore, sample: Sample, rows: pd.DataFrame, wanted: Sequence[Metric]
) -> list[tuple[int, dict[str, float | None]]]:
    """The metrics of one image's rows by their place; steps that keep a mask are scored once."""
    named = {mask_id: target_of(sample, mask_id) for mask_id in rows["mask_id"].unique()}
    targets = {name: target.mask for name, target in named.items() if target is not None}
    if sample.ignore is not None:
        targets = {name: mask.without(sample.ignore) for name, mask in targets.items()}
    ready: dict[str, dict[str, Callable[[Mask], float | None]]] = {}
    scored: list[tuple[int, dict[str, float | None]]] = []
    earlier: dict[tuple[str, str], dict[str, float | None]] = {}
    for index, row in zip(rows.index, rows.to_dict("records"), strict=True):
        where = f"{store.folder}: mask {row['mask_id']} of image {sample.image_id}"
        again = "bring back the data that the run saw"
        if row["mask_id"] not in targets:
            raise BenchError(f"{where} is no longer in the dataset; {again}")
        question = row["mask_id"], row["mask_rle"]
        if question not in earlier:
            target = targets[row["mask_id"]]
            shape = [int(row["height"]), int(row["width"])]
            try:
                mask = Mask.from_rle({"size": shape, "counts": row["mask_rle"]})
                now = iou(mask, target)
            except ValueError as error:
                raise BenchError(f"{where}, step {row['step']}: {error}; {again}") from error
            if now != row["iou"]:
                raise BenchError(
                    f"{where} has IoU {row['iou']:.6f} in the run and {now:.6f} against the data "
                    f"as read now; {again}"
                )
            if row["mask_id"] not in ready:
                ready[row["mask_id"]] = {each.name: each.against(target) for each in wanted}
            earlier[question] = {name: of(mask) for name, of in ready[row["mask_id"]].items()}
        scored.append((cast("int", index), earlier[question]))
    return scored
