"""Three pictures whose masks a checkpoint is known to give, asked for before every run with it.

A wrong file fails its hash; a right file in a wrong harness (another resize, half-loaded weights,
a broken kernel) gives wrong masks without an error, which is what the canary is for. A canary is
a JSON file ``canary/<sha256 of the checkpoint>.json`` in ``conf/`` or in the folder of checkpoints;
it holds its pictures itself, so that nothing but the model can change the answer.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.demo.scenes.scene import render_scene
from bench.files.documents import parse_json
from bench.scoring.finite import fault
from bench.scoring.foreground import foregrounds
from bench.scoring.metrics.iou import iou
from bench.types import BenchError, BoolArray, ImageArray, Prompt, Segmenter
from bench.types.mask import Mask

LEAST_IOU = 0.98
"""How alike a mask must be to the recorded one; other processors move single pixels."""
LEAST_IOU_OF_HALF = 0.9
"""The same for a model that computes in half precision; how much that is worth parity tells."""

_MOST_PIXELS = 1 << 22

_SCENES = ((7_001, (128, 96)), (7_002, (96, 128)), (7_003, (128, 112)))


@dataclass(frozen=True, slots=True)
class Case:
    """One picture, one prompt, and the mask that the checkpoint gave when it was recorded.

    A pixel is in the mask where its logit lies above ``threshold``.
    """

    image: ImageArray
    prompt: Prompt
    multimask: bool
    expected: Mask
    threshold: float = 0.0


def record(segmenter: Segmenter, threshold: float = 0.0) -> list[Case]:
    """The cases with the masks that the model gives now: a click and a box on each picture.

    A model that takes neither, but text, is asked for what is there by name. ``threshold`` is the
    protocol's; runs are checked at the one that a canary was recorded at. Raises ``BenchError``
    where the model's answer is no number, where it takes none of these cues, and where it finds
    nothing at all, which would tell nothing.
    """
    cases = []
    for seed, size in _SCENES:
        scene = render_scene(seed, bank="test", size=size)
        largest = max(scene.objects, key=lambda thing: int(thing.mask.sum()))
        box = np.array(Mask.from_dense(largest.mask).box, dtype=np.float32)
        rows, columns = np.nonzero(largest.mask)
        middle = len(rows) // 2
        click = np.array([[columns[middle], rows[middle]]], dtype=np.float32)
        asked = [Prompt(click, np.ones(1, dtype=np.int64)), Prompt(box=box)]
        if not segmenter.prompt_kinds & {"points", "box"} and "text" in segmenter.prompt_kinds:
            asked = [Prompt(text=largest.kind)]
        for prompt in asked:
            multimask = prompt.n_points > 0
            dense = _answer(segmenter, scene.image, prompt, multimask, threshold)
            mask = Mask.from_dense(dense)
            cases.append(Case(scene.image, prompt, multimask, mask, threshold))
    if not any(case.expected.area for case in cases):
        raise BenchError(
            "the model finds nothing on any picture of a canary, which would tell nothing of it"
        )
    return cases


def check(segmenter: Segmenter, cases: Sequence[Case], origin: Path) -> None:
    """Raises ``BenchError`` where a mask is not the recorded one."""
    exact = segmenter.facts.get("dtype", "float32") == "float32"
    least = LEAST_IOU if exact else LEAST_IOU_OF_HALF
    for number, case in enumerate(cases, start=1):
        question = case.image, case.prompt, case.multimask, case.threshold
        mask = Mask.from_dense(_answer(segmenter, *question))
        both_empty = mask.area == case.expected.area == 0
        alike = 1.0 if both_empty else iou(mask, case.expected)
        if alike < least:
            raise BenchError(
                f"{origin.name}: the model answers picture {number} of its canary with IoU "
                f"{alike:.3f} to the recorded mask, expected at least {least}: weights, "
                "preprocessing or device are not as they should be (runtime.canary=false goes on)"
            )


def save(cases: Sequence[Case], path: Path) -> None:
    """Writes the cases as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = [
        {
            "image_png": base64.b64encode(_png(case.image)).decode("ascii"),
            "points": case.prompt.points.tolist(),
            "labels": case.prompt.labels.tolist(),
            "box": None if case.prompt.box is None else case.prompt.box.tolist(),
            **({} if case.prompt.text is None else {"text": case.prompt.text}),
            "multimask": case.multimask,
            "threshold": case.threshold,
            "size": list(case.expected.shape),
            "counts": case.expected.to_rle(),
        }
        for case in cases
    ]
    path.write_text(json.dumps({"version": 1, "cases": plain}, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> list[Case]:
    """The cases of a canary file; raises ``BenchError`` where it isn't one."""
    try:
        content = parse_json(path.read_bytes())
        return [_case(plain) for plain in content["cases"]]
    except (OSError, ValueError, KeyError, TypeError, SyntaxError, OverflowError) as error:
        raise BenchError(f"{path}: not a canary file ({error})") from error


def find(checkpoint_sha256: str | None, folders: Sequence[Path]) -> Path | None:
    """The canary of a checkpoint in the first ``canary/`` that has one."""
    names = [folder / "canary" / f"{checkpoint_sha256}.json" for folder in folders]
    return next((path for path in names if path.is_file()), None)


def _answer(
    segmenter: Segmenter, image: ImageArray, prompt: Prompt, multimask: bool, threshold: float
) -> BoolArray:
    prediction = segmenter.predict(segmenter.embed([image]), [prompt], multimask)
    if not len(prediction.logits[0]):
        return np.zeros(image.shape[:2], dtype=bool)
    if wrong := fault(prediction.logits[0], prediction.predicted_iou[0]):
        raise BenchError(
            f"the model's answer to a picture of its canary is {wrong}: weights, precision or "
            "device are not as they should be (runtime.canary=false goes on)"
        )
    best = int(prediction.predicted_iou[0].argmax())
    chosen = prediction.logits[0][best : best + 1]
    return foregrounds(chosen, prediction.frames[0], threshold)[0].dense()


def _case(plain: Mapping[str, Any]) -> Case:
    with Image.open(io.BytesIO(base64.b64decode(plain["image_png"])), formats=["PNG"]) as picture:
        if picture.width * picture.height > _MOST_PIXELS:
            raise ValueError(f"a picture of {picture.width}×{picture.height} is no canary's")
        image = np.array(picture.convert("RGB"))
    prompt = Prompt(
        points=np.array(plain["points"], dtype=np.float32).reshape(-1, 2),
        labels=np.array(plain["labels"], dtype=np.int64),
        box=None if plain["box"] is None else np.array(plain["box"], dtype=np.float32),
        text=None if plain.get("text") is None else str(plain["text"]),
    )
    threshold = float(plain.get("threshold", 0.0))
    if not math.isfinite(threshold):
        raise ValueError(f"a threshold is a number, found {threshold}")
    return Case(image, prompt, bool(plain["multimask"]), Mask.from_rle(plain), threshold)


def _png(image: ImageArray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG", optimize=True)
    return file.getvalue()
