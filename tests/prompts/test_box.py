"""Boxes at the picture's edge, and what no box can be made of."""

from __future__ import annotations

import numpy as np
import pytest

from bench.prompts.box import Box, loosened_box
from bench.protocol import Protocol
from bench.types import BenchError, Mask, Target


def test_a_noisy_box_ends_at_the_picture() -> None:
    mask = Mask.from_dense(np.ones((40, 90), bool))
    tight = Protocol().box_of(Target("all", mask))
    rng = np.random.default_rng(1)
    boxes = np.array([loosened_box(tight, mask, 0.1, 20.0, rng) for _ in range(200)])
    assert boxes.min(axis=0)[:2].tolist() == [0, 0]
    assert boxes.max(axis=0)[2:].tolist() == [89, 39]
    at_the_edge = boxes == [0, 0, 89, 39]
    assert (at_the_edge.mean(axis=0) > 0.4).all(), "half of the noise leads outside"
    assert (at_the_edge.mean(axis=0) < 0.6).all()


def test_corners_that_noise_swaps_are_put_in_order() -> None:
    dense = np.zeros((300, 500), bool)
    dense[100:103, 200:202] = True
    mask, rng = Mask.from_dense(dense), np.random.default_rng(2)
    tight = Protocol().box_of(Target("thin", mask))
    boxes = np.array([loosened_box(tight, mask, 5.0, 20.0, rng) for _ in range(200)])
    assert (boxes[:, 0] <= boxes[:, 2]).all()
    assert (boxes[:, 1] <= boxes[:, 3]).all()
    assert (boxes[:, 2] - boxes[:, 0]).mean() == pytest.approx(11.3, rel=0.1)  # 2σ/√π
    assert (boxes[:, 3] - boxes[:, 1]).mean() == pytest.approx(15.5, rel=0.15)


def test_a_box_needs_a_mask_and_possible_numbers() -> None:
    with pytest.raises(ValueError, match="an empty mask has no box"):
        Protocol().box_of(Target("none", Mask.from_dense(np.zeros((4, 6), bool))))
    with pytest.raises(BenchError, match=r"0 or more clicks, found -1$"):
        Box(-1, protocol=Protocol())
    for noise in ({"noise_std": -0.1}, {"noise_cap": -1.0}):
        with pytest.raises(BenchError, match="must not be negative"):
            Box(**noise, protocol=Protocol())
