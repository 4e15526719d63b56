"""Ranks, win rates and their intervals against a plain re-implementation; blocks and groups."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest

from bench.analysis.overview.ranks import alike, largest_block, standings


def plain_rank(scores, model, dataset):
    """1 for the best; of those that tie the mean of their places."""
    own = scores[model][dataset]
    column = [line[dataset] for line in scores]
    better = sum(value > own for value in column)
    return better + (sum(value == own for value in column) + 1) / 2


def plain_wins(scores, model, dataset):
    others = [line[dataset] for at, line in enumerate(scores) if at != model]
    own = scores[model][dataset]
    return sum(1.0 if own > value else 0.5 if own == value else 0.0 for value in others) / len(
        others
    )


def plain_quantile(values, share):
    """Between the two nearest of the sorted values."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def test_ranks_and_wins_are_those_of_a_plain_count_with_the_same_draws() -> None:
    rng = np.random.default_rng(11)
    scores = rng.integers(0, 6, (5, 7)) / 10  # ties are many
    picks = np.random.default_rng(0).integers(0, 7, (400, 7)).tolist()
    lines = scores.tolist()
    for model, found in enumerate(standings(scores, draws=400)):
        for rule, mean, low, high in (
            (plain_rank, found.rank, found.rank_low, found.rank_high),
            (plain_wins, found.wins, found.wins_low, found.wins_high),
        ):
            each = [rule(lines, model, dataset) for dataset in range(7)]
            drawn = [sum(each[at] for at in pick) / 7 for pick in picks]
            assert mean == pytest.approx(sum(each) / 7)
            assert low == pytest.approx(plain_quantile(drawn, 0.025))
            assert high == pytest.approx(plain_quantile(drawn, 0.975))


def test_the_bootstrap_finds_what_all_draws_of_few_datasets_give() -> None:
    scores = [[0.9, 0.2, 0.7], [0.5, 0.4, 0.8]]
    found = standings(scores, draws=40_000)[0]
    each = [plain_rank(scores, 0, dataset) for dataset in range(3)]
    every = sorted(sum(draw) / 3 for draw in itertools.product(each, repeat=3))
    low, high = (every[math.ceil(share * len(every)) - 1] for share in (0.025, 0.975))
    assert (found.rank_low, found.rank_high) == pytest.approx((low, high))


def test_two_datasets_have_no_interval() -> None:
    found = standings([[0.9, 0.1], [0.2, 0.3], [0.4, 0.2]])
    assert [each.rank for each in found] == [2.0, 2.0, 2.0]
    assert all(each.rank_low is None and each.wins_high is None for each in found)


def test_the_block_has_no_hole_and_holds_every_model_that_fits() -> None:
    random.seed(5)
    for _ in range(200):
        models, datasets = random.randint(2, 6), random.randint(1, 6)
        there = [[random.random() < 0.7 for _ in range(datasets)] for _ in range(models)]
        chosen, over = largest_block(there)
        assert all(there[m][d] for m in chosen for d in over)
        shares = any(
            any(a and b for a, b in zip(one, other, strict=True))
            for one, other in itertools.combinations(there, 2)
        )
        assert not shares or not over or len(chosen) >= 2
        if over:
            assert chosen == [m for m in range(models) if all(there[m][d] for d in over)]


def test_nothing_is_ranked_where_no_two_models_share_a_dataset() -> None:
    assert largest_block([[1, 0], [0, 1]]) == ([], [])
    assert largest_block([[1, 1]]) == ([], [])


def test_groups_are_all_largest_stretches_of_models_that_are_not_apart() -> None:
    random.seed(2)
    for _ in range(200):
        number = random.randint(2, 7)
        order = random.sample(range(20), number)
        shown = {
            frozenset(pair) for pair in itertools.combinations(order, 2) if random.random() < 0.3
        }
        stretches = [
            tuple(order[a:b])
            for a in range(number)
            for b in range(a + 2, number + 1)
            if not any(frozenset(p) in shown for p in itertools.combinations(order[a:b], 2))
        ]
        largest = [
            one
            for one in stretches
            if not any(one != other and set(one) <= set(other) for other in stretches)
        ]
        assert alike(order, lambda a, b, shown=shown: frozenset((a, b)) in shown) == largest
