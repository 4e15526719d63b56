"""What is said of one image's masks, on shapes that break code."""

from __future__ import annotations

import numpy as np
import pytest
from oddities import odd_masks

from bench.report.check.facts import KINDS, facts_of, most_overlapping
from bench.types import BoolArray, Mask, Sample, Target

SHAPE = (11, 17)


def sample_of(**masks: BoolArray) -> Sample:
    targets = [
        Target(name, Mask.from_dense(dense), crowd=name.startswith("crowd"))
        for name, dense in masks.items()
    ]
    return Sample("image", np.zeros((*SHAPE, 3), np.uint8), targets)


def kinds_of(sample: Sample) -> dict[str, set[str]]:
    facts = facts_of(sample)
    assert list(facts.kinds) == list(KINDS)
    return {kind: {facts.mask_ids[i] for i in places} for kind, places in facts.kinds.items()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", {"empty"}),
        ("pixel", {"tiny"}),
        ("corner", {"tiny", "border"}),
        ("row", {"tiny", "border"}),
        ("column", {"tiny", "border"}),
        ("hole", {"tiny"}),
        ("parts", {"tiny", "parts", "border"}),
        ("diagonal", {"tiny", "border"}),
        ("all", {"border", "cover"}),
    ],
)
def test_each_odd_mask_alone(name: str, expected: set[str]) -> None:
    found = kinds_of(sample_of(**{name: odd_masks(*SHAPE)[name]}))
    assert {kind for kind, ids in found.items() if ids} == expected


def box(x0: int, y0: int, x1: int, y1: int) -> BoolArray:
    dense = np.zeros(SHAPE, dtype=bool)
    dense[y0 : y1 + 1, x0 : x1 + 1] = True
    return dense


def test_tiny_begins_below_64_pixels() -> None:
    found = kinds_of(sample_of(a=box(1, 1, 9, 7), b=box(1, 1, 8, 8)))
    assert found["tiny"] == {"a"}
    assert facts_of(sample_of(a=box(1, 1, 9, 7))).areas == (63,)


def test_what_overlaps_is_both_and_a_crowd_is_neither() -> None:
    sample = sample_of(
        left=box(1, 1, 5, 5),
        right=box(5, 5, 8, 8),
        apart=box(10, 1, 12, 3),
        crowd=box(9, 0, 16, 10),
        none=box(3, 3, 2, 2),
    )
    found = kinds_of(sample)
    assert found["overlap"] == {"left", "right"}
    assert found["crowd"] == {"crowd"}
    assert facts_of(sample).crowds == 1
    other = most_overlapping(sample, 0)
    assert other is not None
    assert other.box == (5, 5, 8, 8)
    assert most_overlapping(sample, 2) is None
    assert most_overlapping(sample, 4) is None


def test_twins_are_equal_to_the_pixel() -> None:
    found = kinds_of(
        sample_of(a=box(1, 1, 4, 2), b=box(1, 1, 4, 2), moved=box(1, 5, 4, 6), none=box(3, 3, 2, 2))
    )
    assert found["twin"] == {"a", "b"}
    assert found["empty"] == {"none"}


def test_an_image_without_targets() -> None:
    facts = facts_of(sample_of())
    assert facts.areas == ()
    assert not any(facts.kinds.values())
