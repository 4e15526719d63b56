"""The matching of edges: as many pairs as can be, at the least cost, as a dense solver finds it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from bench.scoring.edges.matching import ALONE, matched, reach_in


def plain(a: np.ndarray, b: np.ndarray, reach: float) -> tuple[int, float]:
    """How many are matched and what that costs, by the dense matrix of the rule's own words."""
    left, right = np.argwhere(a), np.argwhere(b)
    n, m = len(left), len(right)
    far = np.linalg.norm(left[:, None] - right[None], axis=2)
    cost = np.full((n + m, n + m), 1e9)
    cost[:n, :m] = np.where(far <= reach, np.rint(far * 100), 1e9)
    alone = np.ceil(ALONE * reach * 100)
    cost[range(n), range(m, m + n)] = alone
    cost[range(n, n + m), range(m)] = alone
    cost[n:, m:] = alone  # what a pair leaves over is matched with itself, as is published
    rows, columns = linear_sum_assignment(cost)
    pairs = (rows < n) & (columns < m)
    return int(pairs.sum()), float(cost[rows, columns][pairs].sum())


def best_cost(a: np.ndarray, b: np.ndarray, found: np.ndarray, met: np.ndarray, reach: float):
    """What the chosen pixels cost at the least: pairs are not told, only who has one."""
    return plain(a & found, b & met, reach)


@pytest.mark.parametrize("seed", range(40))
def test_random_maps_are_matched_as_a_dense_solver_matches_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(5, 16)), int(rng.integers(17, 30)))
    a, b = (rng.random(shape) < share for share in rng.uniform(0.02, 0.25, 2))
    reach = float(rng.choice([0.9, 1.0, 1.5, 3.0, 4.34]))
    found, met = matched(a, b, reach)
    assert not (found & ~a).any()
    assert not (met & ~b).any()
    assert found.sum() == met.sum()
    assert best_cost(a, b, found, met, reach) == plain(a, b, reach)


def test_a_pixel_answers_one_boundary_pixel_and_the_reach_itself_counts() -> None:
    a, b = np.zeros((2, 4, 9), dtype=bool)
    a[1, 2] = True
    b[1, [2, 3]] = True
    found, met = matched(a, b, reach=1.0)
    assert (found.sum(), met.sum()) == (1, 1)
    assert met[1, 2]
    a[1, 2], b[1, 2] = False, False
    a[1, 6] = True
    assert matched(a, b, reach=3.0)[0].sum() == 1
    assert matched(a, b, reach=2.99)[0].sum() == 0


def test_more_pairs_go_before_shorter_ones() -> None:
    a, b = np.zeros((2, 1, 9), dtype=bool)
    a[0, [2, 4]] = True
    b[0, [0, 3]] = True  # 2 could take 3, which is nearer, and 4 would be left alone
    found, met = matched(a, b, reach=2.0)
    assert (found.sum(), met.sum()) == (2, 2)


@pytest.mark.parametrize("which", [0, 1])
def test_nothing_matches_nothing(which: int) -> None:
    maps = [np.zeros((3, 7), dtype=bool), np.zeros((3, 7), dtype=bool)]
    maps[which][1, 4] = True
    found, met = matched(maps[0], maps[1], reach=2.0)
    assert not found.any()
    assert not met.any()


def test_the_reach_is_a_share_of_the_diagonal() -> None:
    assert reach_in((300, 400)) == pytest.approx(3.75)
    assert reach_in((300, 400), 0.01) == pytest.approx(5.0)
