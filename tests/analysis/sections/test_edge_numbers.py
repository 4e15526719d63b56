"""ODS, OIS, AP and R50, as the published evaluator's loops compute them, and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.sections.edges import NUMBERS, Curve, Edges
from bench.analysis.stats.intervals import clustered_interval, left_out_interval


def random_edges(seed: int, images: int = 7, levels: int = 9) -> Edges:
    """Counts that fall with the threshold, as those of edges do, images in four clusters."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((images, 4, levels))
    for image in range(images):
        truth = int(rng.integers(200, 900))
        predicted = np.sort(rng.integers(1, 1500, levels))[::-1]
        matched = (predicted * np.sort(rng.uniform(0.2, 1, levels))).astype(int)
        recalled = np.minimum(truth, (matched * rng.uniform(0.7, 1.0)).astype(int))
        counts[image] = matched, predicted, recalled, np.full(levels, truth)
    return Edges(np.linspace(0.1, 0.9, levels), counts, rng.permutation(np.arange(images) % 4))


def f(p: float, r: float) -> float:
    return 2 * p * r / (p + r + ((p + r) == 0))


def plain_best(levels, precision, recall):
    """The loop of the published evaluator: from one threshold to the next in a hundred steps."""
    best = (f(precision[0], recall[0]), levels[0], precision[0], recall[0])
    for i in range(1, len(levels)):
        for d in np.linspace(0, 1, 100):
            t, p, r = (each[i] * d + each[i - 1] * (1 - d) for each in (levels, precision, recall))
            if f(p, r) > best[0]:
                best = (f(p, r), t, p, r)
    return best


def plain_numbers(edges: Edges) -> dict[str, float]:
    """All four by loops over images and thresholds."""
    levels = len(edges.levels)
    total, at_best = np.zeros((4, levels)), np.zeros(4)
    for image in edges.counts:
        total += image
        scores = [f(image[0, t] / image[1, t], image[2, t] / image[3, t]) for t in range(levels)]
        at_best += image[:, int(np.argmax(scores))]
    precision, recall = total[0] / total[1], total[2] / total[3]
    order = np.argsort(recall)
    area = 0.0
    for wanted in np.arange(0, 1.005, 0.01):
        if recall.min() <= wanted <= recall.max():
            area += np.interp(wanted, recall[order], precision[order]) * 0.01
    fine = [
        (precision[i] * (1 - d) + precision[i + 1] * d, recall[i] * (1 - d) + recall[i + 1] * d)
        for i in range(levels - 1)
        for d in np.linspace(0, 1, 20_001)
    ]
    return {
        "ods": plain_best(edges.levels, precision, recall)[0],
        "ois": f(at_best[0] / at_best[1], at_best[2] / at_best[3]),
        "ap_edges": area,
        "r50": max((r for p, r in fine if p >= 0.5), default=np.nan),
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_numbers_are_those_of_plain_loops(seed: int) -> None:
    edges = random_edges(seed)
    plain, found = plain_numbers(edges), edges.numbers()
    assert list(found) == list(NUMBERS)
    for name in ("ods", "ois", "ap_edges"):
        assert found[name].mean == pytest.approx(plain[name], abs=1e-12)
    assert found["r50"].mean == pytest.approx(plain["r50"], abs=1e-4)
    totals = edges.counts.sum(axis=0)
    expected = plain_best(edges.levels, totals[0] / totals[1], totals[2] / totals[3])
    assert edges.curve().best() == pytest.approx(expected, abs=1e-12)


def test_the_interval_leaves_each_cluster_out() -> None:
    edges = random_edges(5)
    sizes = np.bincount(edges.owners)
    for name in ("ods", "ois", "ap_edges"):
        others = [
            plain_numbers(Edges(edges.levels, edges.counts[edges.owners != owner], edges.owners))[
                name
            ]
            for owner in range(len(sizes))
        ]
        found = edges.numbers()[name]
        expected = left_out_interval(plain_numbers(edges)[name], others, sizes)
        assert found.clusters == 4
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_a_mean_left_out_has_the_interval_of_a_mean() -> None:
    rng = np.random.default_rng(1)
    values, clusters = rng.random(40), rng.integers(0, 9, 40)
    others = [values[clusters != one].mean() for one in range(9)]
    found = left_out_interval(values.mean(), others, np.bincount(clusters))
    expected = clustered_interval(values, clusters, lean=False)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert (found.clusters, found.n, found.few) == (9, 40, True)
    with pytest.raises(ValueError, match="as many numbers as clusters"):
        left_out_interval(0.5, [0.4], [1, 2])


def test_a_number_that_hangs_on_one_cluster_has_no_bounds() -> None:
    good, bad = (
        np.array([[9, 8.0], [10, 9], [9, 8], [20, 20]]),
        np.array([[1, 0.0], [10, 9], [1, 0], [20, 20]]),
    )
    edges = Edges(np.array([0.3, 0.6]), np.stack([good * 9, bad, bad, bad]), np.arange(4))
    found = edges.numbers()["r50"]
    assert found is not None
    assert 0 < found.mean < 1
    assert (found.low, found.high) == (None, None)
    assert edges.numbers()["ods"].low is not None


def curve(precision: list[float], recall: list[float]) -> Curve:
    levels = np.linspace(0.1, 0.9, len(precision))
    empty = np.zeros(len(precision), dtype=bool)
    return Curve(levels, np.array(precision), np.array(recall), empty)


def test_r50_is_read_between_thresholds() -> None:
    assert curve([0.4, 0.6], [0.8, 0.4]).recall_at_half() == pytest.approx(0.6)
    assert curve([0.6, 0.9], [0.8, 0.4]).recall_at_half() == pytest.approx(0.8)
    assert curve([0.1, 0.3], [0.8, 0.4]).recall_at_half() is None
    assert curve([0.5, 0.3], [0.2, 0.4]).recall_at_half() == pytest.approx(0.2)


def test_ap_is_0_beyond_the_curve_and_without_one() -> None:
    # From 0.2 to 0.4 there are 21 hundredths, at a precision of 1.
    assert curve([1.0, 1.0], [0.4, 0.2]).average_precision() == pytest.approx(0.21)
    assert curve([1.0, 1.0], [0.4, 0.4]).average_precision() is None


def test_the_best_f_lies_between_thresholds() -> None:
    f_best, level, precision, recall = curve([0.2, 1.0], [1.0, 0.2]).best()
    assert f_best > max(f(0.2, 1.0), f(1.0, 0.2))
    assert (level, precision, recall) == pytest.approx((0.5, 0.6, 0.6), abs=0.01)
    assert curve([0.5], [0.5]).best() == pytest.approx((0.5, 0.1, 0.5, 0.5))
