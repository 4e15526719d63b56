"""What all that a text finds is worth: its nearest instance, or all of them together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oddities import random_blob

from bench.protocol import Protocol
from bench.scoring.metrics import metric
from bench.scoring.score import Aim, score
from bench.types import Frame, Mask, Prediction, Prompt

SIZE = (37, 52)
TEXT = Prompt(text="a")
CLICK = Prompt(np.zeros((1, 2), np.float32), np.ones(1, np.int64))


def blobs(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array([random_blob(rng, *SIZE) for _ in range(count)]).reshape(-1, *SIZE)


def plain_iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def predicted(*answers: np.ndarray) -> Prediction:
    """Answers of any number of masks, the later ones surer."""
    logits = [torch.from_numpy(np.where(a, 3.0, -3.0).astype(np.float32)) for a in answers]
    scores = [torch.linspace(0.1, 0.9, len(a)) for a in answers]
    return Prediction(logits, scores, [Frame.identity(SIZE)] * len(answers))


@pytest.mark.parametrize("ignored", [False, True])
def test_the_nearest_instance_counts_however_unsure_the_model_is(ignored: bool) -> None:
    target, found = blobs(1, 1)[0], blobs(6)
    ignore = blobs(1, 2)[0] if ignored else None
    kept = np.ones(SIZE, bool) if ignore is None else ~ignore
    ious = [plain_iou(each & kept, target & kept) for each in found]
    assert np.argmax(ious) != 5, "the surest is another"
    aim = Aim(Mask.from_dense(target), ignore)
    (one,) = score(predicted(found), [aim], Protocol(), [metric("dice")], prompts=[TEXT])
    assert one.iou == one.iou_oracle == max(ious)
    assert one.ious.tolist() == sorted(ious, reverse=True)
    assert one.selected == 0
    best = int(np.argmax(ious))
    assert np.array_equal(one.mask.dense(), found[best] & kept)
    assert one.predicted_ious[0] == torch.linspace(0.1, 0.9, 6)[best]
    assert one.metrics["dice"] == pytest.approx(2 * max(ious) / (1 + max(ious)))
    (clicked,) = score(predicted(found), [aim], Protocol(), prompts=[CLICK])
    assert clicked.iou == ious[5], "of a click the surest candidate counts, as ever"


@pytest.mark.parametrize("ignored", [False, True])
def test_joined_instances_are_one_mask(ignored: bool) -> None:
    target, found = blobs(1, 1)[0], blobs(4)
    ignore = blobs(1, 2)[0] if ignored else None
    kept = np.ones(SIZE, bool) if ignore is None else ~ignore
    every = found.any(axis=0) & kept
    aim = Aim(Mask.from_dense(target), ignore)
    (one,) = score(predicted(found), [aim], Protocol(text="union"), [metric("dice")],
                   prompts=[TEXT])  # fmt: skip
    iou = plain_iou(every, target & kept)
    assert one.ious.tolist() == [one.iou] == [iou]
    assert np.array_equal(one.mask.dense(), every)
    assert one.predicted_ious.tolist() == []
    assert one.metrics["dice"] == pytest.approx(2 * iou / (1 + iou))


@pytest.mark.parametrize("text", ["best_instance", "union"])
def test_nothing_found_is_worth_nothing(text: str) -> None:
    aim = Aim(Mask.from_dense(blobs(1)[0]))
    (one,) = score(predicted(blobs(0)), [aim], Protocol(text=text), prompts=[TEXT])
    assert (one.iou, one.selected, one.mask.area, len(one.ious)) == (0.0, None, 0, 0)


@pytest.mark.parametrize("text", ["best_instance", "union"])
def test_an_answer_that_is_no_number_is_named(text: str) -> None:
    aim = Aim(Mask.from_dense(blobs(1)[0]))
    prediction = predicted(blobs(3))
    prediction.logits[0][1, 4, 5] = float("nan")
    (one,) = score(prediction, [aim], Protocol(text=text), prompts=[TEXT])
    assert one.fault == "NaN or infinite: 1 of 1,924 logits of candidate 2 of 3"


def test_texts_and_clicks_of_one_batch_keep_their_places() -> None:
    found = [blobs(3, seed) for seed in range(5)]
    prompts = [TEXT, CLICK, TEXT, CLICK, CLICK]
    aims = [Aim(Mask.from_dense(each)) for each in blobs(5, 9)]
    together = score(predicted(*found), aims, Protocol(), prompts=prompts)
    for one, masks, aim, prompt in zip(together, found, aims, prompts, strict=True):
        (alone,) = score(predicted(masks), [aim], Protocol(), prompts=[prompt])
        assert alone.ious.tolist() == one.ious.tolist()
        assert alone.selected == one.selected
        assert alone.mask.to_rle() == one.mask.to_rle()
