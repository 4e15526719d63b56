"""Intervals of means over masks, against plain loops that share no line with them."""

import itertools
import tracemalloc
from math import inf

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.analysis.stats import paired_interval
from bench.analysis.stats.intervals import (
    Interval,
    clustered_interval,
    gap_interval,
    mean_interval,
)


def correlated(rng, images=60, spread=0.15):
    """IoU-like values of true mean 0.5: each image has its own level and 1 to 12 masks."""
    sizes = rng.integers(1, 13, images)
    level = rng.normal(0.5, spread, images)
    clusters = np.repeat(np.arange(images), sizes)
    values = level[clusters] + rng.normal(0, 0.1, len(clusters))
    return np.clip(values, 0.01, 0.99), clusters


def unequal(rng, images, sizes=None):
    """Skewed scores of images with 1 to 60 masks."""
    sizes = 1 + rng.geometric(0.1, images) if sizes is None else sizes
    clusters = np.repeat([f"i{k:03}" for k in range(images)], sizes)
    level = rng.beta(3, 1.5, images)
    values = 0.7 * np.repeat(level, sizes) + 0.3 * rng.random(len(clusters))
    return values, clusters


def jackknife_error(values, clusters):
    """By leaving each image out and taking the mean of all masks that are left."""
    names = sorted(set(clusters))
    whole = np.mean(values)
    away = [
        np.mean([v for v, c in zip(values, clusters, strict=True) if c != n]) - whole for n in names
    ]
    return np.sqrt((len(names) - 1) / len(names) * np.sum(np.square(away)))


def degrees_of_freedom(clusters):
    """(tr B)² / tr B², B the matrix of the jackknife's variance in images' levels, written out."""
    counts = np.array([list(clusters).count(n) for n in sorted(set(clusters))], float)
    h, n = counts / counts.sum(), len(counts)
    centre = np.eye(n) - np.outer(np.ones(n), h)  # a level less the mean of all masks
    weights = np.diag((h / (1 - h)) ** 2)
    matrix = centre.T @ weights @ centre
    return np.trace(matrix) ** 2 / np.trace(matrix @ matrix)


def plain_interval(values, clusters, low, high, lean):
    """The study's formula, step by step, on the logit of a reach from low to high."""
    mean, error = np.mean(values), jackknife_error(values, clusters)
    nu = max(1, degrees_of_freedom(clusters))
    sums = pd.Series(values).groupby(list(clusters)).sum()
    counts = pd.Series(values).groupby(list(clusters)).count()
    r = ((sums - mean * counts) / counts.sum()).to_numpy()
    gamma = np.sum(r**3) / np.sum(r**2) ** 1.5 if lean else 0.0
    quantile = stats.t.ppf(0.975, nu)

    def bend(y):
        return y if not gamma else 3 / gamma * (np.cbrt(1 + gamma * (y - gamma / 6)) - 1)

    centre = np.log((mean - low) / (high - mean))
    wide = error * (high - low) / ((mean - low) * (high - mean))
    ends = [centre - wide * bend(quantile), centre - wide * bend(-quantile)]
    return [low + (high - low) / (1 + np.exp(-end)) for end in ends], 2 * stats.t.sf(
        abs(centre - np.log(-low / high)) / wide if low < 0 else inf, nu
    )


@pytest.mark.parametrize("images", [3, 5, 12, 40])
@pytest.mark.parametrize("lean", [True, False])
def test_the_formula_is_a_jackknife_done_by_hand(images, lean):
    values, clusters = unequal(np.random.default_rng(images), images)
    found = clustered_interval(values, clusters, lean=lean)
    assert found.mean == pytest.approx(values.mean(), abs=1e-15)
    assert found.error == pytest.approx(jackknife_error(values, clusters), rel=1e-12)
    assert found.freedom == pytest.approx(max(1, degrees_of_freedom(clusters)), rel=1e-10)
    ends, _ = plain_interval(values, clusters, 0, 1, lean)
    assert (found.low, found.high) == pytest.approx(ends, abs=1e-12)
    sizes = pd.Series(clusters).value_counts()
    assert found.effective == pytest.approx(sizes.sum() ** 2 / (sizes**2).sum())
    assert found.largest == pytest.approx(sizes.max() / sizes.sum())
    assert (found.n, found.clusters) == (len(values), images)


