"""How often intervals of ranks hold the truth is counted as it is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rank_coverage
import result_files


def test_ranks_are_counted_by_places() -> None:
    scores = np.array([[0.2, 0.9], [0.5, 0.1], [0.4, 0.3]])
    assert rank_coverage.ranks_of(scores).tolist() == [[3, 1], [1, 3], [2, 2]]


def test_intervals_cover_more_often_than_a_bootstrap_of_few_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(result_files, "RESULTS", tmp_path)
    monkeypatch.setattr(rank_coverage, "POOL", 400)
    monkeypatch.setattr(rank_coverage, "DATASETS", (5,))
    assert rank_coverage.main(["--experiments", "40"]) == 0
    text = (tmp_path / "rank_coverage.md").read_text()
    assert text == capsys.readouterr().out
    close = next(line for line in text.splitlines() if line.startswith("| close | 5 |"))
    rank, _, wins, _, drawn, *_ = map(float, close.split("|")[3:-1])
    assert rank > drawn
    assert rank == wins, "one is the other turned round"
