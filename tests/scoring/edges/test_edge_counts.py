"""Counts of edges at thresholds, and thin boundaries, by hand and by plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from bench.scoring.edges.boundaries import boundaries_of, thinned
from bench.scoring.edges.counts import edge_counts, thresholds
from bench.scoring.edges.matching import matched


def two_people() -> list[np.ndarray]:
    first, second = np.zeros((2, 17, 23), dtype=np.int32)
    first[:, 9:] = 1
    first[8:, :5] = 2
    second[:, 11:] = 4
    return [boundaries_of(first), boundaries_of(second)]


def test_thresholds_lie_evenly_between_0_and_1() -> None:
    assert thresholds(99) == pytest.approx(np.arange(1, 100) / 100)
    assert thresholds(1).tolist() == [0.5]


def test_each_threshold_is_counted_alone() -> None:
    rng = np.random.default_rng(3)
    strength = rng.integers(0, 7, (17, 23)) / 6
    levels, people = thresholds(11), two_people()
    found = edge_counts(strength, people, levels, 2.5)
    for number, level in enumerate(levels):
        lines = thinned(strength >= level)
        right, recalled = np.zeros(lines.shape, dtype=bool), 0
        for person in people:
            one, met = matched(lines, person, 2.5)
            right |= one
            recalled += met.sum()
        assert found.predicted[number] == lines.sum()
        assert found.matched[number] == right.sum()
        assert found.recalled[number] == recalled
    assert set(found.truth) == {sum(int(person.sum()) for person in people)}
    assert 0 < found.recalled[0] < found.truth[0]


def test_what_is_as_strong_as_the_threshold_is_an_edge() -> None:
    strength = np.zeros((5, 8))
    strength[2, 3] = 0.5
    found = edge_counts(strength, [np.ones((5, 8), bool)], np.array([0.5, 0.5000001]), 1.0)
    assert found.predicted.tolist() == [1, 0]


def test_a_pixel_of_two_people_is_right_once_and_recalled_twice() -> None:
    person = np.zeros((6, 9), dtype=bool)
    person[3, 2:7] = True
    found = edge_counts(person.astype(float), [person, person], np.array([0.5]), 1.0)
    assert (found.predicted[0], found.matched[0]) == (5, 5)
    assert (found.recalled[0], found.truth[0]) == (10, 10)


def test_a_picture_of_no_one_has_no_truth() -> None:
    found = edge_counts(np.ones((4, 6)), [], np.array([0.5]), 1.0)
    assert (found.truth[0], found.recalled[0], found.matched[0]) == (0, 0, 0)
    assert found.predicted[0] > 0


def test_boundaries_lie_on_the_left_and_upper_side() -> None:
    labels = np.zeros((4, 6), dtype=np.int32)
    labels[:, 3:] = 7
    expected = np.zeros((4, 6), dtype=bool)
    expected[:, 2] = True
    assert np.array_equal(boundaries_of(labels), expected)
    assert np.array_equal(boundaries_of(labels.T), expected.T)
    assert not boundaries_of(np.ones((5, 8), np.int32)).any()


def test_thin_lines_are_one_pixel_wide_and_hang_together() -> None:
    thick = np.zeros((9, 20), dtype=bool)
    thick[3:6, 2:18] = True
    thin = thinned(thick)
    assert thin.sum(axis=0).max() == 1
    assert thin.sum() > 10
    assert not (thin & ~thick).any()
