"""Which masks of a page have pictures, and the pictures with every run's steps over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.report.bins import BARS, bar_of
from bench.report.masks.views import View
from bench.report.pictures.gallery import ReadSample
from bench.report.pictures.outlines import Shown, draw_steps

BINS = BARS
"""Bars of the page's histogram."""


def drawn_masks(
    masks: pd.DataFrame, views: Sequence[View], read_sample: ReadSample
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """What ``draw_steps`` gives of masks of a dataset, in all runs of its views."""
    sources = {view.source.address: view.source for view in views}
    shown = [Shown(each.address, each.run, each.selection) for each in sources.values()]
    return draw_steps(masks, shown, read_sample)


def spread(views: Sequence[np.ndarray], images: np.ndarray, count: int) -> list[int]:
    """Up to ``count`` masks such that every bar of every view has some, of different images.

    views: an array of IoUs per view, aligned, NaN where there is none; images: (N,) whole numbers.
    """
    queues: list[Iterator[int]] = []
    for ious in views:
        known = np.flatnonzero(~np.isnan(ious))
        bars = bar_of(ious[known], BINS)
        for number in range(BINS):
            inside = known[bars == number]
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
    return list(found)
