"""Masks on the grids of scripts, against the scripts' own resizing, and places in the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from oddities import random_blob

from bench.prompts.grids import GRIDS, long_256, long_1024, square_1024
from bench.prompts.placement import Clicker
from bench.protocol import Protocol
from bench.types import BenchError, BoolArray, Mask

RNG = np.random.default_rng(0)
NO_CLICKS = np.zeros((0, 2), dtype=np.float32)
SIZES = [(30, 47), (303, 384), (640, 427), (1100, 1500), (1, 90)]


def blob(height: int, width: int) -> BoolArray:
    if height == 1:
        return np.arange(width)[None] // 20 % 2 == 1
    return random_blob(np.random.default_rng(height), height, width)


def framed(dense: BoolArray) -> torch.Tensor:
    """EdgeSAM's truth: the nearest pixel, 1024 on the long side, zeros to the right and below."""
    height, width = dense.shape
    scale = 1024 / max(height, width)
    h, w = int(height * scale + 0.5), int(width * scale + 0.5)
    small = torch.from_numpy(dense).float()[None, None]
    wide = F.interpolate(small, (max(h, 1), max(w, 1)), mode="nearest")
    return F.pad(wide, (0, 1024 - wide.shape[3], 0, 1024 - wide.shape[2]))


@pytest.mark.parametrize("size", SIZES)
def test_targets_look_as_edge_sam_resizes_them(size: tuple[int, int]) -> None:
    dense = blob(*size)
    expected = framed(dense)
    fine = long_1024(*size).of_target(Mask.from_dense(dense)).dense()
    assert np.array_equal(fine, expected[0, 0, : fine.shape[0], : fine.shape[1]].numpy() > 0)
    assert fine.sum() == expected.sum()
    halved = F.interpolate(expected, (256, 256), mode="bilinear")[0, 0].numpy() > 0
    coarse = long_256(*size).of_target(Mask.from_dense(dense)).dense()
    assert np.array_equal(coarse, halved[: coarse.shape[0], : coarse.shape[1]])
    assert coarse.sum() == halved.sum() or size[0] == 1, "a picture of one row fills half a cell"


def test_a_prediction_is_looked_at_where_its_logits_lie() -> None:
    """The middle of a cell, which lies between four pixels of SAM's input."""
    logits = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 1, 32, 32))).float()
    logits = F.interpolate(logits, (256, 256), mode="bilinear")
    wide = F.interpolate(F.interpolate(logits, (1024, 1024), mode="bilinear")[..., :768, :],
                         (480, 640), mode="bilinear")  # fmt: skip
    predicted = Mask.from_dense((wide > 0)[0, 0].numpy())
    seen = long_256(480, 640).of_prediction(predicted).dense()
    assert seen.shape == (192, 256)
    expected = (logits > 0)[0, 0, :192].numpy()
    assert (seen == expected).mean() > 0.985
    assert (seen[1:] == expected[:-1]).mean() < 0.95, "a cell beside would show"


def test_a_squashed_mask_keeps_its_places() -> None:
    dense = np.zeros((200, 800), bool)
    dense[50:150, 400:] = True
    seen = square_1024(200, 800).of_target(Mask.from_dense(dense))
    assert seen.box == (512, 256, 1023, 767)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("grid", GRIDS)
def test_a_click_lies_in_the_target_or_beside_it(grid: str, size: tuple[int, int]) -> None:
    dense = blob(*size)
    clicker = Clicker.of(Protocol(first_grid=grid, next_grid=grid))
    target, nothing = Mask.from_dense(dense), Mask.empty(*size)
    first = clicker.first(target, RNG)
    assert clicker.next(target, nothing, None, NO_CLICKS, RNG) == first
    (x, y), label = first
    assert label == 1
    assert 0 <= x < size[1]
    assert 0 <= y < size[0]
    near = dense[max(0, int(y) - 1) : int(y) + 3, max(0, int(x) - 1) : int(x) + 3]
    assert near.any()


def test_a_target_that_the_grid_loses_is_clicked_on_the_image() -> None:
    dense = np.zeros((2048, 3000), bool)
    dense[7, 2998] = True
    for grid in GRIDS:
        place, label = Clicker.of(Protocol(first_grid=grid)).first(Mask.from_dense(dense), RNG)
        assert (np.abs(np.subtract(place, (2998, 7))).max() <= 3, label) == (True, 1)


def test_clicked_pixels_are_left_out_on_a_grid_too() -> None:
    clicker = Clicker.of(Protocol(next_grid="square_1024"))
    target, nothing = Mask.from_dense(blob(303, 384)), Mask.empty(303, 384)
    clicked, places = NO_CLICKS, set()
    for _ in range(5):
        click = clicker.next(target, nothing, None, clicked, RNG)
        assert click is not None
        places.add(click[0])
        clicked = np.concatenate([clicked, np.array([click[0]], np.float32)])
    assert len(places) == 5


def test_few_wrong_pixels_take_no_click() -> None:
    target, missing = np.zeros((30, 50), bool), np.zeros((30, 50), bool)
    target[5:20, 7:30] = missing[5:20, 7:30] = True
    missing[5, 7:16] = False
    masks = Mask.from_dense(target), Mask.from_dense(missing)
    nine, ten = (Clicker.of(Protocol(min_error=n)) for n in (9, 10))
    assert nine.next(*masks, None, NO_CLICKS, RNG) == ((7, 5), 1)
    assert ten.next(*masks, None, NO_CLICKS, RNG) is None
    ignore = np.zeros((30, 50), bool)
    ignore[5, 7] = True
    assert nine.next(*masks, ignore, NO_CLICKS, RNG) is None


def test_where_no_error_is_left_the_corner_may_be_clicked() -> None:
    mask = Mask.from_dense(blob(30, 47))
    assert Clicker.of(Protocol()).next(mask, mask, None, NO_CLICKS, RNG) is None
    corner = Clicker.of(Protocol(no_error="corner"))
    assert corner.next(mask, mask, None, NO_CLICKS, RNG) == ((0, 0), 0)


def test_an_unknown_grid_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BenchError, match="unknown grid rule 'round'; there are image, long_1024"):
        Clicker.of(Protocol(next_grid="round"))
