"""Ranks, win rates and their intervals against a plain re-implementation; blocks and groups."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
from scipy.stats import t

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


def plain_interval(values, least, most):
    """Student's t of the logit of the mean's share of its reach, by the mean's standard error."""
    number, mean = len(values), sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (number - 1)
    share = (mean - least) / (most - least)
    bent = math.log(share / (1 - share))
    error = math.sqrt(variance / number) / (most - least) / (share * (1 - share))
    away = t.ppf(0.975, number - 1) * error
    return [least + (most - least) / (1 + math.exp(-end)) for end in (bent - away, bent + away)]


def test_ranks_wins_and_intervals_are_those_of_a_plain_count() -> None:
    rng = np.random.default_rng(11)
    scores = rng.integers(0, 6, (5, 7)) / 10  # ties are many
    lines = scores.tolist()
    for model, found in enumerate(standings(scores)):
        for rule, mean, ends, reach in (
            (plain_rank, found.rank, [found.rank_low, found.rank_high], (1, 5)),
            (plain_wins, found.wins, [found.wins_low, found.wins_high], (0, 1)),
        ):
            each = [rule(lines, model, dataset) for dataset in range(7)]
            assert mean == pytest.approx(sum(each) / 7)
            assert ends == pytest.approx(plain_interval(each, *reach), rel=1e-6)


def test_a_model_of_one_rank_has_no_interval() -> None:
    found = standings([[0.9, 0.8, 0.7], [0.2, 0.3, 0.4], [0.4, 0.2, 0.1]])
    assert (found[0].rank, found[0].rank_low, found[0].wins_high) == (1.0, None, None)
    assert found[1].rank_low is not None


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
