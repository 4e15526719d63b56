"""Counts and masks of batches equal those of each picture by the plain definition, to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from plain_masks import KINDS, plain_mask, random_frame, random_logits

from bench.scoring import measuring
from bench.scoring.aim import Aim, Measured, RimCounts
from bench.scoring.device import batch as device_batch
from bench.scoring.device.batch import on_device
from bench.scoring.measuring import measure, measure_each
from bench.scoring.metrics.boundary_iou import band_width, boundary
from bench.scoring.overlap import shared_pixels
from bench.types import BoolArray, Candidates, FloatArray, Frame, Mask

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
THRESHOLDS = (0.0, -0.040005334613699206, 0.5, -1.0)
LONG = pytest.mark.long
EVERY = 1000
"""Runs in a column: as many as there are."""


def best(predicted_ious: FloatArray) -> int:
    return int(np.argmax(predicted_ious))


def check(
    prediction: Candidates,
    targets: Sequence[Mask],
    ignores: Sequence[BoolArray | None],
    threshold: float,
    most: int = 1 << 20,
) -> None:
    """Both ways of measuring, on the prediction's device."""
    aims = [Aim(target, ignore) for target, ignore in zip(targets, ignores, strict=True)]
    straight = list(measure(prediction, aims, threshold, best))
    together = on_device(prediction, aims, threshold, best, [band_width], most)
    for found in (straight, together):
        assert len(found) == len(targets)
        for i, one in enumerate(found):
            check_one(one, prediction, i, targets[i], ignores[i], threshold)
    for one, aim in zip(together, aims, strict=True):
        check_extras(one, aim)
    check_each(prediction, aims, threshold, straight)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(measuring, "straight", lambda device: False)
        check_each(prediction, aims, threshold, together)


def check_each(
    prediction: Candidates, aims: Sequence[Aim], threshold: float, expected: Sequence[Measured]
) -> None:
    """With the masks of all candidates, and with no rims to count, nothing else is another."""
    some = list(prediction.each())
    for rims in ([], [band_width]):
        every = list(measure_each(prediction, aims, threshold, best, rims))
        for found, one, aim, (grids, _, frame) in zip(every, expected, aims, some, strict=True):
            assert (found.selected, found.fault) == (one.selected, one.fault)
            if one.fault:
                continue
            for name in ("areas", "shared", "predicted_ious", "mask_logits"):
                assert np.array_equal(getattr(found, name), getattr(one, name)), name
            assert found.rims == (one.rims if rims or one.rims is None else [])
            assert found.candidates is not None
            assert found.candidates[found.selected] is found.mask
            for mask, cells in zip(found.candidates, grids.cpu().numpy(), strict=True):
                plain = plain_mask(cells, frame, threshold)
                kept = plain if aim.ignore is None else plain & ~aim.ignore
                assert np.array_equal(mask.dense(), kept)


def check_one(
    found: Measured,
    prediction: Candidates,
    i: int,
    target: Mask,
    ignore: BoolArray | None,
    threshold: float,
) -> None:
    grids, estimates, frame = list(prediction.each())[i]
    logits = grids.cpu().numpy()
    assert found.selected == best(estimates.cpu().numpy())
    assert np.array_equal(found.mask_logits, logits[found.selected], equal_nan=True)
    if not np.isfinite(logits).all():
        assert found.fault
        assert (found.areas.sum(), found.mask.area) == (0, 0)
        return
    masks = [plain_mask(cells, frame, threshold) for cells in logits]
    if ignore is not None:
        masks = [mask & ~ignore for mask in masks]
    assert found.fault == ""
    assert found.areas.tolist() == [mask.sum() for mask in masks]
    assert found.shared.tolist() == [(mask & target.dense()).sum() for mask in masks]
    assert np.array_equal(found.mask.dense(), masks[found.selected])


def check_extras(found: Measured, aim: Aim) -> None:
    """What a device counts beside: rims and strings, of masks with a tight box."""
    if found.fault:
        return
    mask, theirs = found.mask, boundary(aim.mask)
    ours = boundary(mask)
    assert found.rims == [RimCounts(ours.area, theirs.area, shared_pixels(ours, theirs))]
    tight = Mask.from_dense(mask.dense())
    assert (mask.y0, mask.x0, mask.bits.shape) == (tight.y0, tight.x0, tight.bits.shape)
    assert found.rle in (None, mask.to_rle())
    if mask.area and device_batch._RUNS == EVERY:
        assert found.rle is not None


