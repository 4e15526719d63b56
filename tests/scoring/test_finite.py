"""Answers that are no numbers have no score, whichever way they are measured."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from bench.protocol import Protocol
from bench.scoring.finite import all_finite, fault
from bench.scoring.score import Aim, Score, score
from bench.types import Frame, Mask, Prediction

SIZE = (16, 24)


def answers(damage: Callable[[torch.Tensor, torch.Tensor], None]) -> Prediction:
    """Three prompts of two candidates each, the second one's damaged."""
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(3, 2, *SIZE, generator=generator)
    predicted = torch.rand(3, 2, generator=generator)
    damage(logits[1], predicted[1])
    return Prediction(logits, predicted, [Frame.identity(SIZE)] * 3)


def scores(prediction: Prediction, threshold: float) -> list[Score]:
    dense = torch.zeros(SIZE, dtype=torch.bool)
    dense[3:9, 4:20] = True
    aims = [Aim(Mask.from_dense(dense.numpy()))] * len(prediction.frames)
    return score(prediction, aims, Protocol(threshold=threshold))


def nothing(logits: torch.Tensor, predicted: torch.Tensor) -> None:
    pass


def some_nan(logits: torch.Tensor, predicted: torch.Tensor) -> None:
    logits[1, 2, :5] = math.nan


def both_infinities(logits: torch.Tensor, predicted: torch.Tensor) -> None:
    logits[0, 0, 0], logits[0, 1, 1] = math.inf, -math.inf
    logits[1] = -math.inf


def no_estimate(logits: torch.Tensor, predicted: torch.Tensor) -> None:
    predicted[1] = math.nan


@pytest.mark.parametrize("threshold", [0.0, 0.25])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (some_nan, "5 of 384 logits of candidate 2 of 2"),
        (both_infinities,
         "2 of 384 logits of candidate 1 of 2, 384 of 384 logits of candidate 2 of 2"),
        (no_estimate, "the predicted IoU of candidate 2 of 2"),
    ],
)  # fmt: skip
def test_the_answer_is_said_and_its_neighbours_are_scored(
    damage: Callable[[torch.Tensor, torch.Tensor], None], said: str, threshold: float
) -> None:
    sound, found = scores(answers(nothing), threshold), scores(answers(damage), threshold)
    assert [one.fault for one in sound] == ["", "", ""]
    assert [one.fault for one in found] == ["", f"NaN or infinite: {said}", ""]
    for number in (0, 2):
        assert found[number].ious.tolist() == sound[number].ious.tolist()
        assert found[number].mask.to_rle() == sound[number].mask.to_rle()
    assert found[1].selected is None
    assert found[1].mask_logits is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_large_numbers_are_numbers_though_their_sum_is_none(dtype: torch.dtype) -> None:
    values = torch.full((2, 300, 300), torch.finfo(dtype).max, dtype=dtype)
    assert all_finite(values)
    assert fault(values, torch.ones(2)) == ""
    values[1, 4, 7] = -math.inf
    assert not all_finite(values)
    assert fault(values, torch.ones(2)).endswith("1 of 90,000 logits of candidate 2 of 2")


@pytest.mark.parametrize("threshold", [0.0, 0.25])
def test_half_precision_that_overflows_is_said(threshold: float) -> None:
    found = answers(nothing)
    assert isinstance(found.logits, torch.Tensor)
    halves = (found.logits * 60_000).half()
    over = (~torch.isfinite(halves)).flatten(2).sum(dim=2)
    assert over.all()
    half = Prediction(halves, found.predicted_iou, found.frames)
    for one, (first, second) in zip(scores(half, threshold), over.tolist(), strict=True):
        assert f"{first} of 384 logits of candidate 1" in one.fault
        assert f"{second} of 384 logits of candidate 2" in one.fault
