"""The simulated coverage of intervals: the drawn masks are the pool's, and the tables are whole."""

from __future__ import annotations

from pathlib import Path

import interval_coverage
import numpy as np
import pytest
import result_files
from interval_coverage import KINDS, WHAT, Count, Pool, make, truths

from bench.analysis.stats.intervals import clustered_interval


@pytest.fixture(scope="module")
def pool() -> Pool:
    return make(KINDS["geometric, big worse"], np.random.default_rng(0))


def test_a_pool_is_what_it_is_said_to_be(pool: Pool) -> None:
    of_image = np.add.reduceat(pool.a, pool.starts) / pool.sizes
    assert pool.a.min() >= 0
    assert pool.a.max() <= 1
    assert pool.a.std() == pytest.approx(0.22, abs=0.02)
    assert np.corrcoef(np.log(pool.sizes), of_image)[0, 1] < -0.3, "big images are worse"
    truth = truths(pool)
    assert truth[WHAT[0]] < truth[WHAT[2]], "so the mean over masks is below that over images"
    gap = pool.a - pool.same
    assert abs(gap.mean()) < 0.1 * abs((pool.a - pool.b).mean())


def test_masks_are_those_of_the_drawn_images_and_images_drawn_twice_are_two(pool: Pool) -> None:
    images = np.array([7, 3, 7, 19_999])
    masks, of_mask = pool.masks(images)
    expected = [np.arange(pool.sizes[i]) + pool.starts[i] for i in images]
    assert masks.tolist() == np.concatenate(expected).tolist()
    assert np.bincount(of_mask).tolist() == pool.sizes[images].tolist()


def test_an_interval_without_bounds_is_not_counted() -> None:
    count = Count()
    count.add(clustered_interval([0.1, 0.2], ["a", "b"]), 0.15)
    assert count.shown() == "–"
    count.add(clustered_interval([0.1, 0.2, 0.3], ["a", "b", "c"]), 0.2)
    assert count.shown().startswith("100 · ")


@pytest.mark.long
def test_the_command_writes_every_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_files, "RESULTS", tmp_path)
    words = ["--experiments", "40", "--populations", "equal", "log-normal 1.5, big worse"]
    assert interval_coverage.main(words) == 0
    text = (tmp_path / "interval_coverage.md").read_text()
    assert text.count("\n## ") == 5
    lines = [line for line in text.splitlines() if line.startswith("| equal (1.00) | mean over ")]
    assert len(lines) == 3
    for cell in lines[0].split("|")[3:-1]:
        assert int(cell.split(" · ")[0]) > 80
