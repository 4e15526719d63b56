"""Average precision and matching by plain loops, also where IoUs and precisions are equal."""

from __future__ import annotations

import numpy as np
import pytest

from bench.scoring.instances.average_precision import average_precision, left_out_precisions
from bench.scoring.instances.matching import IOUS, matches, within


def plain_precision(hits: np.ndarray, wrong: np.ndarray, targets: int) -> float:
    """The rule in loops: the best precision at each recall or beyond."""
    right = false = 0
    curve = []
    for hit, miss in zip(hits, wrong, strict=True):
        right, false = right + int(hit), false + int(miss)
        curve.append((right / targets, right / (right + false) if right + false else 0.0))
    total = 0.0
    for recall in np.linspace(0, 1, 101):
        total += max((p for r, p in curve if r >= recall), default=0.0)
    return total / 101


@pytest.mark.parametrize("seed", range(20))
def test_average_precision_is_that_of_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    number, targets = int(rng.integers(0, 60)), int(rng.integers(1, 25))
    hits, wrong = np.zeros((2, 10, number), dtype=bool)
    for row in range(10):
        taken = rng.choice(number, min(number, int(rng.integers(0, targets + 1))), replace=False)
        hits[row, taken] = True
        wrong[row] = ~hits[row] & (rng.random(number) < 0.7)
    found = average_precision(hits, wrong, targets)
    for row in range(10):
        plain = plain_precision(hits[row], wrong[row], targets)
        assert found[row] == pytest.approx(plain, abs=1e-12)


def test_detections_that_count_for_nothing_change_nothing() -> None:
    rng = np.random.default_rng(3)
    hits = rng.random((10, 30)) < 0.4
    wrong = ~hits
    whole = average_precision(hits, wrong, 30)
    places = rng.permutation(35)
    order = np.sort(places[:30])
    spread = [np.zeros((10, 35), dtype=bool) for _ in range(2)]
    for target, source in zip(spread, (hits, wrong), strict=True):
        target[:, order] = source
    assert average_precision(*spread, 30).tolist() == whole.tolist()
    assert whole.min() > 0.02


def plain_matches(ious: np.ndarray, aside: np.ndarray, crowds: np.ndarray) -> np.ndarray:
    """pycocotools' loop: targets that count stand first, of equal IoUs the last is taken."""
    order = sorted(range(ious.shape[1]), key=lambda g: aside[g] or crowds[g])
    found = np.full((len(IOUS), len(ious)), -1)
    for t, threshold in enumerate(IOUS):
        taken: set[int] = set()
        for d in range(len(ious)):
            least, best = min(threshold, 1 - 1e-10), -1
            for g in order:
                if g in taken and not crowds[g]:
                    continue
                if best > -1 and not (aside[best] or crowds[best]) and (aside[g] or crowds[g]):
                    break
                if ious[d, g] < least:
                    continue
                least, best = ious[d, g], g
            if best > -1:
                taken.add(best)
                found[t, d] = best
    return found


@pytest.mark.parametrize("seed", range(40))
def test_matches_are_those_of_pycocotools_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    detections, targets = rng.integers(0, 14), rng.integers(0, 7)
    ious = rng.integers(8, 21, (detections, targets)) / 20
    aside, crowds = rng.random((2, targets)) < 0.3
    assert matches(ious, aside, crowds).tolist() == plain_matches(ious, aside, crowds).tolist()


def test_sizes_hold_both_ends() -> None:
    areas = [0, 1023.5, 1024, 1024.5, 9216, 9217, 1e10]
    assert within("small", areas).tolist() == [True, True, True, False, False, False, False]
    assert within("medium", areas).tolist() == [False, False, True, True, True, False, False]
    assert within("large", areas).tolist() == [False, False, False, False, True, True, True]
    assert within("all", areas).all()


@pytest.mark.parametrize("seed", range(20))
def test_what_is_left_out_is_as_if_it_had_never_been(seed: int) -> None:
    rng = np.random.default_rng(seed)
    number, parts = int(rng.integers(0, 60)), int(rng.integers(1, 8))
    kinds = rng.integers(0, 3, (10, number))
    hits, wrong = kinds == 0, kinds == 1
    part = rng.integers(0, parts, number)
    of_part = [int(hits[:, part == p].sum(axis=1).max(initial=0)) for p in range(parts)]
    whole = sum(of_part) + int(seed % 3)
    targets = np.array([whole, *(whole - each for each in of_part)])
    order = rng.permutation(parts)
    found = left_out_precisions(hits, wrong, targets[[0, *(order + 1)]], part, order)
    assert found.shape == (10, 1 + parts)
    for column, left_out in zip(found.T, [-1, *order], strict=True):
        stay, count = part != left_out, int(targets[left_out + 1])
        if count == 0:
            assert np.isnan(column).all()
            continue
        assert column.tolist() == average_precision(hits[:, stay], wrong[:, stay], count).tolist()
