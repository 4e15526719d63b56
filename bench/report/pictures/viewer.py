"""What the page's viewer knows: every mask's IoU, and which masks have a picture.

The script of the page (``templates/viewer.js``) reads it as JSON and draws histogram, lists and
masks from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.selection import Selection
from bench.analysis.table import Table
from bench.report.pictures.outlines import UNIT, draw_steps
from bench.store.runs import RunStore
from bench.types import Sample

BINS = 20
"""Bars of a histogram, each of 5 points."""
MOST_VALUES = 250_000
"""How many IoUs a page holds, at about 7 bytes each; of more masks it holds an even share."""
MOST_PICTURES = 300
MOST_OUTLINES = 5_000
"""How many masks have pictures, and how many outlines these have in all, at about 1 kB each."""

_KEY = ["image_id", "mask_id"]


def viewer(
    selection: Selection,
    table: Table,
    read_sample: Callable[[RunStore, str], Sample] | None,
    *,
    pictures: int = MOST_PICTURES,
) -> dict[str, Any]:
    """Plain values for JSON, the same for the same runs.

    * ``bins, unit``: the bars of a histogram, and what an IoU of 1 is written as;
    * ``every``: 1, or n where only every n-th mask of each dataset is held;
    * ``datasets``: per dataset its ``title``; ``images``, the ids; per mask ``image`` (an index
      into these) and ``mask`` (the id); ``views``, one per series and prompt label: ``series,
      label, prompt`` (the strategy), ``run`` (its folder's name), ``step``, and
      per mask ``iou`` and ``predicted``, null where it has none;
    * ``pictures``: ``"<dataset>:<mask>"`` (indices) → what ``draw_steps`` gives;
    * ``notes``: sentences on pictures that are missing.

    Without ``read_sample`` there are no pictures.
    """
    datasets: list[dict[str, Any]] = []
    drawn: dict[str, Any] = {}
    notes: dict[str, None] = {}
    every = max(1, -(-len(selection.rows) // MOST_VALUES))
    names = sorted(selection.rows["dataset"].unique())
    for number, name in enumerate(names):
        rows = selection.rows[selection.rows["dataset"] == name]
        masks = rows[_KEY].drop_duplicates().sort_values(_KEY, ignore_index=True).iloc[::every]
        masks = masks.reset_index(drop=True)
        views = [*_views(rows, masks, selection, table)]
        ious = [view.pop("ious") for view in views]
        codes, images = pd.factorize(masks["image_id"])
        datasets.append(
            {
                "title": table.datasets[str(name)],
                "images": [str(image) for image in images],
                "image": codes.tolist(),
                "mask": masks["mask_id"].tolist(),
                "views": views,
            }
        )
        if read_sample is None:
            continue
        runs = list(dict.fromkeys(view["run"] for view in views))
        count = min(pictures // len(names), MOST_OUTLINES // (_steps(rows) * len(names)))
        chosen = _chosen(ious, codes, count)
        found = draw_steps(masks.loc[chosen], selection, runs, read_sample)
        for index, picture in found:
            if isinstance(picture, str):
                notes[picture] = None
            else:
                drawn[f"{number}:{index}"] = picture
    return {
        "bins": BINS,
        "unit": UNIT,
        "every": every,
        "datasets": datasets,
        "pictures": drawn,
        "notes": list(notes),
    }


def _steps(rows: pd.DataFrame) -> int:
    """About how many outlines a mask has: the steps of all its runs."""
    return max(1, int(rows.groupby("run")["step"].max().sum()))


def _views(
    rows: pd.DataFrame, masks: pd.DataFrame, selection: Selection, table: Table
) -> Iterator[dict[str, Any]]:
    """The IoUs of each series and label, aligned with ``masks``, in reading order.

    Each is what the page holds of a view, and its exact ``ious``.
    """
    order = {label: i for i, label in enumerate(selection.labels)}
    keys = ["label", "model", "protocol"]
    groups = sorted(rows.groupby(keys), key=lambda item: (order[str(item[0][0])], item[0][1:]))
    for (label, model, protocol), part in groups:
        aligned = masks.merge(part[[*_KEY, "iou", "predicted_iou"]], on=_KEY, how="left")
        yield {
            "series": table.series(str(model), str(protocol)),
            "label": label,
            "prompt": str(part["prompt"].iloc[0]),
            "run": str(part["run"].iloc[0]),
            "step": int(part["step"].max()),
            "iou": _whole(aligned["iou"]),
            "predicted": _whole(aligned["predicted_iou"]),
            "ious": aligned["iou"].to_numpy(np.float64),
        }


def _whole(values: pd.Series) -> list[int | None] | None:
    """Whole parts of ``UNIT``, null where there is none; null where no mask has one."""
    if values.isna().all():
        return None
    return [None if np.isnan(v) else round(v * UNIT) for v in values.astype(float)]


def _chosen(views: Sequence[np.ndarray], images: np.ndarray, count: int) -> list[int]:
    """Up to ``count`` masks such that every bar of every view has some, of different images.

    views: an array of IoUs per view, aligned, NaN where there is none; images: (N,) whole numbers.
    """
    queues: list[Iterator[int]] = []
    for ious in views:
        bins = np.minimum((ious * BINS).astype(np.float64), BINS - 1)
        for number in range(BINS):
            inside = np.flatnonzero(np.floor(bins) == number)
            again = pd.Series(images[inside]).groupby(images[inside]).cumcount().to_numpy()
            queues.append(iter(inside[np.argsort(again, kind="stable")].tolist()))
    found: dict[int, None] = {}
    while queues and len(found) < count:
        left = []
        for queue in queues:
            fresh = next((index for index in queue if index not in found), None)
            if fresh is not None and len(found) < count:
                found[fresh] = None
                left.append(queue)
        queues = left
    return sorted(found)
