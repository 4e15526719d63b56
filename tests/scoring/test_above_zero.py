"""Masks from a part of the picture equal those of the whole, to the pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from bench.scoring.above_zero import foreground, foregrounds
from bench.scoring.score import upscale
from bench.types import BoolArray, Frame


def frame_of(canvas: int, height: int, width: int) -> Frame:
    scale = canvas / max(height, width)
    content = int(height * scale + 0.5), int(width * scale + 0.5)
    return Frame((canvas, canvas), content, (height, width))


def blob(seed: int, grid: int, roughness: float, size: float) -> torch.Tensor:
    """Logits above 0 in a ragged disc of ``size`` of the grid somewhere, often at the border."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (grid, grid)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), roughness) if roughness else noise
    yy, xx = np.mgrid[:grid, :grid]
    cy, cx = rng.uniform(0, grid, 2)
    slope = rng.uniform(0.2, 2) * (size * grid - np.hypot(yy - cy, xx - cx))
    return torch.from_numpy((slope + noise).astype(np.float32))


LONG = pytest.mark.long
LARGE = (1500, 2250)
SIZES = [(150, 225), (256, 171), (64, 50), (600, 800), (777, 301), pytest.param(LARGE, marks=LONG)]


def whole(logits: torch.Tensor, frame: Frame, together: int = 1) -> BoolArray:
    """The mask of (h, w) logits, upscaled with as many channels by the kernel itself."""
    cells = logits.expand(1, together, -1, -1).contiguous()
    mask: BoolArray = (upscale(cells, frame) > 0)[0, 0].numpy()
    return mask


@pytest.mark.parametrize(
    "together", [1, pytest.param(2, marks=LONG), 3, pytest.param(4, marks=LONG)]
)
@pytest.mark.parametrize(("grid", "canvas"), [(128, 256), (256, 1024), (32, 128), (64, 64)])
@pytest.mark.parametrize("size", SIZES)
def test_equals_the_mask_of_the_whole_picture(
    grid: int, canvas: int, size: tuple[int, int], together: int
) -> None:
    frame = frame_of(canvas, *size)
    made = 0
    for seed in range(8):
        logits = blob(seed, grid, roughness=(0.0, 1.0)[seed % 2], size=0.02 + 0.02 * seed)
        found = foreground(logits, frame, together)
        if found is None:
            continue
        made += 1
        assert np.array_equal(found.dense(), whole(logits, frame, together))
    assert made >= 3


@pytest.mark.parametrize("together", [1, 3])
def test_near_the_threshold_the_last_bits_are_those_of_all_candidates_in_one_call(
    together: int,
) -> None:
    """Columns of levels a rounding apart: the order of the sums decides a sign, or doesn't."""
    frame = Frame((64, 64), (48, 64), (96, 128))
    decided = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        levels = np.float32([0.1, -0.3, 0.1 + 1e-7, -0.3 - 1e-7, 0.2, -0.7])
        cells = np.full((64, 64), -1, np.float32)
        cells[9:15, 20:23] = rng.choice(levels, 3)
        found = foreground(torch.from_numpy(cells), frame, together)
        if found is not None:
            decided += 1
            assert np.array_equal(found.dense(), whole(torch.from_numpy(cells), frame, together))
    assert 0 < decided < 40, "some must be left to the kernel"


@pytest.mark.parametrize("size", [(20, 30), (50, 78), (50, 79), (301, 403)])
def test_all_candidates_are_those_of_one_call(size: tuple[int, int]) -> None:
    """Small and large, empty and full, some from a part and some from the whole picture."""
    frame = frame_of(128, *size)
    for seed in range(12):
        sizes = np.random.default_rng(seed).uniform(0.01, 0.7, 3)
        logits = torch.stack([blob(100 * seed + i, 32, 0.0, s) for i, s in enumerate(sizes)])
        straight = (upscale(logits[None], frame)[0] > 0).numpy()
        found = foregrounds(logits, frame)
        assert all(np.array_equal(f.dense(), s) for f, s in zip(found, straight, strict=True))


