from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from oddities import odd_masks, random_blob
from plain_masks import plain_mask

from bench.protocol import Protocol
from bench.scoring.metrics import metric
from bench.scoring.metrics.boundary_iou import boundary_iou
from bench.scoring.metrics.dice import dice
from bench.scoring.metrics.iou import iou
from bench.scoring.score import Aim, score
from bench.types import BoolArray, Frame, Prediction
from bench.types.mask import Mask

METRICS = [metric("boundary_iou"), metric("dice")]


def prediction_of(masks: list[list[BoolArray]], predicted: list[list[float]]) -> Prediction:
    logits = torch.tensor(np.array(masks), dtype=torch.float32) * 2 - 1
    frame = Frame.identity((logits.shape[2], logits.shape[3]))
    return Prediction(logits, torch.tensor(predicted), [frame] * len(masks))


def test_candidates_score_as_one_by_one() -> None:
    rng = np.random.default_rng(4)
    for _ in range(100):
        dense = [random_blob(rng, 21, 34) for _ in range(4)]
        target = Mask.from_dense(dense.pop())
        expected = [iou(Mask.from_dense(mask), target) for mask in dense]
        (found,) = score(prediction_of([dense], [[0.1, 0.3, 0.2]]), [Aim(target)], Protocol())
        assert found.ious.tolist() == expected


def test_the_most_confident_counts_and_the_oracle_is_the_best() -> None:
    masks = odd_masks()
    target = Mask.from_dense(masks["hole"])
    prediction = prediction_of([[masks["parts"], masks["hole"], masks["all"]]], [[0.5, 0.2, 0.9]])
    (found,) = score(prediction, [Aim(target)], Protocol())
    assert found.selected == 2
    assert found.iou == pytest.approx(masks["hole"].sum() / (11 * 17))
    assert found.iou_oracle == 1.0
    assert np.array_equal(found.mask.dense(), masks["all"])


def test_of_equal_confidence_the_first_counts() -> None:
    masks = odd_masks()
    prediction = prediction_of([[masks["none"], masks["all"]]], [[0.5, 0.5]])
    (found,) = score(prediction, [Aim(Mask.from_dense(masks["all"]))], Protocol(), METRICS)
    assert (found.selected, found.iou, found.metrics["boundary_iou"]) == (0, 0.0, 0.0)


def test_zero_is_background() -> None:
    prediction = Prediction(torch.zeros(1, 1, 4, 6), torch.ones(1, 1), [Frame.identity((4, 6))])
    (found,) = score(prediction, [Aim(Mask.from_dense(np.ones((4, 6), bool)))], Protocol())
    assert found.mask.area == 0


def test_the_protocol_sets_the_threshold() -> None:
    logits = torch.tensor([[[[-0.05, -0.03, 0.0, 0.01]]]])
    prediction = Prediction(logits, torch.ones(1, 1), [Frame.identity((1, 4))])
    target = Mask.from_dense(np.ones((1, 4), bool))
    areas = [
        score(prediction, [Aim(target)], Protocol(threshold=at))[0].mask.area
        for at in (0.0, -0.04, -1.0)
    ]
    assert areas == [1, 3, 4]


def test_ignored_pixels_count_on_neither_side() -> None:
    target, predicted = np.zeros((6, 9), bool), np.zeros((6, 9), bool)
    target[:, :4], predicted[:, 2:6] = True, True
    ignore = np.zeros((6, 9), bool)
    ignore[:, 4:] = True
    prediction = prediction_of([[predicted]], [[1.0]])
    (found,) = score(prediction, [Aim(Mask.from_dense(target), ignore)], Protocol())
    assert found.iou == pytest.approx(0.5)
    assert not found.mask.dense()[:, 4:].any()


@pytest.mark.parametrize("threshold", [0.0, -0.3])
def test_several_frames_in_one_batch_score_as_one_by_one(threshold: float) -> None:
    generator = torch.Generator().manual_seed(1)
    frames = [Frame((32, 32), (20, 32), (50, 80))] * 5 + [Frame((32, 32), (32, 24), (90, 70))] * 4
    logits = torch.randn(9, 3, 8, 8, generator=generator)
    predicted = torch.rand(9, 3, generator=generator)
    rng = np.random.default_rng(2)
    aims = [Aim(Mask.from_dense(random_blob(rng, *frame.image))) for frame in frames]
    protocol = Protocol(threshold=threshold)
    together = score(Prediction(logits, predicted, frames), aims, protocol)
    for i, one in enumerate(together):
        alone = Prediction(logits[i : i + 1], predicted[i : i + 1], frames[i : i + 1])
        (single,) = score(alone, aims[i : i + 1], protocol)
        assert single.ious.tolist() == one.ious.tolist()
        assert single.mask.to_rle() == one.mask.to_rle()
        assert one.mask.shape == frames[i].image


