"""Proposals painted into one label map, and its segments matched with targets one to one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from bench.analysis.sections.label_maps import of_pictures
from bench.scoring.instances.label_maps import answered, painted, segment_ious
from bench.scoring.instances.matching import IOUS
from bench.tasks.proposals.generator import Proposal
from bench.tasks.proposals.task import as_label_map
from bench.types import Mask, Sample, Target

SHAPE = (23, 41)


def rectangles(rng: np.random.Generator, number: int) -> list[np.ndarray]:
    found = []
    for _ in range(number):
        mask = np.zeros(SHAPE, dtype=bool)
        y, x = rng.integers(0, 15), rng.integers(0, 30)
        mask[y : y + rng.integers(1, 12), x : x + rng.integers(1, 15)] = True
        found.append(mask)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_a_pixel_is_the_first_masks_that_covers_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks, off = rectangles(rng, 9), rng.random(SHAPE) < 0.1
    labels = painted([Mask.from_dense(mask) for mask in masks], off)
    for y in range(SHAPE[0]):
        for x in range(SHAPE[1]):
            over = [place for place, mask in enumerate(masks, start=1) if mask[y, x]]
            assert labels[y, x] == (0 if off[y, x] or not over else over[0])
    targets = rectangles(rng, 4)
    ious = segment_ious(labels, [Mask.from_dense(target) for target in targets])
    there = [label for label in np.unique(labels) if label]
    for row, label in zip(ious, there, strict=True):
        segment = labels == label
        plain = [(segment & t).sum() / (segment | t).sum() for t in targets]
        assert row.tolist() == plain


@pytest.mark.parametrize("seed", range(20))
def test_as_many_are_matched_as_can_be(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ious = rng.integers(8, 21, rng.integers(0, 9, 2)) / 20  # many that may be matched with several
    found = answered(ious, IOUS)
    assert found.shape == (10, ious.shape[1])
    for at, threshold in zip(found, IOUS, strict=True):
        fits = ious >= threshold
        most = 0
        if fits.any():
            most = (maximum_bipartite_matching(csr_array(fits), "column") >= 0).sum()
        assert at.sum() == most
        assert not at[~fits.any(axis=0)].any()


def proposal(mask: np.ndarray, score: float) -> Proposal:
    made = Mask.from_dense(mask)
    assert made.box is not None
    return Proposal(made.to_rle(), made.box, score, score)


def box(y0: int, x0: int, y1: int, x1: int) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_what_does_not_count_is_off_in_the_map_unless_a_target_that_counts_lies_there() -> None:
    target = Target("a", Mask.from_dense(box(2, 2, 12, 12)))
    crowd = Target("c", Mask.from_dense(box(2, 8, 12, 30)), crowd=True)
    ignore = box(0, 2, 23, 4)
    found = [
        proposal(box(2, 2, 12, 12), 0.9),
        proposal(box(3, 20, 8, 28), 0.8),  # in the crowd alone
        proposal(box(15, 2, 20, 4), 0.7),  # in what is ignored alone
        proposal(box(15, 30, 20, 40), 0.6),
    ]
    sample = Sample("1", np.zeros((*SHAPE, 3), np.uint8), [target, crowd], ignore)
    segments, mapped = as_label_map(found, [target], sample)
    assert segments == 2
    assert mapped[:, 0].all()  # to the pixel, less what is ignored


def test_the_numbers_of_pictures_are_those_of_their_counts() -> None:
    def row(image: str, segments: int, hits: int, cluster: str | None = None) -> dict[str, object]:
        return {"image_id": image, "cluster": cluster, "segments": segments,
                "mapped": np.array([1] * hits + [0] * (10 - hits))}  # fmt: skip

    rows = pd.DataFrame([row("b", 4, 10), row("b", 4, 3), row("b", 4, 0), row("a", 0, 0, "film")])
    two, none = of_pictures(rows).to_dict("records")
    assert (two["owner"], none["owner"]) == ("b", "film")
    assert two["sa50"] == pytest.approx(2 / (2 + 2 + 1))
    assert two["f1"] == pytest.approx(2 * 2 / (2 * 2 + 2 + 1))
    assert two["msa"] == pytest.approx((3 * 2 / 5 + 7 * 1 / 6) / 10)
    assert (none["msa"], none["sa50"], none["f1"]) == (0, 0, 0)
