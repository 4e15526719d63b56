"""Masks step by step: a picture of each, with outlines and prompts to be drawn over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd

from bench.report.pictures.overlay import Window, around, encode, magnified, picture_uri, resized
from bench.store.runs import RunStore, read_runs
from bench.types import BenchError, Mask, Sample

UNIT = 100_000
"""IoUs are written as whole numbers of this part of 1."""

_KEY = ["image_id", "mask_id"]
_COLUMNS = ["height", "width", "category", "point_coords", "point_labels", "box", "mask_rle",
            "iou", "ious", "predicted_ious", "selected"]  # fmt: skip


def draw_steps(
    masks: pd.DataFrame,
    stores: Mapping[str, RunStore],
    read_sample: Callable[[RunStore, str], Sample],
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """The picture of each mask with all steps of the runs, or why there is none.

    masks: columns ``image_id`` and ``mask_id``. Gives (index of the mask in that frame, picture). A
    picture has its address ``picture``, ``width`` and ``height``, the mask's ``category``, the
    ``target``'s outline, and in ``runs``, by the run's name as in ``stores``, its steps.

    A step has ``step, iou, ious, predicted`` (IoUs in parts of ``UNIT``), the prediction's
    ``outline`` (null where the run kept no masks), ``points`` [x, y, label] and ``box``.
    Coordinates are picture pixels, those of points and boxes with one decimal.
    """
    frames = []
    for name, store in stores.items():
        rows = read_runs([store], _COLUMNS).merge(masks[_KEY], on=_KEY)
        frames.append(rows.assign(run=name))
    rows = pd.concat(frames, ignore_index=True)
    by_mask = dict(iter(rows.groupby(_KEY)))
    first = next(iter(stores.values()))
    for image_id, wanted in masks.groupby("image_id"):
        try:
            sample = read_sample(first, str(image_id))
        except BenchError as error:
            yield from ((int(i), f"Some pictures are not available: {error}") for i in wanted.index)
            continue
        for index, mask_id in wanted["mask_id"].items():
            yield int(str(index)), _pictured(sample, by_mask[image_id, mask_id])


def _pictured(sample: Sample, rows: pd.DataFrame) -> dict[str, Any] | str:
    first = rows.iloc[0]
    targets = {target.mask_id: target for target in sample.targets}
    target = targets.get(first["mask_id"])
    if target is None or sample.shape != (first["height"], first["width"]):
        return "Some pictures are not available: the data has changed since the run."
    records = [{str(k): v for k, v in row.items()} for row in rows.to_dict("records")]
    predictions = [_prediction(row) for row in records]
    view = _window(sample.shape, target.mask, predictions, records)
    crop = sample.image[view.y0 : view.y1 + 1, view.x0 : view.x1 + 1]
    steps: dict[str, list[dict[str, Any]]] = {}
    for row, prediction in zip(records, predictions, strict=True):
        steps.setdefault(str(row["run"]), []).append(_step(row, prediction, view))
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


def _window(
    shape: tuple[int, int],
    target: Mask,
    predictions: Sequence[Mask | None],
    rows: Sequence[Mapping[str, Any]],
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
    boxes += [np.asarray(row["box"], np.float64) for row in rows if row["box"] is not None]
    points = [np.asarray([*row["point_coords"]]).reshape(-1, 2) for row in rows]
    return around(shape, np.vstack(boxes), np.vstack([np.zeros((0, 2)), *points]))


def _step(row: Mapping[str, Any], prediction: Mask | None, view: Window) -> dict[str, Any]:
    scores, box = row["predicted_ious"], row["box"]
    predicted = None if scores is None or not len(scores) else float(scores[row["selected"]])
    places = [view.place(float(x), float(y)) for x, y in row["point_coords"]]
    return {
        "step": int(row["step"]),
        "iou": round(float(row["iou"]) * UNIT),
        "ious": [round(float(v) * UNIT) for v in row["ious"]],
        "predicted": None if predicted is None or np.isnan(predicted) else round(predicted * UNIT),
        "outline": None if prediction is None else outline(prediction, view),
        "points": [
            [round(x, 1), round(y, 1), int(label)]
            for (x, y), label in zip(places, row["point_labels"], strict=True)
        ],
        "box": None
        if box is None
        else [
            round(v, 1)
            for corner in (
                view.place(float(box[0]) - 0.5, float(box[1]) - 0.5),
                view.place(float(box[2]) + 0.5, float(box[3]) + 0.5),
            )
            for v in corner
        ],
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
