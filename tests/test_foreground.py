"""Masks from a part of the picture equal those of the whole, to the pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from bench import foreground as module
from bench.foreground import foreground
from bench.scoring import upscale
from bench.types import Frame


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


SIZES = [(150, 225), (256, 171), (64, 50), (600, 800), (777, 301), (1500, 2250)]


@pytest.mark.parametrize(("grid", "canvas"), [(128, 256), (256, 1024), (32, 128), (64, 64)])
@pytest.mark.parametrize("size", SIZES)
def test_equals_the_mask_of_the_whole_picture(
    grid: int, canvas: int, size: tuple[int, int]
) -> None:
    frame = frame_of(canvas, *size)
    made = 0
    for seed in range(8):
        logits = blob(seed, grid, roughness=(0.0, 1.0)[seed % 2], size=0.02 + 0.02 * seed)
        found = foreground(logits, frame)
        if found is None:
            continue
        made += 1
        whole = (upscale(logits[None, None], frame) > 0)[0, 0].numpy()
        assert np.array_equal(found.dense(), whole)
    assert made >= 3


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
    whole = (upscale(torch.from_numpy(cells)[None, None], frame) > 0)[0, 0].numpy()
    assert found is not None
    assert np.array_equal(found.dense(), whole)


def test_zeros_and_the_smallest_numbers_are_cut_as_in_the_whole_picture() -> None:
    frame = frame_of(256, 301, 403)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        cells = rng.choice(np.float32([-0.1, 0.1, 0.0, 1e-30, -1e-30, 0.3, -0.3]), (128, 128))
        cells[:, 40:] = -1
        cells[30:] = -1
        found = foreground(torch.from_numpy(cells), frame)
        whole = (upscale(torch.from_numpy(cells)[None, None], frame) > 0)[0, 0].numpy()
        assert found is None or np.array_equal(found.dense(), whole)


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


def test_the_weights_are_the_kernels_own() -> None:
    for size, enlarged in ((683, 1500), (1024, 2250), (96, 97), (200, 77), (5, 400)):
        taps = module._taps(size, enlarged)
        values = torch.randn(size, generator=torch.Generator().manual_seed(size))
        told = torch.nn.functional.interpolate(
            values[None, None, :, None], (enlarged, 1), mode="bilinear", align_corners=False
        )[0, 0, :, 0].numpy()
        x = values.numpy().astype(np.float64)
        mixed = x[taps.first] * (1.0 - taps.weight) + x[taps.second] * taps.weight
        assert np.abs(mixed - told).max() < 1e-6
