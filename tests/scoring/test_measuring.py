"""Masks measured in batches, on windows alone, equal those of the whole picture, to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from test_above_zero import blob, frame_of

from bench.scoring import measuring
from bench.scoring.measuring import Measured, measure
from bench.scoring.upscaling import upscale
from bench.scoring.windows import Window
from bench.types import BoolArray, FloatArray, Frame, Mask, Prediction

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
THRESHOLDS = (0.0, -0.040005334613699206, 0.5, -1.0)


def best(predicted_ious: FloatArray) -> int:
    return int(np.argmax(predicted_ious))


def whole_masks(logits: torch.Tensor, frame: Frame, threshold: float) -> list[BoolArray]:
    """(K, h, w) logits: the masks, upscaled in one call of the kernel on the whole picture."""
    return list((upscale(logits[None], frame) > threshold)[0].cpu().numpy())


def check(
    prediction: Prediction,
    targets: Sequence[Mask],
    ignores: Sequence[BoolArray | None],
    threshold: float,
) -> list[Measured]:
    found = measure(prediction, targets, ignores, threshold, best)
    assert len(found) == len(targets)
    for i, one in enumerate(found):
        masks = whole_masks(prediction.logits[i], prediction.frames[i], threshold)
        if (ignore := ignores[i]) is not None:
            masks = [mask & ~ignore for mask in masks]
        assert one.selected == best(prediction.predicted_iou[i].cpu().numpy())
        assert one.areas.tolist() == [mask.sum() for mask in masks]
        assert one.shared.tolist() == [(mask & targets[i].dense()).sum() for mask in masks]
        assert np.array_equal(one.mask.dense(), masks[one.selected])
        logits = prediction.logits[i, one.selected].cpu().numpy()
        assert np.array_equal(one.mask_logits, logits, equal_nan=True)
    return found


def random_frame(rng: np.random.Generator, grid: tuple[int, int]) -> Frame:
    factor = int(rng.integers(1, 5))
    canvas = (factor * grid[0], factor * grid[1])
    if rng.random() < 0.3:
        canvas = (int(rng.integers(1, 3 * grid[0] + 2)), int(rng.integers(1, 3 * grid[1] + 2)))
    content = (int(rng.integers(1, canvas[0] + 1)), int(rng.integers(1, canvas[1] + 1)))
    image = (int(rng.integers(1, 120)), int(rng.integers(1, 120)))
    return Frame(canvas, content, content if rng.random() < 0.2 else image)


def random_logits(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Noise, noise mostly below, plateaus, zeros and the smallest numbers, or lone cells."""
    noise = rng.normal(0, 1, shape).astype(np.float32)
    few = rng.choice(np.float32([-0.1, 0.1, 0.0, 1e-30, -1e-30, 0.3, -0.3]), shape)
    lone = np.where(rng.random(shape) < 0.02, noise + 4, noise - 4)
    kinds = [noise, noise - np.float32(2.5), np.sign(noise) / 2, few, lone]
    return kinds[rng.integers(len(kinds))].astype(np.float32)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.long) for s in (1, 2, 3))])
def test_random_batches_of_many_frames_equal_the_whole_picture(seed: int, device: str) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(150):
        n, k = int(rng.integers(1, 6)), int(rng.choice([1, 2, 3, 4]))
        grid = int(rng.choice([1, 2, 5, 8, 16, 32])), int(rng.choice([1, 3, 8, 16, 32]))
        frames = [random_frame(rng, grid) for _ in range(n)]
        logits = torch.from_numpy(random_logits(rng, (n, k, *grid)))
        predicted = torch.from_numpy(rng.random((n, k)).astype(np.float32))
        targets = [Mask.from_dense(rng.random(frame.image) < 0.3) for frame in frames]
        ignores = [None if rng.random() < 0.5 else rng.random(f.image) < 0.3 for f in frames]
        threshold = float(rng.choice(THRESHOLDS))
        prediction = Prediction(logits.to(device), predicted.to(device), frames)
        check(prediction, targets, ignores, threshold)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_blobs_on_large_pictures_equal_the_whole_picture(
    threshold: float, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Window] = []
    straight = measuring.chunks

    def watched(windows: Sequence[Window], most: int, width: int):  # type: ignore[no-untyped-def]
        seen.extend(windows)
        return straight(windows, most, width)

    monkeypatch.setattr(measuring, "chunks", watched)
    sizes = [(150, 225), (256, 171), (600, 800), (777, 301), (900, 1350)]
    frames = [frame_of(256, *size) for size in sizes] * 6
    logits = [blob(i, 64, (0.0, 1.0)[i % 2], 0.02 + 0.01 * (i % 12)) for i in range(90)]
    stacked = torch.stack(logits).reshape(30, 3, 64, 64)
    predicted = torch.rand(30, 3, generator=torch.Generator().manual_seed(0))
    rng = np.random.default_rng(1)
    targets = [Mask.from_dense(rng.random(frame.image) < 0.5) for frame in frames]
    prediction = Prediction(stacked.to(device), predicted.to(device), frames)
    check(prediction, targets, [None] * 30, threshold)
    assert sum(not window.whole for window in seen) > 60, "the windows are what is tested"


