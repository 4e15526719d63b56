"""Averages over masks and over images, p-values, and how many images a difference needs."""

import numpy as np
import pytest
from scipy.stats import t as student_t

from bench.analysis.stats import (
    averages,
    clusters_needed,
    holm,
    mean_averages,
    paired_averages,
    win_rate,
)
from bench.analysis.stats.intervals import clustered_interval


def drawn(rng, images, effect=0.0, spread=0.06, most=12):
    """Two models' scores on 1 to ``most`` masks an image; the first is ``effect`` better."""
    sizes = rng.integers(1, most + 1, images)
    of_mask = np.repeat(np.arange(images), sizes)
    b = rng.uniform(0.3, 0.7, images)[of_mask] + rng.uniform(-0.1, 0.1, len(of_mask))
    gap = rng.normal(effect, spread, images)[of_mask] + rng.normal(0, 0.04, len(of_mask))
    return b + gap, b, of_mask


def test_each_image_counts_once_over_images():
    a, _, images = drawn(np.random.default_rng(0), 20)
    found = averages(a, images)
    means = [a[images == i].mean() for i in range(20)]
    assert found.masks == clustered_interval(a, images)
    assert found.images == clustered_interval(means, np.arange(20), lean=False)
    assert found.images.freedom == pytest.approx(19)
    assert (found.of(False), found.of(True)) == (found.masks, found.images)


def test_the_images_of_a_cluster_stay_together_in_both():
    a, _, images = drawn(np.random.default_rng(1), 60)
    clusters = np.array([f"v{i % 9}" for i in images])
    found = averages(a, images, clusters)
    means = np.array([a[images == i].mean() for i in range(60)])
    of_means = [f"v{i % 9}" for i in range(60)]
    assert found.masks == clustered_interval(a, clusters)
    expected = clustered_interval(means, of_means)
    assert (found.images.low, found.images.high) == pytest.approx((expected.low, expected.high))
    assert (found.masks.clusters, found.images.clusters, found.images.n) == (9, 9, 60)


@pytest.mark.parametrize(
    ("sizes", "unequal"),
    [([5] * 12, False), ([5] * 11 + [60], True), ([1] * 99 + [60], False), ([1] * 98 + [60], True)],
)
def test_few_and_unequal_images_are_noticed(sizes, unequal):
    rng = np.random.default_rng(2)
    images = np.repeat(np.arange(len(sizes)), sizes)
    assert averages(rng.random(len(images)), images).unequal is unequal


@pytest.mark.parametrize(("images", "known"), [(3, False), (5, False), (6, True), (29, True)])
def test_p_is_the_larger_one_and_none_below_six_images(images, known):
    a, b, of_mask = drawn(np.random.default_rng(images), images, effect=0.05)
    found = paired_averages(a, b, of_mask)
    assert found.masks.low is not None
    assert (found.p is not None) == known
    if known:
        assert found.p == max(found.masks.p, found.images.p)


def test_averages_that_point_apart_show_nothing():
    sizes = np.r_[np.full(20, 10), np.ones(60, int)]
    images = np.repeat(np.arange(80), sizes)
    gap = np.where(images < 20, 0.1, -0.1) + np.random.default_rng(0).normal(0, 0.01, 80)[images]
    found = paired_averages(0.5 + gap, np.full(len(images), 0.5), images)
    assert found.masks.low > 0 > found.images.high
    assert found.p == 1.0


def test_equal_models_differ_in_nothing():
    a, _, images = drawn(np.random.default_rng(3), 12)
    found = paired_averages(a, a, images)
    assert (found.masks.mean, found.masks.low, found.p) == (0.0, None, None)
    assert clusters_needed(found, 0.01) is None


def test_a_mean_of_datasets_has_both_averages():
    rng = np.random.default_rng(4)
    several = [averages(a, images) for a, _, images in (drawn(rng, n) for n in (12, 40))]
    mean = mean_averages(several)
    for which in (False, True):
        assert mean.of(which).mean == pytest.approx(np.mean([s.of(which).mean for s in several]))
        assert mean.of(which).low is not None


def test_holm_agrees_with_its_definition():
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.random(6) ** 3
        corrected = holm(list(p))
        order = np.argsort(p)
        running = 0.0
        for rank, index in enumerate(order):
            running = max(running, min(1.0, (6 - rank) * p[index]))
            assert corrected[index] == pytest.approx(running)
    assert holm([None, 0.2]) == [None, 0.2]
    assert holm([]) == []


def test_win_rate_counts_ties_half():
    assert win_rate([1, 0, 0.5, 0.2], [0, 1, 0.5, 0.1]).tolist() == [1, 0, 0.5, 1]


def test_a_difference_where_there_is_none_is_shown_at_most_one_time_in_twenty():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(300):
        found = paired_averages(*drawn(rng, 10))
        hits += found.p < 0.05
    assert hits / 300 <= 0.08  # a standard error of 1.3 points


@pytest.mark.parametrize("effect", [0.025, 0.06])
def test_power_is_what_simulation_finds(effect):
    """A large try says how many images; so many show the difference four times in five."""
    rng = np.random.default_rng(6)
    needed = clusters_needed(paired_averages(*drawn(rng, 2_000)), effect)
    seen = sum(paired_averages(*drawn(rng, needed, effect)).p < 0.05 for _ in range(300))
    assert 0.72 <= seen / 300 <= 0.90, needed
    fewer = [paired_averages(*drawn(rng, needed // 2 + 1, effect)).p for _ in range(100)]
    assert np.mean([p is not None and p < 0.05 for p in fewer]) < 0.72


@pytest.mark.parametrize("effect", [0.03, 0.05, 0.08])
@pytest.mark.parametrize("seed", range(3))
def test_the_images_needed_are_the_fewest_whose_t_test_has_the_power(seed, effect):
    values = np.random.default_rng(seed).normal(0, 0.1, 20)
    tried = averages(values, np.arange(20) // 2, lean=False).masks  # pairs of one size: 10 images
    assert tried.freedom == pytest.approx(9)

    def shows(images):
        asked = student_t.ppf(0.975, images - 1) + student_t.ppf(0.8, images - 1)
        return effect >= asked * tried.error * np.sqrt(10 / images)

    fewest = next(images for images in range(2, 1_000) if shows(images))
    found = averages(values, np.arange(20) // 2, lean=False)
    assert clusters_needed(found, effect) == max(6, fewest)


def test_a_smaller_effect_needs_more_images_and_never_fewer_than_a_verdict():
    found = paired_averages(*drawn(np.random.default_rng(7), 40))
    several = [clusters_needed(found, effect) for effect in (0.001, 0.01, 0.03, 0.5)]
    assert several == sorted(several, reverse=True)
    assert several[-1] == 6
    with pytest.raises(ValueError, match="above 0"):
        clusters_needed(found, 0.0)
