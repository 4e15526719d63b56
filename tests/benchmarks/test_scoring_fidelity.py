"""What ``benchmarks/scoring_fidelity.py`` counts, and that a wrong pixel would not pass."""

from __future__ import annotations

from typing import Any

import pytest
import scoring_fidelity
import torch
from small_sam import build_small_sam

from bench.types import Frame, Prediction


def close_to_the_threshold() -> Prediction:
    """Three candidates whose rows cross 0 within a rounding of pixels that a picture has."""
    frame = Frame((128, 128), (96, 16), (1500, 250))
    levels = torch.tensor([0.1, -0.3, 0.1 + 1e-7, -0.3 - 1e-7, 0.3, -0.1])
    chosen = torch.randint(len(levels), (1, 3, 32, 32), generator=torch.manual_seed(2))
    return Prediction(levels[chosen], torch.ones(1, 3), [frame])


def test_pixels_that_differ_are_counted_and_lie_within_rounding() -> None:
    found = scoring_fidelity.line("levels", None, [close_to_the_threshold()], build_small_sam())
    assert (found.masks, found.pixels) == (3, 3 * 1500 * 250)
    assert 0 < found.differ < found.pixels / 100
    assert 0 < found.masks_differ <= 3
    assert found.farthest < 0.5


def test_a_pixel_farther_than_rounding_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    straight = scoring_fidelity.official

    def shifted(sam: Any, logits: torch.Tensor, frame: Frame) -> Any:
        return straight(sam, logits + 0.01, frame)

    monkeypatch.setattr(scoring_fidelity, "official", shifted)
    found = scoring_fidelity.line("levels", None, [close_to_the_threshold()], build_small_sam())
    assert found.farthest > 1
    text = scoring_fidelity.page([found], "demo_s")
    assert f"| levels | own | 3 | 1 | {found.differ:,} | 3 |" in text


def test_larger_pictures_keep_their_shape() -> None:
    frame = Frame((1024, 1024), (768, 1024), (600, 800))
    assert scoring_fidelity.enlarged(frame, None) == frame
    assert scoring_fidelity.enlarged(frame, 4000).image == (3000, 4000)
