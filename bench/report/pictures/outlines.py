"""Masks step by step: a picture of each, with outlines and prompts to be drawn over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd

from bench.analysis.selection import Selection
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

UNIT = 100_000
"""IoUs are written as whole numbers of this part of 1."""

_KEY = ["image_id", "mask_id"]
_COLUMNS = ["height", "width", "category", "point_coords", "point_labels", "box", "cues",
            "mask_rle", "iou", "ious", "predicted_ious", "selected"]  # fmt: skip


def draw_steps(
    masks: pd.DataFrame,
    selection: Selection,
    runs: Sequence[str],
    read_sample: Callable[[RunStore, str], Sample],
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """The picture of each mask with all steps of the runs, or why there is none.

    masks: columns ``image_id`` and ``mask_id``. Gives (index of the mask in that frame, picture). A
    picture has its address ``picture``, ``width`` and ``height``, the mask's ``category``, the
    ``target``'s outline, and in ``runs``, by the run's name, its steps.

    A step has ``step, iou, ious, predicted`` (IoUs in parts of ``UNIT``), ``further`` (a measure's
    title → its value as it is shown), the prediction's ``outline`` (null where the run kept no
    masks), and the drawing of its prompt: ``points`` [x, y, label], ``boxes`` [x0, y0, x1, y1],
    ``lines`` [label, [[x, y], …]] and ``words``. Coordinates are picture pixels, those of prompts
    with one decimal.
    """
    further = [measure.name for measure in selection.further]
    frames = [selection.every.of(run, [*_COLUMNS, *further], masks[_KEY]) for run in runs]
    rows = pd.concat(frames, ignore_index=True)
    by_mask = dict(iter(rows.groupby(_KEY)))
    first = selection.stores[runs[0]]
    for image_id, wanted in masks.groupby("image_id"):
        try:
            sample = read_sample(first, str(image_id))
        except BenchError as error:
            yield from ((int(i), f"Some pictures are not available: {error}") for i in wanted.index)
            continue
        for index, mask_id in wanted["mask_id"].items():
            yield int(str(index)), _pictured(sample, by_mask[image_id, mask_id], selection.further)


def _pictured(
    sample: Sample, rows: pd.DataFrame, further: Sequence[Measure]
) -> dict[str, Any] | str:
    first = rows.iloc[0]
    target = target_of(sample, first["mask_id"])
    if target is None or sample.shape != (first["height"], first["width"]):
        return "Some pictures are not available: the data has changed since the run."
    records = [{str(k): v for k, v in row.items()} for row in rows.to_dict("records")]
    predictions = [_prediction(row) for row in records]
    prompts = [prompt_of_row(row).shapes for row in records]
    view = near_target(sample.shape, target.mask, predictions, prompts)
    crop = sample.image[view.y0 : view.y1 + 1, view.x0 : view.x1 + 1]
    steps: dict[str, list[dict[str, Any]]] = {}
    for row, prediction, shapes in zip(records, predictions, prompts, strict=True):
        step = _step(row, prediction, view, further) | _drawn(shapes, view)
        steps.setdefault(str(row["run"]), []).append(step)
    width, height = view.size
    return {
        "picture": picture_uri(encode(resized(crop, view), most=12_000)),
        "width": width,
        "height": height,
        "category": target.category,
        "target": outline(target.mask, view),
        "runs": steps,
    }


def _prediction(row: Mapping[str, Any]) -> Mask | None:
    rle = row["mask_rle"]
    if not isinstance(rle, str):
        return None
    return Mask.from_rle({"size": [row["height"], row["width"]], "counts": rle})


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
    row: Mapping[str, Any], prediction: Mask | None, view: Window, further: Sequence[Measure]
) -> dict[str, Any]:
    scores, selected = row["predicted_ious"], row["selected"]
    known = scores is not None and len(scores) and pd.notna(selected)
    predicted = float(scores[int(selected)]) if known else None
    return {
        "step": int(row["step"]),
        "iou": round(float(row["iou"]) * UNIT),
        "ious": [round(float(v) * UNIT) for v in row["ious"]],
        "predicted": None if predicted is None or np.isnan(predicted) else round(predicted * UNIT),
        "further": {m.title: m.shown(row[m.name]) for m in further if pd.notna(row[m.name])},
        "outline": None if prediction is None else outline(prediction, view),
    }


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
