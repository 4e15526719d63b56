"""What is known of masks that answer the wrong targets."""

from __future__ import annotations

import pytest

from bench.tasks.given_masks.matching import Answer, crossed
from bench.types import Mask, Target

A, B, POOR = (2, 3, 12, 9), (20, 4, 30, 14), (2, 3, 4, 4)  # x0, y0, x1, y1


def rectangle(x0: int, y0: int, x1: int, y1: int) -> Mask:
    """On a picture of 24×40 pixels."""
    return Mask.from_rle({"size": [24, 40], "counts": _runs(x0, y0, x1, y1)})


def _runs(x0: int, y0: int, x1: int, y1: int) -> list[int]:
    runs = [x0 * 24 + y0, *[y1 - y0, 24 - (y1 - y0)] * (x1 - x0)]
    return [*runs[:-1], 24 * 40 - sum(runs[:-1])]


@pytest.mark.parametrize(
    ("given", "ious", "found"),
    [
        ({"a": A, "b": B}, {"a": 1.0, "b": 1.0}, 0),
        ({"a": B, "b": A}, {"a": 0.0, "b": 0.0}, 2),
        ({"a": POOR, "b": B}, {"a": 2 / 60, "b": 1.0}, 0),
        ({"b": B}, {"a": 0.0, "b": 1.0}, 0),
        ({"b": A}, {"a": 0.0, "b": 0.0}, 1),
        ({}, {"a": 0.0, "b": 0.0}, 0),
    ],
    ids=["right", "swapped", "poor", "missing", "under another name", "none"],
)
def test_masks_that_fit_another_target_are_counted(
    given: dict[str, tuple[int, int, int, int]], ious: dict[str, float], found: int
) -> None:
    targets = [Target("a", rectangle(*A)), Target("b", rectangle(*B))]
    answers = {name: Answer(rectangle(*box), None, name) for name, box in given.items()}
    assert crossed(ious, answers, targets) == found
