import tracemalloc

import numpy as np
import pandas as pd
import pytest

from bench.analysis.stats import (
    Interval,
    clustered_draws,
    clustered_draws_together,
    clustered_interval,
    holm,
    images_needed,
    mean_interval,
    p_value,
    paired_interval,
    win_rate,
)


def correlated(rng, images=60, spread=0.15):
    """IoU-like values of true mean 0.5: each image has its own level and 1 to 12 masks."""
    sizes = rng.integers(1, 13, images)
    level = rng.normal(0.5, spread, images)
    clusters = np.repeat(np.arange(images), sizes)
    return level[clusters] + rng.normal(0, 0.1, len(clusters)), clusters


def mean_and_error(groups):
    """The mean over all masks, and its standard error as a ratio of sums over images."""
    n = np.array([len(group) for group in groups])
    mean = np.concatenate(groups).mean()
    residuals = np.array([group.sum() for group in groups]) - mean * n
    return mean, np.sqrt((residuals**2).sum()) / n.sum()


def plain_bootstrap_t(values, clusters, samples, seed):
    """Builds every resampled data set in full, mask by mask, and inverts its t statistic."""
    rng = np.random.default_rng(seed)
    groups = [values[clusters == name] for name in np.unique(clusters)]
    mean, error = mean_and_error(groups)
    t = []
    for _ in range(samples):
        chosen = rng.integers(len(groups), size=len(groups))
        again, its_error = mean_and_error([groups[i] for i in chosen])
        t.append((again - mean) / max(its_error, 0.4 * error))
    high, low = np.quantile(t, [0.025, 0.975])
    error *= np.sqrt(len(groups) / (len(groups) - 1))
    return mean - low * error, mean - high * error


def test_agrees_with_plain_resampling():
    values, clusters = correlated(np.random.default_rng(3))
    found = clustered_interval(values, clusters, samples=10_000, seed=1)
    low, high = plain_bootstrap_t(values, clusters, 10_000, seed=99)
    width = high - low
    assert found.mean == pytest.approx(values.mean(), abs=1e-15)
    assert found.low == pytest.approx(low, abs=0.05 * width)
    assert found.high == pytest.approx(high, abs=0.05 * width)
    assert (found.n, found.clusters) == (len(values), 60)


def test_same_stream_as_plain_resampling():
    values, clusters = correlated(np.random.default_rng(4), images=12)
    draws = clustered_draws(values, clusters, samples=50, seed=5)
    assert tuple(np.quantile(draws, [0.025, 0.975])) == pytest.approx(
        plain_bootstrap_t(values, clusters, 50, seed=5), abs=1e-12
    )


def test_columns_share_their_draws():
    values, clusters = correlated(np.random.default_rng(6), images=15)
    other = values[::-1].copy()
    both = clustered_draws_together(np.stack([values, other], axis=1), clusters, samples=40)
    assert both[:, 0] == pytest.approx(clustered_draws(values, clusters, samples=40), abs=1e-12)
    assert both[:, 1] == pytest.approx(clustered_draws(other, clusters, samples=40), abs=1e-12)


def test_two_images_give_bounds_within_the_values():
    found = clustered_interval([0.2, 0.9, 0.4], ["a", "a", "b"], samples=200)
    assert 0.2 <= found.low <= found.mean <= found.high <= 0.9
    equal = clustered_interval([0.5, 0.5, 0.5], ["a", "a", "b"], samples=200)
    assert (equal.low, equal.mean, equal.high) == (0.5, 0.5, 0.5)


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


def test_p_value_agrees_with_the_interval():
    rng = np.random.default_rng(1)
    for shift in (0.0, 0.01, 0.02, 0.03, 0.05):
        values, clusters = correlated(rng)
        draws = clustered_draws(values - 0.5 + shift, clusters, samples=2_000)
        low, high = np.quantile(draws, [0.025, 0.975])
        outside = low > 0 or high < 0
        p = p_value(draws)
        assert (p < 0.05) == outside or p == pytest.approx(0.05, abs=0.002)
    assert p_value(np.full(99, 0.3)) == pytest.approx(0.02)
    assert p_value(np.zeros(99)) == 1.0
    assert p_value(np.empty(0)) is None


def test_power_is_what_simulation_finds():
    rng = np.random.default_rng(2)
    pilot, clusters = correlated(rng, images=3_000)
    effect = 0.03
    needed = images_needed(pilot - 0.5, clusters, effect)
    seen = 0
    for experiment in range(200):
        values, of = correlated(rng, images=needed)
        low = clustered_interval(values - 0.5 + effect, of, samples=300, seed=experiment).low
        seen += low > 0
    assert 0.70 <= seen / 200 <= 0.90
    assert images_needed([0.1, 0.1], ["a", "a"], 0.01) is None
    with pytest.raises(ValueError, match="above 0"):
        images_needed([0.1, 0.2], ["a", "b"], 0.0)


