"""Solved at N per cent: a threshold that is met exactly, and its mean is a share."""

from __future__ import annotations

import numpy as np
import pytest
from oddities import odd_masks, random_blob

from bench.scoring.metrics import metric
from bench.types import BenchError, Mask


def row(pixels: int) -> Mask:
    dense = np.zeros((3, 200), dtype=bool)
    dense[1, :pixels] = True
    return Mask.from_dense(dense)


@pytest.mark.parametrize("percent", range(1, 101))
def test_what_just_reaches_it_is_solved(percent: int) -> None:
    solved = metric(f"solved_{percent}")
    assert solved.of(row(percent), row(100)) == 1.0
    assert solved.of(row(2 * percent - 1), row(200)) == 0.0
    assert solved.of(row(100), row(100)) == 1.0


@pytest.mark.parametrize("percent", [80, 85, 90])
def test_solved_is_what_counts_of_pixels_say(percent: int) -> None:
    rng = np.random.default_rng(7)
    odd = odd_masks().values()
    pairs = [(a, b) for a in odd for b in odd]
    for _ in range(100):
        blob = random_blob(rng, 23, 37)
        noise = rng.random(blob.shape) < rng.uniform(0, 0.1)
        pairs.append((blob ^ noise, blob))
    values = []
    for a, b in pairs:
        shared, either = int((a & b).sum()), int((a | b).sum())
        values.append(metric(f"solved_{percent}").of(Mask.from_dense(a), Mask.from_dense(b)))
        assert values[-1] == (1.0 if either and 100 * shared >= percent * either else 0.0)
    assert 0 < np.mean(values) < 1


@pytest.mark.parametrize("percent", [0, 101, 850])
def test_other_numbers_are_refused(percent: int) -> None:
    with pytest.raises(BenchError, match="between 1 and 100 per cent"):
        metric(f"solved_{percent}")


def test_its_mean_is_shown_in_per_cent() -> None:
    measure = metric("solved_90").measure
    assert (measure.title, measure.unit, measure.shown(0.5)) == ("solved@90", "share", "50.0")