def test_where_rounding_could_decide_the_kernel_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threshold and plateau are one number, so every pixel hangs on the kernel's last bit."""
    logits = torch.full((1, 1, 32, 32), -1.0)
    logits[..., 10:14, 12:17] = 0.1
    frame = Frame((96, 96), (70, 96), (211, 307))
    target = Mask.from_dense(np.ones(frame.image, bool))
    whole: list[bool] = []
    straight = measuring._Batch.compute

    def watched(self, windows, chosen=()):  # type: ignore[no-untyped-def]
        whole.append(all(window.whole for window in windows))
        return straight(self, windows, chosen)

    monkeypatch.setattr(measuring._Batch, "compute", watched)
    check(Prediction(logits, torch.ones(1, 1), [frame]), [target], [None], float(np.float32(0.1)))
    assert whole == [False, True]


def test_numbers_that_are_none_spread_as_in_the_kernel() -> None:
    logits = torch.full((3, 1, 16, 16), -1.0)
    logits[:, :, 4:7, 4:7] = 1
    logits[0, 0, 5, 5] = torch.nan
    logits[1, 0, 5, 5] = torch.inf
    logits[2, 0, 9, 9] = -torch.inf
    frames = [Frame((64, 64), (50, 64), (125, 160))] * 3
    targets = [Mask.from_dense(np.ones((125, 160), bool))] * 3
    check(Prediction(logits, torch.ones(3, 1), frames), targets, [None] * 3, 0.0)


def test_nothing_asked_and_nothing_found() -> None:
    assert (
        measure(Prediction(torch.zeros(0, 3, 8, 8), torch.zeros(0, 3), []), [], [], 0, best) == []
    )
    logits = torch.full((2, 3, 8, 8), -1.0)
    frames = [Frame((32, 32), (20, 32), (50, 80))] * 2
    targets = [Mask.from_dense(np.ones((50, 80), bool))] * 2
    found = check(Prediction(logits, torch.ones(2, 3), frames), targets, [None] * 2, 0.0)
    assert [one.mask.area for one in found] == [0, 0]


@pytest.mark.parametrize("pixels", [1, 3_000, 100_000])
def test_chunks_of_any_size_give_the_same(pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget below one picture is one picture at a time."""
    monkeypatch.setitem(measuring._PIXELS, "cpu", pixels)
    most: list[int] = []
    straight = measuring.packed

    def watched(bits: torch.Tensor) -> torch.Tensor:
        most.append(bits.numel())
        return straight(bits)

    monkeypatch.setattr(measuring, "packed", watched)
    frame = frame_of(128, 60, 97)
    logits = torch.stack([blob(i, 32, 1.0, 0.03 * (1 + i % 8)) for i in range(36)])
    prediction = Prediction(logits.reshape(12, 3, 32, 32), torch.rand(12, 3), [frame] * 12)
    targets = [Mask.from_dense(np.ones(frame.image, bool))] * 12
    check(prediction, targets, [None] * 12, 0.0)
    assert max(most) <= max(pixels, 60 * 104)


def test_near_the_threshold_the_last_bits_are_those_of_the_whole_picture() -> None:
    """Columns of levels a rounding apart: the order of the sums decides a sign, or doesn't."""
    frame = Frame((64, 64), (48, 64), (96, 128))
    levels = np.float32([0.1, -0.3, 0.1 + 1e-7, -0.3 - 1e-7, 0.2, -0.7])
    target = Mask.from_dense(np.ones(frame.image, dtype=bool))
    for seed in range(60):
        cells = np.full((1, 3, 64, 64), -1, np.float32)
        cells[..., 9:15, 20:23] = np.random.default_rng(seed).choice(levels, (1, 3, 1, 3))
        prediction = Prediction(torch.from_numpy(cells), torch.rand(1, 3), [frame])
        check(prediction, [target], [None], 0.0)
