"""Masks step by step: a picture of each, with outlines and prompts to be drawn over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd

from bench.analysis.selection import Selection
from bench.report.bins import whole
from bench.report.pictures import gallery
from bench.report.pictures.overlay import (
    Window,
    around,
    drawable,
    encode,
    extent,
    magnified,
    picture_uri,
    resized,
)
from bench.store.runs import RunStore
from bench.types import BenchError, Dot, Line, Mask, Measure, Rectangle, Sample, Shape, Words
from bench.types.categories import target_of
from bench.types.cues import prompt_of_row

_KEY = ["image_id", "mask_id"]
COLUMNS = (*gallery.COLUMNS, "ious", "candidate_rles")
"""What steps need of rows."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A run to be drawn: its ``address`` in the page, and ``run``, its name in a ``selection``."""

    address: str
    run: str
    selection: Selection


def draw_steps(
    masks: pd.DataFrame,
    runs: Sequence[Shown],
    read_sample: Callable[[RunStore, str], Sample],
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """The picture of each mask with all steps of the runs, or why there is none.

    masks: columns ``image_id`` and ``mask_id``. Gives (index of the mask in that frame, picture). A
    picture has its address ``picture``, ``width`` and ``height``, the mask's ``category``, the
    ``target``'s outline, and in ``runs``, by the run's address, its steps.

    A step has ``step, iou, predicted`` (IoUs in parts of ``UNIT``), ``ious`` and ``predictions`` of
    all candidates, which of them is ``selected``, ``further`` (a measure's
    title → its value as it is shown), the prediction's ``outline`` (null where the run kept no
    masks), the ``outlines`` of several candidates where the run kept them, null for the selected
    one, the places of those ``beyond`` the picture's edge, the selected one's or 0 where it is kept
    alone, and the drawing of its prompt: ``points`` [x, y, label], ``boxes`` [x0, y0, x1, y1],
    ``lines`` [label, [[x, y], …]] and ``words``. Coordinates are picture pixels, those of prompts
    with one decimal.
    """
    by_mask: dict[tuple[str, str], list[_OfRun]] = {}
    for shown in runs:
        names = [measure.name for measure in shown.selection.further]
        frame = shown.selection.pictured(shown.run, [*COLUMNS, *names], masks[_KEY])
        found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for row in frame.to_dict("records"):  # once: it costs a frame of three rows 2 ms as well
            key = (str(row["image_id"]), str(row["mask_id"]))
            found.setdefault(key, []).append({str(k): v for k, v in row.items()})
        for key, records in found.items():
            by_mask.setdefault(key, []).append(_OfRun(shown, records))
    for image_id, wanted in masks.groupby("image_id"):
        samples: dict[str, Sample] = {}
        try:
            for mask_id in wanted["mask_id"]:
                shown = by_mask[str(image_id), str(mask_id)][0].shown
                if shown.address not in samples:
                    store = shown.selection.stores[shown.run]
                    samples[shown.address] = read_sample(store, str(image_id))
        except BenchError as error:
            yield from ((int(i), f"Some pictures are not available: {error}") for i in wanted.index)
            continue
        for index, mask_id in wanted["mask_id"].items():
            runs_of_it = by_mask[str(image_id), str(mask_id)]
            yield int(str(index)), _pictured(samples[runs_of_it[0].shown.address], runs_of_it)


@dataclass(frozen=True, slots=True)
class _OfRun:
    """The rows of one mask in a run, in the order of their steps."""

    shown: Shown
    rows: Sequence[Mapping[str, Any]]


def _pictured(sample: Sample, runs: Sequence[_OfRun]) -> dict[str, Any] | str:
    """The picture of a mask; runs that saw it in another size are left out."""
    first = runs[0].rows[0]
    target = target_of(sample, first["mask_id"])
    if target is None or sample.shape != (first["height"], first["width"]):
        return "Some pictures are not available: the data has changed since the run."
    alike = [each for each in runs if _size(each) == sample.shape]
    predictions = [[_Masks.of(row) for row in each.rows] for each in alike]
    prompts = [[prompt_of_row(row).shapes for row in each.rows] for each in alike]
    flat = [mask for masks in predictions for of_row in masks for mask in of_row.every]
    view = near_target(sample.shape, target.mask, flat, [s for each in prompts for s in each])
    crop = sample.image[view.y0 : view.y1 + 1, view.x0 : view.x1 + 1]
    steps = {
        each.shown.address: [
            _step(row, own, view, each.shown.selection.further) | _drawn(shapes, view)
            for row, own, shapes in zip(each.rows, masks, asked, strict=True)
        ]
        for each, masks, asked in zip(alike, predictions, prompts, strict=True)
    }
    width, height = view.size
    return {
        "picture": picture_uri(encode(resized(crop, view), most=12_000)),
        "width": width,
        "height": height,
        "category": target.category,
        "target": outline(target.mask, view),
        "runs": steps,
    }


def _size(found: _OfRun) -> tuple[int, int]:
    return int(found.rows[0]["height"]), int(found.rows[0]["width"])


@dataclass(frozen=True, slots=True)
class _Masks:
    """The mask that a row keeps, and those of several candidates where it keeps them."""

    chosen: Mask | None
    candidates: Sequence[Mask] = ()

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> _Masks:
        size, rle, rles = [row["height"], row["width"]], row["mask_rle"], row["candidate_rles"]
        if not isinstance(rle, str):
            return cls(None)
        if rles is None or len(rles) < 2:
            return cls(Mask.from_rle({"size": size, "counts": rle}))
        each = [Mask.from_rle({"size": size, "counts": counts}) for counts in rles]
        return cls(each[int(row["selected"])], each)

    @property
    def every(self) -> Sequence[Mask | None]:
        return self.candidates or [self.chosen]


def near_target(
    shape: tuple[int, int],
    target: Mask,
    predictions: Sequence[Mask | None],
    prompts: Sequence[Sequence[Shape]],
) -> Window:
    """Around the target, what is predicted near it, and the prompts of all steps near it.

    A prediction counts up to half the target's length beyond the target, so that one that runs
    away over the picture doesn't shrink the target to a dot.
    """
    if target.box is None:
        return around(shape, np.zeros((0, 4)), np.zeros((0, 2)))
    own = np.array(target.box, dtype=np.float64)
    reach = 0.5 * (max(own[2] - own[0], own[3] - own[1]) + 1)
    least, most = own - reach, own + reach
    found = [mask.box for mask in predictions if mask is not None and mask.box is not None]
    boxes = [own, *(np.clip(box, least[[0, 1, 0, 1]], most[[2, 3, 2, 3]]) for box in found)]
    around_it, points = extent([each for shapes in prompts for each in shapes])
    return around(shape, np.vstack([*boxes, *around_it]), points)


def _step(
    row: Mapping[str, Any], masks: _Masks, view: Window, further: Sequence[Measure]
) -> dict[str, Any]:
    scores, selected = row["predicted_ious"], row["selected"]
    count = len(row["ious"])
    numbers = _parts([row["iou"], *row["ious"], *(() if scores is None else scores)])
    ious, estimates = numbers[1 : 1 + count], numbers[1 + count :]
    chosen = int(selected) if pd.notna(selected) else None
    known = chosen is not None and chosen < len(estimates)
    step: dict[str, Any] = {
        "step": int(row["step"]),
        "iou": numbers[0],
        "ious": ious,
        "predictions": estimates,
        "selected": chosen,
        "predicted": estimates[chosen] if known and chosen is not None else None,
        "further": {m.title: m.shown(row[m.name]) for m in further if pd.notna(row[m.name])},
        "outline": None if masks.chosen is None else outline(masks.chosen, view),
    }
    cut = [n for n, mask in enumerate(masks.every) if mask is not None and view.cuts(mask)]
    if beyond := cut if masks.candidates else [chosen or 0 for _ in cut]:
        step["beyond"] = beyond
    if masks.candidates:
        step["outlines"] = [
            None if place == chosen else outline(mask, view)
            for place, mask in enumerate(masks.candidates)
        ]
    return step


def _parts(values: Sequence[Any]) -> list[int | None]:
    """Values in whole parts of ``UNIT``; none for one that is no number."""
    array = np.array(values, dtype=np.float64)
    known = ~np.isnan(array)
    found = whole(np.where(known, array, 0.0)).tolist()
    return [number if there else None for number, there in zip(found, known, strict=True)]


def _drawn(shapes: Sequence[Shape], view: Window) -> dict[str, Any]:
    """The shapes of a prompt in picture pixels; a box encloses its pixels whole."""

    def place(x: float, y: float) -> list[float]:
        return [round(v, 1) for v in view.place(x, y)]

    return {
        "points": [[*place(s.x, s.y), s.label] for s in shapes if isinstance(s, Dot)],
        "boxes": [
            [*place(s.x0 - 0.5, s.y0 - 0.5), *place(s.x1 + 0.5, s.y1 + 0.5)]
            for s in shapes
            if isinstance(s, Rectangle)
        ],
        "lines": [
            [s.label, [place(x, y) for x, y in drawable(s)]] for s in shapes if isinstance(s, Line)
        ],
        "words": [s.text for s in shapes if isinstance(s, Words)],
    }


def outline(mask: Mask, view: Window) -> str:
    """The mask's edge inside a window as an SVG path, in whole picture pixels; "" for none.

    The path is to be filled by the even-odd rule: holes are contours of their own.
    """
    shown = magnified(mask, view).view(np.uint8)
    contours, _ = cv2.findContours(shown, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parts = []
    for contour in contours:
        simple = cv2.approxPolyDP(contour, 0.6, True)[:, 0, :].astype(int)
        x, y = simple[0]
        moves = np.diff(simple, axis=0)
        parts.append(f"M{x} {y}" + "".join(f"l{dx} {dy}" for dx, dy in moves) + "z")
    return "".join(parts)
