"""Why a mask is not better: one reason each, from its rows alone, and what each reason costs.

A mask has the first reason of ``REASONS`` that holds, so what the reasons cost adds up to what is
lacking to a mIoU of 100. They are descriptions of the answer, found without a model or a picture;
the first that holds need not be the only one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.analysis.selection import BOUNDARY, Selection
from bench.types import BenchError, Mask
from bench.types.rle import read_counts

GOOD = 0.9
"""From this IoU on a mask is good enough."""
GAP = 0.1
"""By so much IoU another candidate is better where the choice was wrong."""
LARGER = 1.5
"""The answer has so many times the target's pixels, or the target so many times the answer's."""
OUTSIDE = 0.75
"""Of the wrong pixels, the share that lies outside the target where the answer leaks."""
TINY = 32**2
"""Pixels below which a target is tiny: COCO's small."""
RIM = 0.005
"""IoU and Boundary IoU differ by no more where a mask is thin: it lies in its own rim whole."""
PART = 0.1
"""The share of the answer that a part has which counts."""
GAIN = 0.01
"""By so much IoU the further clicks must have helped."""

COLUMNS = ("area", "height", "width", "iou", "mask_rle")
"""What is read of the rows beside those of a selection."""

Codes: TypeAlias = npt.NDArray[np.int8]
Flags: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason: its ``name`` in files and addresses, its ``title`` on pages, and when it holds."""

    name: str
    title: str
    rule: str


REASONS = (
    Reason("good", "good enough", f"IoU from {100 * GOOD:g} on"),
    Reason("candidate", "wrong candidate", f"another candidate is better by {100 * GAP:g} points"),
    Reason("nothing", "nothing predicted", "the answer has no pixel"),
    Reason(
        "elsewhere", "elsewhere", "less than half of the target and of the answer is common to both"
    ),
    Reason(
        "too_large", "too large", f"the answer has {LARGER:g} times the target's pixels or more"
    ),
    Reason(
        "too_small", "too small", f"the target has {LARGER:g} times the answer's pixels or more"
    ),
    Reason("leaks", "leaks", f"{100 * OUTSIDE:g} % or more of the wrong pixels lie outside"),
    Reason(
        "thin",
        "thin",
        f"Boundary IoU is within {100 * RIM:g} points of the IoU: target and answer lie in their "
        f"rims, 2 % of the diagonal wide; {TINY:,} pixels or more",
    ),
    Reason("tiny", "tiny", f"the target has fewer than {TINY:,} pixels"),
    Reason("parts", "several parts", f"the answer's second part is {100 * PART:g} % of it or more"),
    Reason(
        "clicks",
        "clicks did not help",
        f"the IoU is less than {100 * GAIN:g} point above that after the first prompt",
    ),
    Reason("none", "no reason found", "none of these"),
)
"""In the order in which they are asked."""

_PLACE: Mapping[str, int] = {reason.name: place for place, reason in enumerate(REASONS)}
_KEY = ["image_id", "mask_id", "step"]


def reasons(selection: Selection) -> Codes:
    """The place in ``REASONS`` of the reason of each of a selection's rows (N,), in their order.

    Where a run kept no masks, what the answer's pixels tell stays unknown, and the reasons behind
    are asked. Raises ``BenchError`` for a damaged mask.
    """
    rows = selection.rows
    codes = np.full(len(rows), _PLACE["none"], dtype=np.int8)
    for run in selection.stores:
        own = np.flatnonzero(rows["run"] == run)
        if len(own):
            codes[own] = _of_run(selection, run, rows.iloc[own])
    return codes


def _of_run(selection: Selection, run: str, rows: pd.DataFrame) -> Codes:
    codes = np.full(len(rows), _PLACE["none"], dtype=np.int8)
    left = np.ones(len(rows), dtype=np.bool_)
    for name, holds in _holding(selection, run, rows, left):
        codes[left & holds] = _PLACE[name]
        left &= ~holds
    return codes


def _holding(
    selection: Selection, run: str, rows: pd.DataFrame, left: Flags
) -> Iterator[tuple[str, Flags]]:
    """Each reason and where it holds, in order; ``left`` are the rows that have none so far."""
    iou = rows["iou"].to_numpy(np.float64)
    yield "good", iou >= GOOD
    yield "candidate", rows["iou_oracle"].to_numpy(np.float64) - iou >= GAP
    every = selection.every.of(run, COLUMNS)
    every = every.set_index(_KEY)
    place = every.index.get_indexer(pd.MultiIndex.from_frame(rows[_KEY]))
    area = every["area"].to_numpy(np.float64)[place]
    kept = every["mask_rle"].to_numpy()
    own = _pixels(kept, place, left)
    shared = (area + own) * iou / (1 + iou)
    yield "nothing", own == 0
    yield "elsewhere", (shared < area / 2) & (shared < own / 2)
    yield "too_large", own >= LARGER * area
    yield "too_small", area >= LARGER * own
    extra, missed = own - shared, area - shared
    yield "leaks", extra >= OUTSIDE * (extra + missed)
    if BOUNDARY.name in rows:
        gap = iou - rows[BOUNDARY.name].to_numpy(np.float64)
        yield "thin", (np.abs(gap) <= RIM) & (area >= TINY) & (iou > 0)
    yield "tiny", area < TINY
    yield "parts", _parted(every, place, left)
    first = every.reset_index().groupby(_KEY[:2])["iou"].first()
    before = first.reindex(pd.MultiIndex.from_frame(rows[_KEY[:2]])).to_numpy(np.float64)
    later = rows["step"].to_numpy() > every.index.get_level_values("step").min()
    yield "clicks", later & (iou < before + GAIN)


def _pixels(kept: npt.NDArray[Any], place: npt.NDArray[np.intp], left: Flags) -> Any:
    """The pixels of each row's answer (N,); NaN where it isn't kept, and where nobody asks."""
    found = np.full(len(place), np.nan)
    for row in np.flatnonzero(left):
        counts = kept[place[row]]
        if isinstance(counts, str):
            found[row] = _runs(counts)[1::2].sum()
    return found


def _runs(counts: str) -> npt.NDArray[np.int64]:
    try:
        return read_counts(counts)
    except ValueError as error:
        raise BenchError(f"a stored mask can't be read: {error}") from error


def _parted(every: pd.DataFrame, place: npt.NDArray[np.intp], left: Flags) -> Flags:
    """Which rows' answers have a second part, 8-connected, that counts."""
    found = np.zeros(len(place), dtype=np.bool_)
    sizes = every[["height", "width"]].to_numpy()
    kept = every["mask_rle"].to_numpy()
    for row in np.flatnonzero(left):
        counts = kept[place[row]]
        if isinstance(counts, str):
            size = [int(length) for length in sizes[place[row]]]
            bits = Mask.from_rle({"size": size, "counts": counts}).bits.astype(np.uint8)
            if bits.size:
                _, _, facts, _ = cv2.connectedComponentsWithStats(bits, connectivity=8)
                parts = np.sort(facts[1:, cv2.CC_STAT_AREA])
                found[row] = len(parts) > 1 and parts[-2] >= PART * parts.sum()
    return found
