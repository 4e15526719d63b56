from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.types import Frame
from bench.upscaling import mixes, upscale

SIDES = [(64, 256, 171, 600), (32, 32, 32, 32), (32, 96, 70, 211), (20, 13, 9, 300), (8, 32, 32, 5)]
SIDES += [(1, 4, 3, 7), (2, 2, 1, 9), (256, 1024, 1024, 2250), (128, 256, 193, 4000)]


@pytest.mark.parametrize("side", SIDES)
def test_mixes_are_what_the_kernel_mixes(side: tuple[int, int, int, int]) -> None:
    """Every cell's share in every pixel, read off the kernel by setting that cell alone."""
    grid, canvas, content, image = side
    frame = Frame((canvas, 3), (content, 3), (image, 3))
    told = upscale(torch.eye(grid)[:, None, :, None].expand(-1, 1, -1, 3), frame)[
        :, 0, :, 1
    ].numpy()
    mixed = mixes(grid, canvas, content, image, "cpu")
    found = np.zeros((image, grid))
    np.add.at(found, (np.arange(image)[:, None], mixed.cells), mixed.weights)
    np.testing.assert_allclose(found, told.T, rtol=0, atol=1e-6)
    assert (np.diff(mixed.first) >= 0).all()
    assert (np.diff(mixed.last) >= 0).all()


@pytest.mark.parametrize("side", SIDES)
def test_a_cell_reaches_the_pixels_that_mix_it(side: tuple[int, int, int, int]) -> None:
    mixed = mixes(*side, "cpu")
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
