"""The benchmark of memory itself: it sees what a run holds."""

from __future__ import annotations

import argparse

import pytest
from memory import Memory, broken, measure, table


@pytest.mark.long
def test_a_short_run_is_measured_in_a_process_of_its_own() -> None:
    found = measure("many", argparse.Namespace(images=6, override=["runtime.workers=1"]))
    assert (found.images, found.rows) == (6, 6 * 4 * 5)
    assert 50 < found.before <= found.peak
    assert set(found.at) == {"10 %", "50 %", "100 %"}
    assert found.at["100 %"] <= found.peak
    assert "| many | 6 | 120 |" in table([found])


def test_bounds_are_told_where_they_are_broken() -> None:
    sound = Memory("many", at={"10 %": 100, "50 %": 130, "100 %": 140}, peak=9000)
    grown = Memory("many", at={"10 %": 100, "50 %": 130, "100 %": 230})
    small, large = Memory("large", peak=2800), Memory("large", peak=2900)
    assert broken([sound, small]) == []
    assert len(broken([grown, large])) == 2