def test_golden_numbers():
    """One large image of four: what the study's formulas give, to the last digit that matters."""
    values = [0.9, 0.8, 0.85, 0.2, 0.3, 0.25, 0.35, 0.3, 0.7, 0.6]
    clusters = list("aaabbbbbcd")
    found = clustered_interval(values, clusters)
    expected, _ = plain_interval(np.array(values), clusters, 0, 1, True)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)
    assert [round(x, 4) for x in (found.mean, found.error, found.freedom, found.skew)] == GOLDEN


GOLDEN = [0.525, 0.2448, 1.2486, -0.2308]


def test_equal_images_give_the_textbook_interval():
    rng = np.random.default_rng(1)
    means = rng.normal(0, 0.1, 15)
    values, clusters = np.repeat(means, 4), np.repeat(np.arange(15), 4)
    found = clustered_interval(values, clusters, reach=(-inf, inf), lean=False)
    assert found.error == pytest.approx(means.std(ddof=1) / np.sqrt(15))
    assert found.freedom == pytest.approx(14)
    assert (found.low, found.high) == pytest.approx(
        stats.t.interval(0.95, 14, means.mean(), means.std(ddof=1) / np.sqrt(15))
    )
    assert found.p == pytest.approx(stats.ttest_1samp(means, 0).pvalue)


@pytest.mark.parametrize("images", [3, 6, 25])
def test_a_differences_p_is_below_5_per_cent_exactly_where_its_interval_leaves_0_out(images):
    rng = np.random.default_rng(images)
    for shift in np.linspace(-0.3, 0.3, 31):
        a, clusters = unequal(rng, images)
        b = np.clip(a + shift + rng.normal(0, 0.15, len(a)), 0, 1)
        found = paired_interval(a, b, clusters)
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
        _, p = plain_interval(a - b, clusters, -1, 1, False)
        assert found.p == pytest.approx(p, rel=1e-9)
        mirrored = paired_interval(b, a, clusters)
        assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))
        assert mirrored.p == pytest.approx(found.p)


@pytest.mark.parametrize(
    ("images", "interval", "verdict", "few"),
    [
        (1, False, False, True), (2, False, False, True), (3, True, False, True),
        (5, True, False, True), (6, True, True, True), (12, True, True, True),
        (29, True, True, True), (30, True, True, False), (99, True, True, False),
    ],
)  # fmt: skip
def test_what_there_is_by_the_number_of_images(images, interval, verdict, few):
    rng = np.random.default_rng(images)
    a, b = rng.random((2, 2 * images))
    for found in (
        clustered_interval(a, np.repeat(np.arange(images), 2)),
        paired_interval(a, b, np.repeat(np.arange(images), 2)),
    ):
        assert (found.low is not None, found.enough, found.few) == (interval, verdict, few)
    assert (found.p is not None) == interval


@pytest.mark.parametrize(("images", "few"), [(29, True), (30, True), (99, True), (100, False)])
def test_unequal_images_keep_their_mark_below_100(images, few):
    sizes = np.ones(images, int)
    sizes[:8] = 4 * images  # eight of them hold almost all, however many there are
    values, clusters = unequal(np.random.default_rng(0), images, sizes)
    found = clustered_interval(values, clusters)
    assert found.effective < images / 3
    assert found.few is few
    assert found.low is not None, "never left out for being wide or uneven"


def test_the_effective_number_decides_nothing_else():
    even, odd = np.full(40, 5), np.r_[np.full(39, 1), 400]
    rng = np.random.default_rng(0)
    for sizes in (even, odd):
        found = clustered_interval(*unequal(rng, 40, sizes))
        assert found.low is not None
        assert found.enough