def test_one_candidate_alone_would_have_other_last_bits() -> None:
    """Of three candidates at once torch's kernel places pixels a little apart from that of one."""
    frame = Frame((64, 64), (48, 8), (1500, 250))
    differ = 0
    for pixel in range(300, 400):
        place = (pixel + 0.5) * 48 / 1500 - 0.5
        first, second = 1 - place % 1, place % 1
        logits = torch.full((3, 64, 64), -1.0)
        logits[:, int(place), 2:6] = 0.1
        logits[:, int(place) + 1, 2:6] = -0.1 * first / second
        straight = (upscale(logits[None], frame)[0] > 0).numpy()
        found = foregrounds(logits, frame)
        assert all(np.array_equal(f.dense(), s) for f, s in zip(found, straight, strict=True))
        differ += not np.array_equal(whole(logits[0], frame), straight[0])
    assert differ > 0, "or this says nothing"


def test_what_is_no_number_is_left_to_the_kernel() -> None:
    logits = torch.full((32, 32), -1.0)
    logits[4:7, 4:7] = torch.inf
    assert foreground(logits, frame_of(128, 50, 70)) is None


def test_a_sign_that_hangs_on_the_rounding_is_left_to_the_whole_picture() -> None:
    """Twice as large, 3/4 of 0.1 and 1/4 of -0.3 are mixed: 0, or a rounding above or below."""
    frame = Frame((64, 64), (48, 64), (96, 128))
    cells = np.full((64, 64), -1, np.float32)
    cells[10:14, 20:25] = 0.1
    safe = foreground(torch.from_numpy(cells), frame)
    assert safe is not None
    cells[9:15, 19] = -0.3
    assert foreground(torch.from_numpy(cells), frame) is None
    cells[9:15, 19] = -0.30001
    found = foreground(torch.from_numpy(cells), frame)
    assert found is not None
    assert np.array_equal(found.dense(), whole(torch.from_numpy(cells), frame))


@pytest.mark.parametrize("together", [1, 3])
def test_where_few_signs_hang_on_the_rounding_the_kernel_is_asked_for_those_pixels(
    together: int,
) -> None:
    """3/4 of 0.1 and 1/4 of about -0.3, on a picture that is large beside the six pixels."""
    frame = Frame((1024, 1024), (768, 1024), (768, 1024))
    above = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        cells = np.full((512, 512), -1, np.float32)
        cells[100:104, 200:205] = 0.1 + rng.choice([0, 1e-8, 2e-8])
        cells[99:105, 199] = -0.3 - rng.choice([0, 3e-8, 6e-8, -3e-8])
        found = foreground(torch.from_numpy(cells), frame, together)
        assert found is not None
        straight = whole(torch.from_numpy(cells), frame, together)
        assert np.array_equal(found.dense(), straight)
        above.add(bool(straight[203, 400]))
    assert above == {False, True}, "or this says nothing"


def test_zeros_and_the_smallest_numbers_are_cut_as_in_the_whole_picture() -> None:
    frame = frame_of(256, 301, 403)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        cells = rng.choice(np.float32([-0.1, 0.1, 0.0, 1e-30, -1e-30, 0.3, -0.3]), (128, 128))
        cells[:, 40:] = -1
        cells[30:] = -1
        found = foreground(torch.from_numpy(cells), frame)
        expected = whole(torch.from_numpy(cells), frame)
        assert found is None or np.array_equal(found.dense(), expected)


def test_nothing_above_zero_is_an_empty_mask() -> None:
    found = foreground(torch.zeros(32, 32), frame_of(128, 50, 70))
    assert found is not None
    assert (found.area, found.shape) == (0, (50, 70))


def test_what_lies_in_the_padding_alone_is_an_empty_mask() -> None:
    logits = torch.full((32, 32), -1.0)
    logits[30, 5] = 9
    frame = frame_of(128, 40, 128)
    found = foreground(logits, frame)
    assert found is not None
    assert found.area == 0
    assert not (upscale(logits[None, None], frame) > 0).any()


def test_large_masks_and_other_grids_take_the_whole_picture() -> None:
    assert foreground(torch.ones(32, 32), frame_of(128, 50, 70)) is None
    logits = torch.full((30, 30), -1.0)
    logits[3, 3] = 1
    assert foreground(logits, Frame((100, 100), (60, 100), (60, 100))) is None
    assert foreground(logits, Frame((90, 90), (60, 90), (60, 90))) is None, "three times"
