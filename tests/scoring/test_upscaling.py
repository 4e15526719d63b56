from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.scoring.upscaling import Mixes, mixes, upscale, upscaled_at
from bench.types import Frame

SIDES = [(64, 256, 171, 600), (32, 32, 32, 32), (32, 96, 70, 211), (20, 13, 9, 300), (8, 32, 32, 5)]
SIDES += [(1, 4, 3, 7), (2, 2, 1, 9), (256, 1024, 1024, 2250), (128, 256, 193, 4000)]


def laid(axis: int, one: int, other: int) -> tuple[int, int]:
    """A (height, width) of which ``one`` is the side of the axis."""
    return (other, one) if axis else (one, other)


def of(side: tuple[int, int, int, int], axis: int, beside: int, together: int) -> Mixes:
    grid, *lengths = side
    frame = Frame(*(laid(axis, each, beside) for each in lengths))
    return mixes(axis, laid(axis, grid, beside), frame, together)


@pytest.mark.parametrize("beside", [3, 120])
@pytest.mark.parametrize(
    "together",
    [1, pytest.param(2, marks=pytest.mark.long), 3, pytest.param(4, marks=pytest.mark.long)],
)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("side", SIDES)
def test_mixes_are_what_the_kernel_mixes(
    side: tuple[int, int, int, int], axis: int, together: int, beside: int
) -> None:
    """Every cell's share in every pixel, read off the kernel by setting that cell alone."""
    grid, canvas, content, image = side
    frame = Frame(*(laid(axis, each, beside) for each in (canvas, content, image)))
    mixed = of(side, axis, beside, together)
    found = np.zeros((image, grid), np.float32)
    np.add.at(found, (np.arange(image)[:, None], mixed.cells), mixed.weights)
    for cell in range(0, grid, 1 + grid // 16):
        alone = torch.zeros(1, together, *laid(axis, grid, beside))
        alone.select(2 + axis, cell).fill_(1)
        told = upscale(alone, frame)[0, together - 1].select(1 - axis, 1).numpy()
        # A product and a sum are rounded, the weights themselves are the kernel's.
        np.testing.assert_allclose(found[:, cell], told, rtol=3e-7, atol=1e-9)
    assert (np.diff(mixed.first) >= 0).all()
    assert (np.diff(mixed.last) >= 0).all()


@pytest.mark.parametrize("side", SIDES)
def test_a_cell_reaches_the_pixels_that_mix_it(side: tuple[int, int, int, int]) -> None:
    mixed = of(side, 0, 3, 1)
    for low in range(0, side[0], max(1, side[0] // 7)):
        high = min(side[0] - 1, low + 2)
        start, end = mixed.reach(low, high)
        hit = ((mixed.cells >= low) & (mixed.cells <= high) & (mixed.weights > 0)).any(axis=1)
        touched = np.flatnonzero(hit)
        if touched.size:
            assert start <= touched[0]
            assert end >= touched[-1] + 1
        if side[1] >= side[0]:
            assert hit[start:end].all()


@pytest.mark.parametrize(
    "together",
    [1, pytest.param(2, marks=pytest.mark.long), 3, pytest.param(4, marks=pytest.mark.long)],
)
@pytest.mark.parametrize(
    ("grid", "frame"),
    [
        ((64, 64), Frame((256, 256), (192, 256), (900, 1200))),
        ((256, 256), Frame((1024, 1024), (683, 1024), (1500, 2250))),
        ((32, 32), Frame((64, 64), (48, 64), (50, 67))),
        ((32, 32), Frame((64, 64), (48, 64), (57, 72))),
        ((32, 32), Frame((128, 128), (96, 128), (96, 128))),
        ((20, 30), Frame((20, 30), (20, 30), (77, 41))),
    ],
)
def test_one_pixel_is_the_whole_picture_s_to_the_last_bit(
    grid: tuple[int, int], frame: Frame, together: int
) -> None:
    rng = np.random.default_rng(together)
    logits = torch.from_numpy(rng.normal(0, 3, grid).astype(np.float32))
    straight = upscale(logits.expand(1, together, -1, -1).contiguous(), frame)[0, -1]
    height, width = frame.image
    asked = 0
    for row, column in zip(rng.integers(0, height, 400), rng.integers(0, width, 400), strict=True):
        value = upscaled_at(logits, frame, int(row), int(column), together)
        if value is not None:
            asked += 1
            assert value == float(straight[row, column])
    assert asked > 300


def test_a_pixel_on_the_border_mixes_no_two_by_two() -> None:
    frame = Frame((256, 256), (192, 256), (900, 1200))
    logits = torch.ones(64, 64)
    assert upscaled_at(logits, frame, 899, 600) is None
    assert upscaled_at(logits, frame, 450, 1199) is None
    assert upscaled_at(logits, frame, 450, 600) == 1