def test_no_bound_leaves_the_reach_and_large_images_pull_their_way():
    rng = np.random.default_rng(3)
    sizes = np.r_[np.full(11, 3), 60]
    values, clusters = unequal(rng, 12, sizes)
    values[-60:] = 0.99  # the large image is good: without it the mean would be far lower
    found, straight = (clustered_interval(values, clusters, lean=lean) for lean in (True, False))
    assert 0 < found.low < found.mean < found.high < 1
    assert found.skew > 0
    low, mean, high = (np.log(x / (1 - x)) for x in (found.low, found.mean, found.high))
    assert high - mean > 1.5 * (mean - low), "it leans to where the large image pulls"
    assert found.low > straight.low


def test_another_reach_is_kept_and_no_value_lies_beyond_it():
    rng = np.random.default_rng(4)
    clicks = rng.integers(1, 21, 200)
    clusters = np.repeat(np.arange(8), 25)
    found = clustered_interval(clicks, clusters, reach=(1.0, 20.0))
    ends, _ = plain_interval(clicks.astype(float), clusters, 1, 20, True)
    assert (found.low, found.high) == pytest.approx(ends)
    far = rng.exponential(3.0, 200)
    found = clustered_interval(far, clusters, reach=(0.0, inf))
    assert 0 < found.low < found.high
    ratios = rng.normal(1.0, 0.4, 200)  # said to be a share, which it isn't
    found = clustered_interval(ratios, clusters)
    assert found.reach == (-inf, inf)
    assert found.low < 1 < found.high


@pytest.mark.parametrize("value", [0.5, 0.1, 1.0, 0.0])
def test_images_that_agree_exactly_have_no_interval(value):
    found = clustered_interval([value] * 14, list("aabbccddeeffgg"))
    assert (found.mean, found.low, found.high, found.p) == (pytest.approx(value), None, None, None)


def test_the_end_of_the_reach_has_no_interval():
    found = clustered_interval([1.0, 1.0, 1.0, 1.0], list("abcd"))
    assert (found.low, found.high) == (None, None)


def test_other_masks_of_the_same_images_are_left_out_together():
    rng = np.random.default_rng(5)
    before, of_before = unequal(rng, 20)
    extra = rng.random(12)
    of_extra = [f"i{k:03}" for k in range(0, 24, 2)]  # two of them held nothing before
    after, of_after = np.r_[before, extra], np.r_[of_before, of_extra]
    found = gap_interval(before, of_before, after, of_after)
    names = sorted(set(of_after))
    whole = after.mean() - before.mean()
    away = [after[of_after != n].mean() - before[of_before != n].mean() - whole for n in names]
    error = np.sqrt((len(names) - 1) / len(names) * np.sum(np.square(away)))
    assert found.mean == pytest.approx(whole)
    assert found.error == pytest.approx(error)
    assert (found.clusters, found.n) == (22, len(after))
    assert found.low < whole < found.high


def test_the_gap_of_the_same_masks_is_the_paired_difference():
    rng = np.random.default_rng(6)
    a, clusters = unequal(rng, 9)
    b = np.clip(a - 0.05 + rng.normal(0, 0.05, len(a)), 0, 1)
    shuffled = rng.permutation(len(a))
    gap = gap_interval(b[shuffled], clusters[shuffled], a, clusters)
    paired = paired_interval(a, b, clusters)
    assert (gap.mean, gap.low, gap.high, gap.p) == pytest.approx(
        (paired.mean, paired.low, paired.high, paired.p)
    )


def test_a_mean_of_datasets_adds_their_variances():
    rng = np.random.default_rng(9)
    several = [clustered_interval(*unequal(rng, images)) for images in (12, 30, 100)]
    mean = mean_interval(several)
    errors = np.array([each.error for each in several])
    nu = np.array([each.freedom for each in several])
    gamma = np.array([each.skew for each in several])
    assert mean.mean == pytest.approx(np.mean([each.mean for each in several]))
    assert mean.error == pytest.approx(np.sqrt((errors**2).sum()) / 3)
    assert mean.freedom == pytest.approx((errors**2).sum() ** 2 / (errors**4 / nu).sum())
    assert mean.skew == pytest.approx((gamma * errors**3).sum() / (errors**2).sum() ** 1.5)
    assert mean.low < mean.mean < mean.high
    assert (mean.n, mean.clusters) == (sum(e.n for e in several), 142)
    alone = mean_interval(several[2:])
    assert (alone.low, alone.high) == pytest.approx((several[2].low, several[2].high))


