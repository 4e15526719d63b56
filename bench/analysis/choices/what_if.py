"""A run's number under other choices of a protocol, as far as its rows can tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.types import BenchError
from bench.types.rle import read_counts

Values: TypeAlias = npt.NDArray[np.float64]

COLUMNS = ("category", "area", "iou", "ious", "boundary_iou", "mask_rle")
"""The columns of a run's rows that tell of the choices."""

_AREAS = (100, 24**2, 32**2)
"""Smallest areas in pixels: a round number, the paper's human study, COCO's small objects."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One combination; the first that is given is the default."""

    candidate: str
    metric: str
    average: str
    min_area: str


def numbers(rows: pd.DataFrame, over_images: bool = False) -> Iterator[tuple[Choice, float]]:
    """Every combination with its mean in [0, 1], the default first.

    ``rows`` has one row per mask with `COLUMNS`, ``image_id`` and the ``predicted_area`` of
    ``predicted_areas``. By default the mean is over masks, or ``over_images`` if the protocol says
    so. A smallest area that leaves out no mask, or all, is no choice.
    """
    areas = rows["area"].to_numpy(dtype=np.float64)
    weights = {
        (average, label): _weights(rows, average, areas >= least)
        for average in _averages(rows, over_images)
        for label, least in _least_areas(areas)
    }
    for candidate, ious in _candidates(rows):
        for metric, values in _metrics(rows, candidate, ious):
            for (average, area), weight in weights.items():
                if average == "pooled" and (candidate, metric) != ("predicted_iou", "iou"):
                    continue  # the union is known of the selected mask alone
                yield Choice(candidate, metric, average, area), float(values @ weight)


def predicted_areas(rows: pd.DataFrame) -> Values | None:
    """The number of pixels of each row's stored mask; none where masks are not stored.

    Raises ``BenchError`` for a damaged mask.
    """
    if rows["mask_rle"].isna().any():
        return None
    try:
        return np.array([read_counts(rle)[1::2].sum() for rle in rows["mask_rle"]], dtype=float)
    except ValueError as error:
        raise BenchError(f"a stored mask can't be read: {error}") from error


def unions(rows: pd.DataFrame) -> Values | None:
    """The pixels in the selected mask or the target, of each row; none where they can't be known.

    They follow from the IoU and both areas. Where ignored pixels were cut off the target, its
    area is not the stored one, and the intersection comes out as no whole number.
    """
    if "predicted_area" not in rows:
        return None
    both = (rows["area"] + rows["predicted_area"]).to_numpy(dtype=np.float64)
    iou = rows["iou"].to_numpy()
    shared = both * iou / (1 + iou)
    whole = bool((np.abs(shared - shared.round()) < 1e-3).all())
    return both - shared.round() if whole else None


def _candidates(rows: pd.DataFrame) -> Iterator[tuple[str, Values]]:
    """The IoUs of the selected candidate, of the best, of the worst, and by their place."""
    yield "predicted_iou", rows["iou"].to_numpy(dtype=np.float64)
    counts = rows["ious"].map(len)
    if counts.max() < 2:
        return
    yield "oracle", np.array([max(ious, default=0.0) for ious in rows["ious"]])
    yield "worst", np.array([min(ious, default=0.0) for ious in rows["ious"]])
    if counts.nunique() == 1:
        table = np.stack(rows["ious"].tolist())
        for place in range(table.shape[1]):
            yield f"number {place + 1}", table[:, place]


def _metrics(rows: pd.DataFrame, candidate: str, ious: Values) -> Iterator[tuple[str, Values]]:
    """The IoU; Dice, which follows from it; and the boundary IoU of the selected mask."""
    yield "iou", ious
    yield "dice", 2 * ious / (1 + ious)
    if candidate == "predicted_iou" and rows["boundary_iou"].notna().all():
        yield "boundary_iou", rows["boundary_iou"].to_numpy(dtype=np.float64)


def _averages(rows: pd.DataFrame, over_images: bool) -> Iterator[str]:
    """Over masks; over each image's or category's mean; weighted by area; pixels in one pool.

    >>> rows = pd.DataFrame({"image_id": ["a", "b", "b"], "category": ["x", "x", "y"]})
    >>> list(_averages(rows, False)), list(_averages(rows[1:].assign(category=["x", None]), True))
    (['masks', 'images', 'categories', 'area'], ['masks', 'area'])
    >>> list(_averages(rows.assign(category=["x", "y", None]), True))
    ['images', 'masks', 'area']
    """
    if rows["image_id"].nunique() > 1:
        yield from ("images", "masks") if over_images else ("masks", "images")
    else:
        yield "masks"
    if rows["category"].notna().all() and rows["category"].nunique() > 1:
        yield "categories"
    yield "area"
    if unions(rows) is not None:
        yield "pooled"


def _least_areas(areas: Values) -> Iterator[tuple[str, int]]:
    yield "0", 0
    left = areas.size
    for least in _AREAS:
        count = int((areas >= least).sum())
        if 0 < count < left:
            yield str(least), least
            left = count


def _weights(rows: pd.DataFrame, average: str, kept: npt.NDArray[np.bool_]) -> Values:
    """The weight of each mask in a mean; they sum to 1."""
    weight: Values = kept.astype(np.float64)
    if average in ("images", "categories"):
        group = rows["image_id" if average == "images" else "category"]
        codes, _ = pd.factorize(group)
        weight[kept] /= np.bincount(codes, weights=weight)[codes[kept]]
    elif average == "area":
        weight = weight * rows["area"].to_numpy(dtype=np.float64)
    elif average == "pooled":
        union = unions(rows)
        assert union is not None
        weight = weight * union
    total = float(weight.sum())
    return weight / total