def test_what_is_left_to_the_host_may_be_done_in_threads() -> None:
    masks = odd_masks()
    prediction = prediction_of(
        [[masks["hole"]], [masks["parts"]], [masks["all"]]] * 5, [[0.5]] * 15
    )
    aims = [Aim(Mask.from_dense(masks["all"]))] * 15
    straight = score(prediction, aims, Protocol(), METRICS)
    with ThreadPoolExecutor(3) as pool:
        threaded = score(prediction, aims, Protocol(), METRICS, pool.map)
    assert [s.metrics for s in straight] == [s.metrics for s in threaded]
    assert [s.mask.to_rle() for s in straight] == [s.mask.to_rle() for s in threaded]


def test_kept_logits_keep_no_batch_alive() -> None:
    prediction = Prediction(torch.ones(4, 3, 8, 8), torch.ones(4, 3), [Frame.identity((8, 8))] * 4)
    found = score(prediction, [Aim(Mask.from_dense(np.ones((8, 8), bool)))] * 4, Protocol())
    assert all(one.mask_logits.base is None for one in found)


def test_large_pictures_are_scored_as_on_the_whole_grid() -> None:
    rng = np.random.default_rng(5)
    frame = Frame((128, 128), (96, 128), (301, 402))
    logits = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(2)) - 2
    logits[:, :, 5:9, 6:12] += 4
    predicted = torch.rand(6, 3, generator=torch.Generator().manual_seed(3))
    targets = [Mask.from_dense(random_blob(rng, *frame.image)) for _ in range(6)]
    ignores = [None, random_blob(rng, *frame.image)] * 3
    aims = [Aim(target, ignore) for target, ignore in zip(targets, ignores, strict=True)]
    cropped = score(Prediction(logits, predicted, [frame] * 6), aims, Protocol(), METRICS)
    for i, one in enumerate(cropped):
        keep = np.ones(frame.image, bool) if ignores[i] is None else ~ignores[i]
        whole = [Mask.from_dense(plain_mask(cells, frame, 0) & keep) for cells in logits[i].numpy()]
        target = Mask.from_dense(targets[i].dense() & keep)
        assert one.ious.tolist() == [iou(mask, target) for mask in whole]
        assert one.mask.to_rle() == whole[one.selected].to_rle()
        assert one.metrics == {
            "boundary_iou": boundary_iou(one.mask, target),
            "dice": dice(one.mask, target),
        }


def test_prompts_may_have_any_number_of_candidates_also_none() -> None:
    """A text finds as many masks as there are; each prompt is scored as it is by itself."""
    rng = np.random.default_rng(7)
    frames = [Frame((64, 64), (48, 64), (97, 130)), Frame.identity((40, 60))] * 4
    counts = [2, 0, 5, 2, 1, 3, 5, 2]
    grids = [
        torch.randn(k, *((16, 16) if i % 2 == 0 else (40, 60)), generator=torch.manual_seed(i))
        for i, k in enumerate(counts)
    ]
    scores = [torch.rand(k, generator=torch.manual_seed(50 + i)) for i, k in enumerate(counts)]
    targets = [Mask.from_dense(random_blob(rng, *frame.image)) for frame in frames]
    ignores = [None, random_blob(rng, *frames[1].image), *[None] * 6]
    aims = [Aim(target, ignore) for target, ignore in zip(targets, ignores, strict=True)]
    together = score(Prediction(grids, scores, frames), aims, Protocol(), METRICS)
    assert [len(one.ious) for one in together] == counts
    for i, one in enumerate(together):
        if not counts[i]:
            assert (one.selected, one.mask.area, one.iou, one.iou_oracle) == (None, 0, 0.0, 0.0)
            assert one.mask.shape == frames[i].image
            assert one.metrics == {"boundary_iou": 0.0, "dice": 0.0}
            continue
        alone = Prediction(grids[i][None], scores[i][None], [frames[i]])
        (single,) = score(alone, [aims[i]], Protocol(), METRICS)
        assert one.ious.tolist() == single.ious.tolist()
        assert (one.selected, one.metrics) == (single.selected, single.metrics)
        assert one.mask.to_rle() == single.mask.to_rle()


def test_estimates_must_be_as_many_as_masks() -> None:
    frames = [Frame.identity((4, 4))] * 2
    with pytest.raises(ValueError, match="an estimate a mask"):
        Prediction([torch.zeros(2, 4, 4), torch.zeros(1, 4, 4)], [torch.zeros(2)] * 2, frames)