@pytest.mark.parametrize(("fewest", "known"), [(2, False), (6, False), (11, False), (12, True)])
def test_a_mean_of_datasets_needs_twelve_images_of_each(fewest, known):
    rng = np.random.default_rng(10)
    several = [clustered_interval(*unequal(rng, images)) for images in (60, fewest)]
    mean = mean_interval(several)
    assert (mean.low is not None) == known
    assert mean.few, "one of them is marked"
    assert mean.mean == pytest.approx(np.mean([each.mean for each in several]))
    with pytest.raises(ValueError, match="no dataset"):
        mean_interval([])


def test_order_of_rows_and_kind_of_name_do_not_matter():
    values, clusters = correlated(np.random.default_rng(5))
    names = pd.Series([f"image {c:03d}" for c in clusters])
    shuffled = np.random.default_rng(6).permutation(len(values))
    one = clustered_interval(values, clusters)
    for other in (names, names.astype("category")):
        two = clustered_interval(values[shuffled], other.iloc[shuffled])
        assert (two.low, two.high) == pytest.approx((one.low, one.high), abs=1e-12)
    assert clustered_interval(values, clusters) == one


def test_one_image_has_a_mean_but_no_interval():
    found = clustered_interval([0.25, 0.75], ["a", "a"])
    assert found == Interval(0.5, None, None, 2, 1, 1.0, 1.0)


@pytest.mark.parametrize(
    ("values", "clusters"),
    [([], []), ([0.5], ["a", "b"]), ([float("nan"), 0.5], ["a", "b"]), ([0.1, 0.5], ["a", None])],
)
def test_refuses_what_has_no_mean(values, clusters):
    with pytest.raises(ValueError, match=r"clusters"):
        clustered_interval(values, clusters)


def test_refuses_a_level_in_per_cent_and_values_that_are_no_pairs():
    with pytest.raises(ValueError, match="level"):
        clustered_interval([0.1, 0.2], ["a", "b"], level=95)
    with pytest.raises(ValueError, match="one shape"):
        paired_interval([0.1, 0.2], [0.1], ["a", "b"])


def test_a_wider_level_is_a_wider_interval():
    values, clusters = correlated(np.random.default_rng(8))
    several = [clustered_interval(values, clusters, level=level) for level in (0.5, 0.9, 0.99)]
    for inner, outer in itertools.pairwise(several):
        assert outer.low < inner.low < inner.high < outer.high


def test_it_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(11)
    hits = naive_hits = 0
    for _ in range(400):
        values, clusters = correlated(rng, images=12)
        found = clustered_interval(values, clusters)
        naive = clustered_interval(values, np.arange(len(values)))
        hits += found.low <= 0.5 <= found.high
        naive_hits += naive.low <= 0.5 <= naive.high
    # 400 experiments: a standard error of 1.1 points
    assert 0.93 <= hits / 400 <= 0.99
    assert naive_hits / 400 < 0.75


def test_a_video_counts_once_however_many_frames_it_has():
    rng = np.random.default_rng(12)
    hits = of_frames = 0
    for _ in range(300):
        level = np.repeat(rng.normal(0.5, 0.15, 10), 20)
        values = np.clip(level + rng.normal(0, 0.05, 200), 0.01, 0.99)
        found = clustered_interval(values, np.repeat(np.arange(10), 20))
        frames = clustered_interval(values, np.arange(200))
        hits += found.low <= 0.5 <= found.high
        of_frames += frames.low <= 0.5 <= frames.high
    assert 0.92 <= hits / 300 <= 0.99
    assert of_frames / 300 < 0.6


def test_callers_of_earlier_releases_are_told():
    with pytest.warns(DeprecationWarning, match="closed form"):
        paired_interval([0.1, 0.2], [0.1, 0.3], ["a", "b"], samples=200)


def test_memory_stays_small_for_many_masks():
    rng = np.random.default_rng(10)
    clusters = rng.integers(100_000, size=1_000_000)
    values = rng.random(1_000_000)
    tracemalloc.start()
    clustered_interval(values, clusters)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150 * 2**20