@pytest.fixture(autouse=True, params=[4, EVERY], ids=["some", "every"])
def runs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for the runs of smooth masks, and for those of any."""
    monkeypatch.setattr(device_batch, "_RUNS", request.param)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("batches", [3, pytest.param(50, marks=LONG)])
@pytest.mark.parametrize("kind", KINDS)
def test_random_batches_of_many_frames(kind: str, batches: int, device: str) -> None:
    rng = np.random.default_rng([KINDS.index(kind), batches])
    for _ in range(batches):
        n, k = int(rng.integers(1, 6)), int(rng.choice([1, 3, 4]))
        grid = int(rng.choice([1, 2, 5, 8, 16, 32])), int(rng.choice([1, 3, 8, 16, 32]))
        frames = [random_frame(rng, grid) for _ in range(1 + n // 2)] * 2
        threshold = float(rng.choice(THRESHOLDS))
        logits = torch.from_numpy(random_logits(rng, (n, k, *grid), threshold, kind))
        predicted = torch.from_numpy(rng.random((n, k)).astype(np.float32))
        targets = [Mask.from_dense(rng.random(frame.image) < 0.3) for frame in frames[:n]]
        ignores = [None if rng.random() < 0.5 else rng.random(f.image) < 0.3 for f in frames[:n]]
        prediction = Candidates.of(logits.to(device), predicted.to(device), frames[:n])
        check(prediction, targets, ignores, threshold, int(rng.choice([1, 5_000, 1 << 20])))


@pytest.mark.long
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("most", [1, 100_000, 1 << 26])
def test_objects_of_many_sizes_are_computed_in_windows(most: int, device: str) -> None:
    rng = np.random.default_rng(1)
    frames = [Frame((256, 256), content, image) for content, image in (
        ((171, 256), (150, 225)), ((256, 171), (256, 171)), ((256, 99), (777, 301)),
    )] * 2  # fmt: skip
    logits = np.stack([random_logits(rng, (3, 64, 64), 0.0, "smooth") for _ in frames])
    predicted = torch.rand(6, 3, generator=torch.manual_seed(0))
    targets = [Mask.from_dense(rng.random(frame.image) < 0.5) for frame in frames]
    prediction = Candidates.of(torch.from_numpy(logits).to(device), predicted.to(device), frames)
    check(prediction, targets, [None] * 6, 0.0, most)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("canvas", "content", "image"),
    [((16, 8), (12, 8), (29, 8)), ((8, 16), (8, 12), (8, 29)), ((8, 8), (8, 8), (8, 8))],
)
def test_a_side_may_be_the_grid_s_own(
    canvas: tuple[int, int], content: tuple[int, int], image: tuple[int, int], device: str
) -> None:
    """Nothing is enlarged across, down, or at all, and some pixels are left open."""
    frame = Frame(canvas, content, image)
    logits = random_logits(np.random.default_rng(2), (6, 3, 8, 8), 0.0, "levels")
    targets = [Mask.from_dense(np.ones(frame.image, bool))] * 6
    predicted = torch.rand(6, 3, generator=torch.manual_seed(0))
    prediction = Candidates.of(
        torch.from_numpy(logits).to(device), predicted.to(device), [frame] * 6
    )
    check(prediction, targets, [None] * 6, 0.0)


@pytest.mark.parametrize("device", DEVICES)
def test_answers_of_zeros_and_ones_are_decided_where_they_can_be_set(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_batch, "_OPEN", 100)
    frame = Frame((64, 64), (48, 64), (97, 130))
    y, x = np.mgrid[:16, :16]
    cells = (np.hypot(y - 6, x - 7) < 4) | (x == 15) | (y == 0)
    logits = torch.from_numpy(cells.astype(np.float32))[None, None]
    prediction = Candidates.of(logits.to(device), torch.ones(1, 1, device=device), [frame])
    check(prediction, [Mask.from_dense(np.ones(frame.image, bool))], [None], 0.0)


@pytest.mark.parametrize("device", DEVICES)
def test_an_answer_that_is_no_number_leaves_its_neighbours_alone(device: str) -> None:
    logits = torch.full((4, 1, 16, 16), -1.0)
    logits[:, :, 4:7, 4:7] = 1
    logits[1, 0, 5, 5], logits[2, 0, 5, 5], logits[3, 0, 9, 9] = torch.nan, torch.inf, -torch.inf
    frames = [Frame((64, 64), (50, 64), (125, 160))] * 4
    targets = [Mask.from_dense(np.ones((125, 160), bool))] * 4
    prediction = Candidates.of(logits.to(device), torch.ones(4, 1, device=device), frames)
    check(prediction, targets, [None] * 4, 0.0)


@pytest.mark.parametrize("device", DEVICES)
def test_nothing_asked_and_nothing_found(device: str) -> None:
    none = Candidates.of(
        torch.zeros(0, 3, 8, 8, device=device), torch.zeros(0, 3, device=device), []
    )
    check(none, [], [], 0.0)
    frames = [Frame((32, 32), (20, 32), (50, 80))] * 2
    targets = [Mask.from_dense(np.ones((50, 80), bool))] * 2
    low = torch.full((2, 3, 8, 8), -1.0, device=device)
    check(Candidates.of(low, torch.ones(2, 3, device=device), frames), targets, [None] * 2, 0.0)
