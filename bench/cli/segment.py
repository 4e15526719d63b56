"""One picture by hand: a prompt in words, its masks as PNGs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bench.data.formats.pictures import Exif, read_picture
from bench.files.there import make_folder
from bench.scoring.finite import fault
from bench.scoring.foreground import foregrounds
from bench.types import (
    MAX_PIXELS,
    BenchError,
    BoolArray,
    Dot,
    ImageArray,
    Prompt,
    Rectangle,
    Segmenter,
)

_MASK_COLOR = np.array([30, 144, 255], dtype=np.float32)
_FOREGROUND, _BACKGROUND, _RIM = (40, 200, 80), (230, 50, 60), (255, 255, 255)


@dataclass(frozen=True, slots=True)
class SegmentedMask:
    """A candidate mask: (H, W) bool, the model's predicted IoU, and the files that show it."""

    mask: BoolArray
    predicted_iou: float
    mask_file: Path
    overlay_file: Path


def parse_prompt(
    points: str | None,
    labels: str | None,
    box: str | None,
    shape: tuple[int, int],
    hint: str = "",
    text: str | None = None,
) -> Prompt:
    """A prompt from the command line, checked against the picture's (H, W).

    ``points`` is ``x,y;x,y``, ``labels`` ``1,0`` (all 1 by default), ``box`` ``x0,y0,x1,y1``,
    pixel indices with both corners included; ``text`` are words as they are. Raises
    ``BenchError`` for wrong counts, words that are no numbers, and places outside the picture,
    whose error ends with ``hint``.

    >>> parse_prompt("10,20;30,40", "1,0", None, (100, 100)).labels.tolist()
    [1, 0]
    """
    if points is None and box is None and text is None:
        raise BenchError(
            "nothing to segment: give --input_point, --input_box or both, or --input_text"
        )
    if text is not None and not text.strip():
        raise BenchError("--input_text says nothing")
    if labels is not None and points is None:
        raise BenchError("--input_label needs --input_point")
    places = [] if points is None else [_numbers(p, 2, "--input_point") for p in points.split(";")]
    marks = [1.0] * len(places) if labels is None else _numbers(labels, None, "--input_label")
    if len(marks) != len(places):
        raise BenchError(
            f"--input_label has {len(marks)} label{'s' * (len(marks) != 1)} for "
            f"{len(places)} point{'s' * (len(places) != 1)}"
        )
    if any(mark not in (0.0, 1.0) for mark in marks):
        raise BenchError("--input_label takes 1 (foreground) and 0 (background)")
    corners = None if box is None else _numbers(box, 4, "--input_box")
    inside = [*places, *([corners[:2], corners[2:]] if corners else [])]
    for x, y in inside:
        if not (0 <= x <= shape[1] - 1 and 0 <= y <= shape[0] - 1):
            raise BenchError(
                f"({x:g}, {y:g}) lies outside the picture: x runs from 0 to {shape[1] - 1}, "
                f"y from 0 to {shape[0] - 1}{hint}"
            )
    if corners and (corners[0] > corners[2] or corners[1] > corners[3]):
        raise BenchError("--input_box is x0,y0,x1,y1 with x0 ≤ x1 and y0 ≤ y1")
    return Prompt(
        points=np.array(places, dtype=np.float32).reshape(-1, 2),
        labels=np.array(marks, dtype=np.int64),
        box=None if corners is None else np.array(corners, dtype=np.float32),
        text=text,
    )


def segment(
    segmenter: Segmenter,
    image_path: Path,
    prompt: Prompt,
    multimask: bool,
    out: Path,
    *,
    threshold: float = 0.0,
    exif: Exif = "ignore",
    pixel_limit: int = MAX_PIXELS,
) -> list[SegmentedMask]:
    """Asks the model and writes a mask and an overlay PNG per candidate, the surest first.

    A pixel is in a mask where its logit lies above ``threshold``, which is a protocol's choice.
    ``exif`` says whether the picture, and with it prompt and masks, is turned by its orientation.
    Raises ``BenchError`` where the model finds no mask, for an answer that is no number, and a
    folder that can't be made.
    """
    image = read_picture(image_path, exif=exif, pixel_limit=pixel_limit)
    embedding = segmenter.embed([image])[0]
    prediction = segmenter.predict([embedding], [prompt], multimask)
    if not len(prediction.logits[0]):
        raise BenchError(f"{image_path}: the model finds no mask for this prompt")
    if wrong := fault(prediction.logits[0], prediction.predicted_iou[0]):
        raise BenchError(
            f"{image_path}: the model's answer is {wrong}; weights, precision or device are not as "
            "they should be"
        )
    found = foregrounds(prediction.logits[0], prediction.frames[0], threshold)
    masks = [mask.dense() for mask in found]
    predicted = prediction.predicted_iou[0].float().cpu().numpy()
    make_folder(out)
    segmented = []
    for rank, k in enumerate(np.argsort(-predicted, kind="stable"), start=1):
        stem = f"{image_path.stem}_mask_{rank}"
        mask_file, overlay_file = out / f"{stem}.png", out / f"{stem}_overlay.png"
        _write_png(mask_file, masks[k].astype(np.uint8) * 255)
        score = f"predicted IoU {predicted[k]:.3f}"
        _write_png(overlay_file, overlay(image, masks[k], prompt, score)[..., ::-1])
        segmented.append(SegmentedMask(masks[k], float(predicted[k]), mask_file, overlay_file))
    return segmented


def overlay(image: ImageArray, mask: BoolArray, prompt: Prompt, caption: str) -> ImageArray:
    """The (H, W, 3) picture with the mask tinted and outlined, clicks and box drawn on it.

    Green dots are foreground clicks, red ones background. The caption stands in the top corner.
    """
    drawn = image.astype(np.float32)
    drawn[mask] = 0.5 * drawn[mask] + 0.5 * _MASK_COLOR
    canvas = np.ascontiguousarray(drawn.round().astype(np.uint8))
    unit = max(1, round(max(image.shape[:2]) / 400))
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outlines, -1, _RIM, unit, cv2.LINE_AA)
    for shape in prompt.shapes:
        if isinstance(shape, Rectangle):
            corners = (round(shape.x0), round(shape.y0)), (round(shape.x1), round(shape.y1))
            cv2.rectangle(canvas, *corners, _FOREGROUND, unit, cv2.LINE_AA)
        elif isinstance(shape, Dot):
            center = (round(shape.x), round(shape.y))
            color = _FOREGROUND if shape.label else _BACKGROUND
            cv2.circle(canvas, center, 4 * unit + 1, _RIM, -1, cv2.LINE_AA)
            cv2.circle(canvas, center, 3 * unit + 1, color, -1, cv2.LINE_AA)
    scale = 0.45 * unit
    for color, thickness in (((0, 0, 0), 3 * unit), (_RIM, unit)):
        corner = (4 * unit, 15 * unit)
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(canvas, caption, corner, font, scale, color, thickness, cv2.LINE_AA)
    return canvas


def _numbers(text: str, count: int | None, option: str) -> list[float]:
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        raise BenchError(f"{option}: {text!r} is not a list of numbers") from None
    if not np.isfinite(numbers).all():
        raise BenchError(f"{option}: {text!r} holds a number that is not finite")
    if count is not None and len(numbers) != count:
        raise BenchError(f"{option}: {text!r} has {len(numbers)} numbers, expected {count}")
    return numbers


def _write_png(path: Path, pixels: Sequence[int] | ImageArray) -> None:
    if not cv2.imwrite(str(path), np.asarray(pixels)):
        raise BenchError(f"{path}: cannot be written")