def test_win_rate_counts_ties_half():
    assert win_rate([1, 0, 0.5, 0.2], [0, 1, 0.5, 0.1]).tolist() == [1, 0, 0.5, 1]


@pytest.mark.long
def test_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(11)
    hits = naive_hits = 0
    for experiment in range(300):
        values, clusters = correlated(rng)
        clustered = clustered_interval(values, clusters, samples=500, seed=experiment)
        naive = clustered_interval(values, np.arange(len(values)), samples=500, seed=experiment)
        hits += clustered.low <= 0.5 <= clustered.high
        naive_hits += naive.low <= 0.5 <= naive.high
    # 300 experiments: a standard error of 1.3 points; 60 images cost a percentile interval about 1.
    assert 0.90 <= hits / 300 <= 0.98
    assert naive_hits / 300 < 0.75


def test_order_of_rows_and_kind_of_name_do_not_matter():
    values, clusters = correlated(np.random.default_rng(5))
    names = pd.Series([f"image {c:03d}" for c in clusters])
    shuffled = np.random.default_rng(6).permutation(len(values))
    one = clustered_interval(values, clusters, samples=400)
    two = clustered_interval(values[shuffled], names.iloc[shuffled], samples=400)
    assert (two.low, two.high) == pytest.approx((one.low, one.high), abs=1e-12)
    assert clustered_interval(values, clusters, samples=400) == one
    assert clustered_interval(values, clusters, samples=400, seed=1) != one


def test_one_image_has_a_mean_but_no_interval():
    assert clustered_interval([0.25, 0.75], ["a", "a"]) == Interval(0.5, None, None, 2, 1)


def test_identical_values_have_an_interval_of_no_width():
    found = clustered_interval([0.5] * 6, list("aabbcc"), samples=100)
    assert (found.low, found.high) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("values", "clusters"),
    [([], []), ([0.5], ["a", "b"]), ([float("nan"), 0.5], ["a", "b"]), ([0.1, 0.5], ["a", None])],
)
def test_refuses_what_has_no_mean(values, clusters):
    with pytest.raises(ValueError, match=r"clusters"):
        clustered_interval(values, clusters)


def test_refuses_a_level_in_per_cent():
    with pytest.raises(ValueError, match="level"):
        clustered_interval([0.1, 0.2], ["a", "b"], level=95)


def test_paired_is_the_interval_of_the_differences():
    rng = np.random.default_rng(8)
    a, clusters = correlated(rng)
    b = a - 0.03 + rng.normal(0, 0.02, len(a))
    paired = paired_interval(a, b, clusters, samples=1000)
    assert paired == clustered_interval(a - b, clusters, samples=1000)
    alone = clustered_interval(a, clusters, samples=1000)
    assert paired.high - paired.low < 0.3 * (alone.high - alone.low)
    assert paired.low < 0.03 < paired.high
    with pytest.raises(ValueError, match="one shape"):
        paired_interval(a, b[1:], clusters)


def test_mean_of_datasets_weighs_each_the_same():
    rng = np.random.default_rng(9)
    sets = [correlated(rng, images=200), (np.full(5, 0.9), np.arange(5))]
    intervals = [clustered_interval(*s, samples=2000, seed=k) for k, s in enumerate(sets)]
    draws = [clustered_draws(*s, samples=2000, seed=k) for k, s in enumerate(sets)]
    mean = mean_interval(intervals, draws)
    assert mean.mean == pytest.approx((intervals[0].mean + 0.9) / 2)
    assert mean.clusters == 205
    # the second never varies, so the mean varies half as much as the first
    width = intervals[0].high - intervals[0].low
    assert mean.high - mean.low == pytest.approx(width / 2)


def test_mean_of_datasets_has_no_bounds_where_one_has_a_single_image():
    first, second = ([0.1, 0.3], ["a", "b"]), ([0.5], ["a"])
    found = mean_interval(
        [clustered_interval(*first), clustered_interval(*second)],
        [clustered_draws(*first), clustered_draws(*second)],
    )
    assert (found.mean, found.low) == (pytest.approx(0.35), None)


def test_memory_stays_small_for_many_masks():
    rng = np.random.default_rng(10)
    clusters = rng.integers(100_000, size=1_000_000)
    values = rng.random(1_000_000)
    tracemalloc.start()
    clustered_interval(values, clusters, samples=100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # blocks have one size, so more samples take longer but hold no more
    assert peak < 300 * 2**20
