"""COCO's average precision of ranked detections, whole and without some of the images."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bench.types import BoolArray

Whole = npt.NDArray[np.int64]

RECALLS = np.linspace(0.0, 1.0, 101)
"""Where precision is read off the curve."""


def average_precision(hits: BoolArray, wrong: BoolArray, targets: int) -> npt.NDArray[np.float64]:
    """The average precision (T,) at each of T thresholds, in [0, 1], of one category.

    ``hits`` and ``wrong`` are (T, N): whether each of N detections, the best score first, takes a
    target that counts, or nothing; one that is neither counts for nothing. ``targets``, at least
    1, is how many there are to take. At each recall of ``RECALLS`` the largest precision at it or
    beyond counts, 0 where it isn't reached (Lin and others, COCO, as pycocotools and lvis-api).

    >>> hits = np.array([[True, False, True]])
    >>> average_precision(hits, ~hits, 2).round(4).tolist()
    [0.835]
    """
    alone = np.zeros(hits.shape[1], np.int64)
    none = np.empty(0, np.int64)
    return left_out_precisions(hits, wrong, np.array([targets]), alone, none)[:, 0]


def left_out_precisions(
    hits: BoolArray, wrong: BoolArray, targets: Whole, part: Whole, without: Whole
) -> npt.NDArray[np.float64]:
    """The same (T, 1 + P) of all detections, and of all but those of each of P parts.

    ``part`` is (N,), the part of each detection; ``without`` (P,) names the parts that are left out
    in turn, and ``targets`` (1 + P,) says how many there are to take, first of all; NaN where there
    is none.
    """
    found = np.full((len(hits), len(targets)), np.nan)
    there = np.flatnonzero(targets > 0)
    rows = np.concatenate([[-1], without])[there]  # no detection is of the part -1
    if not len(there):
        return found
    places = np.array([_needed(int(count)) for count in targets[there]])
    for number, (right, false) in enumerate(zip(hits, wrong, strict=True)):
        found[number, there] = _of_curves(*_curves(right, false, part, rows), places)
    return found


def _curves(
    hits: BoolArray, wrong: BoolArray, part: Whole, without: Whole
) -> tuple[BoolArray, Whole]:
    """Of the H hits among (N,) detections, (P, H): which stay, and the wrong ones before each.

    Precision is largest at hits, so they are all that a curve needs.
    """
    at, false = np.flatnonzero(hits), np.flatnonzero(wrong)
    before = np.searchsorted(at, false)  # the hit that each wrong detection comes before
    counts = np.bincount(before, minlength=len(at) + 1)[: len(at)].cumsum()
    row_of = {int(name): row for row, name in enumerate(without)}
    rows = np.array([row_of.get(int(name), -1) for name in range(part.max(initial=-1) + 1)], int)
    own, cell = rows[part[false]], before
    inside = own >= 0
    cells = own[inside] * (len(at) + 1) + cell[inside]
    gone = np.bincount(cells, minlength=len(without) * (len(at) + 1))
    gone = gone.reshape(len(without), -1)[:, : len(at)].cumsum(axis=1)
    return part[at] != without[:, None], counts - gone


def _of_curves(stay: BoolArray, wrong: Whole, places: Whole) -> npt.NDArray[np.float64]:
    """The average precision (P,) of curves of H hits (P, H); ``places`` (P, 101) are needed hits.

    Of the hits that stay the first is the first again, and so on: precision stands at their places.
    """
    curves, hits = stay.shape
    if not hits:
        return np.zeros(curves)
    right = stay.cumsum(axis=1)
    precision = np.where(stay, np.divide(right, right + wrong + np.spacing(1)), 0.0)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    order = np.argsort(~stay, axis=1, kind="stable")
    columns = np.take_along_axis(order, np.minimum(np.maximum(places, 1), hits) - 1, axis=1)
    values = np.take_along_axis(precision, columns, axis=1)
    reached = (places <= right[:, -1:]) & (right[:, -1:] > 0)
    found: npt.NDArray[np.float64] = np.where(reached, values, 0.0).mean(axis=1)
    return found


@lru_cache(maxsize=4096)
def _needed(targets: int) -> Whole:
    """How many of the targets are to be taken at each recall (101,).

    In whole numbers, and by the division that COCO's evaluator makes, so that no rounding decides.
    """
    needed: Whole = np.searchsorted(np.arange(targets + 1) / targets, RECALLS).astype(np.int64)
    return needed
