"""What every model promises, tried on one: the contract of ``Segmenter``, question by question."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.models.abilities import KeepsEmbeddings
from bench.run import canary
from bench.scoring.finite import fault
from bench.types import BenchError, FloatArray, ImageArray, Prediction, Prompt, Segmenter

ROUNDING = 1e-3
"""How far a batch may lie from one prompt alone, as a share of the logits' range: other sums."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One that was tried: whether it ``holds``, and what was seen.

    ``holds`` is None where the model has no part in it, such as feedback for a model that takes no
    mask.
    """

    name: str
    holds: bool | None
    said: str


def try_promises(segmenter: Segmenter) -> Iterator[Promise]:
    """Every promise in turn, each on two pictures that aren't square and lie across each other.

    What the model itself raises breaks the promise that was tried, and no other.
    """
    asked = _prompts(segmenter)
    if not asked:
        kinds = ", ".join(sorted(segmenter.prompt_kinds))
        yield Promise("prompts", None, f"takes {kinds} alone: nothing of this was tried")
        return
    for name, attempt in _PROMISES.items():
        pictures = [_picture(82, 180, 1), _picture(140, 66, 2)]
        try:
            yield replace(attempt(segmenter, pictures, asked), name=name)
        except (BenchError, RuntimeError, ValueError, TypeError, IndexError, KeyError) as error:
            lines = str(error).splitlines() or [""]
            yield Promise(name, False, f"raised {type(error).__name__}: {lines[0][:200]}")


def ask_canary(segmenter: Segmenter, folders: Sequence[Path]) -> Promise:
    """Whether the checkpoint gives the masks that were recorded of it, where some were."""
    sha256 = segmenter.facts.get("checkpoint_sha256")
    path = None if sha256 is None else canary.find(sha256, folders)
    if path is None:
        return Promise("canary", None, "none is recorded of it; sam-bench canary records one")
    try:
        canary.check(segmenter, canary.load(path), path)
    except BenchError as error:
        return Promise("canary", False, str(error))
    return Promise("canary", True, "its recorded masks, again")


def _held(holds: bool | None, said: str) -> Promise:
    return Promise("", holds, said)


def _masks(model: Segmenter, pictures: Sequence[ImageArray], prompts: Sequence[Prompt]) -> Promise:
    for multimask in (True, False):
        embeddings = list(model.embed(pictures[:1])) * len(prompts)
        found = model.predict(embeddings, prompts, multimask)
        if len(found.logits) != len(prompts):
            return _held(False, f"{len(found.logits)} answers to {len(prompts)} prompts")
        for i in range(len(prompts)):
            if wrong := fault(found.logits[i], found.predicted_iou[i]):
                return _held(False, f"prompt {i + 1}: {wrong}")
            size = found.frames[i].image
            if size != pictures[0].shape[:2]:
                return _held(False, f"masks of {size} for a picture of {pictures[0].shape[:2]}")
            _on_picture(found, i)
    k = len(found.logits[0])
    several = len(model.predict(embeddings, prompts, True).logits[0])
    return _held(True, f"candidates: {several}, {k} without multimask; finite, on the picture")


def _alone(model: Segmenter, pictures: Sequence[ImageArray], prompts: Sequence[Prompt]) -> Promise:
    embeddings = model.embed(pictures)
    both = [prompt for prompt in prompts for _ in pictures]
    batch = model.predict(list(embeddings) * len(prompts), both, True)
    most = 0.0
    for i, prompt in enumerate(both):
        alone = model.predict(model.embed([pictures[i % 2]]), [prompt], True)
        most = max(most, _apart(batch, i, alone, 0))
    return _near(most, "a batch of two pictures' prompts in turn, and each alone")


def _order(model: Segmenter, pictures: Sequence[ImageArray], prompts: Sequence[Prompt]) -> Promise:
    embeddings = list(model.embed(pictures))
    flat = [embeddings[i % 2] for i in range(len(prompts))]
    forth = model.predict(flat, prompts, True)
    back = model.predict(flat[::-1], prompts[::-1], True)
    last = len(prompts) - 1
    most = max(_apart(forth, i, back, last - i) for i in range(len(prompts)))
    return _near(most, "prompts forth and back")


def _again(model: Segmenter, pictures: Sequence[ImageArray], prompts: Sequence[Prompt]) -> Promise:
    first = model.predict(list(model.embed(pictures[:1])) * len(prompts), prompts, True)
    second = model.predict(list(model.embed(pictures[:1])) * len(prompts), prompts, True)
    most = max(_apart(first, i, second, i) for i in range(len(prompts)))
    return _near(most, "the same question twice")


def _untouched(
    model: Segmenter, pictures: Sequence[ImageArray], prompts: Sequence[Prompt]
) -> Promise:
    before = [picture.copy() for picture in pictures]
    model.predict(list(model.embed(pictures[:1])) * len(prompts), prompts, True)
    same = all(np.array_equal(a, b) for a, b in zip(before, pictures, strict=True))
    return _held(same, "pictures are left as they were" if same else "it writes into the picture")


def _nothing(model: Segmenter, pictures: Sequence[ImageArray], _: Sequence[Prompt]) -> Promise:
    empty = model.predict([], [], True)
    right = len(model.embed([])) == len(empty.logits) == len(empty.predicted_iou) == 0
    return _held(right, "no picture and no prompt give nothing")


def _fed_back(
    model: Segmenter, pictures: Sequence[ImageArray], prompts: Sequence[Prompt]
) -> Promise:
    if "mask_logits" not in model.prompt_kinds:
        return _held(None, "takes no mask")
    embeddings = list(model.embed(pictures[:1])) * len(prompts)
    first = model.predict(embeddings, prompts, True)
    logits: list[FloatArray] = [each[0].float().cpu().numpy() for each in first.logits]
    more = [
        Prompt(p.points, p.labels, box=p.box, mask_logits=grid)
        for p, grid in zip(prompts, logits, strict=True)
    ]
    second = model.predict(embeddings, more, False)
    wrong = [w for i in range(len(more)) if (w := fault(second.logits[i], second.predicted_iou[i]))]
    return _held(not wrong, wrong[0] if wrong else "its own logits come back as a prompt")


def _place(model: Segmenter, pictures: Sequence[ImageArray], prompts: Sequence[Prompt]) -> Promise:
    if "points" not in model.prompt_kinds:
        return _held(None, "takes no points")
    picture = _picture(120, 256, 1)  # a bright ellipse around (77, 60)
    for turned in (False, True):
        image = np.ascontiguousarray(picture.transpose(1, 0, 2)) if turned else picture
        place = (60, 77) if turned else (77, 60)
        click = Prompt(np.array([place], np.float32), np.ones(1, np.int64))
        found = model.predict(model.embed([image]), [click], False)
        mask = (_on_picture(found, 0)[0] > 0).cpu().numpy()
        mask = mask.T if turned else mask
        if not mask[60, 77] or mask[:, 192:].mean() >= 0.05:
            side = "above one another" if turned else "side by side"
            return _held(False, f"a click on one of two halves {side} is answered on the other")
    return _held(True, "a click on the left is answered on the left, one above is above")


def _facts(model: Segmenter, pictures: Sequence[ImageArray], _: Sequence[Prompt]) -> Promise:
    plain = all(isinstance(word, str) for pair in model.facts.items() for word in pair)
    return _held(plain, f"{len(model.facts)} facts, all texts" if plain else "facts are no texts")


def _kept(model: Segmenter, pictures: Sequence[ImageArray], prompts: Sequence[Prompt]) -> Promise:
    if not isinstance(model, KeepsEmbeddings):
        return _held(None, "keeps none")
    (fresh,) = model.embed(pictures[:1])
    kept = model.unpack({name: each.cpu() for name, each in model.pack(fresh).items()})
    before = model.predict([fresh] * len(prompts), prompts, True)
    after = model.predict([kept] * len(prompts), prompts, True)
    most = max(_apart(before, i, after, i) for i in range(len(prompts)))
    return _near(most, "an embedding taken apart and put together")


_PROMISES: dict[str, Callable[[Any, Sequence[ImageArray], Sequence[Prompt]], Promise]] = {
    "masks of the picture": _masks,
    "a batch as one by one": _alone,
    "any order": _order,
    "the same twice": _again,
    "pictures left alone": _untouched,
    "nothing asked": _nothing,
    "logits fed back": _fed_back,
    "the right place": _place,
    "embeddings kept": _kept,
    "facts": _facts,
}


def _near(most: float, said: str) -> Promise:
    if most == 0:
        return _held(True, f"{said}: equal to the last bit")
    return _held(most <= ROUNDING, f"{said}: differ by up to {most:.1e} of the logits' range")


def _apart(one: Prediction, i: int, other: Prediction, j: int) -> float:
    """The largest difference of two answers, as a share of the range; infinite for other sizes."""
    a, b = _on_picture(one, i), _on_picture(other, j)
    if a.shape != b.shape:
        return float("inf")
    if a.numel() == 0 or torch.equal(a, b):
        return 0.0
    reach = float(a.max() - a.min()) or 1.0
    return float((a - b).abs().max()) / reach


def _on_picture(prediction: Prediction, i: int) -> Tensor:
    """Prompt i's logits (K, H, W) on its picture, by the words of ``Frame``'s docstring."""
    frame = prediction.frames[i]
    if not len(prediction.logits[i]):
        return torch.zeros((0, *frame.image))
    resize = partial(F.interpolate, mode="bilinear", align_corners=False)
    canvas = resize(prediction.logits[i][None].float(), size=frame.canvas)
    content = canvas[..., : frame.content[0], : frame.content[1]]
    return resize(content, size=frame.image)[0]


def _picture(height: int, width: int, seed: int) -> ImageArray:
    """A bright ellipse left of the middle on a dark ground, (H, W, 3), with noise over it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    inside = np.hypot((x - 0.3 * width) / (0.18 * width), (y - 0.5 * height) / (0.3 * height)) < 1
    plain = np.where(inside[..., None], (210, 180, 40), (30, 40, 90))
    return (plain + rng.integers(0, 30, (height, width, 3))).astype(np.uint8)


def _prompts(model: Segmenter) -> list[Prompt]:
    """Points, a box, both, and words, as far as the model understands them."""

    def prompt(
        points: Sequence[Sequence[int]], labels: Sequence[int], box: Sequence[int] | None = None
    ) -> Prompt:
        corners = None if box is None else np.array(box, np.float32)
        places = np.array(points, np.float32).reshape(-1, 2)
        return Prompt(places, np.array(labels, np.int64), box=corners)

    every = (
        prompt([[18, 40]], [1]),
        prompt([[0, 0]], [1]),
        prompt([[18, 40], [60, 16], [28, 44]], [1, 0, 1]),
        prompt([], [], [8, 16, 50, 60]),
        prompt([], [], [14, 14, 14, 14]),
        prompt([[18, 40], [48, 58]], [1, 0], [8, 16, 50, 60]),
    )
    words = (Prompt(text="ellipse"), Prompt(text="a bright ellipse on the left"))
    return [each for each in (*every, *words) if each.kinds <= model.prompt_kinds]
