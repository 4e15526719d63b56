"""The log of reports from outside names tests that there are, and counts its lines."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "house" / "outside.md").read_text(encoding="utf-8")
LINES = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| \d", line)]


def test_every_line_has_its_number_its_report_and_tests() -> None:
    assert [int(line[0]) for line in LINES] == list(range(1, len(LINES) + 1))
    assert len({line[2] for line in LINES}) == len(LINES)
    for line in LINES:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", line[2]), line
        latest, tests = TESTS, re.findall(r"`([^`]+)`", line[-1])
        assert tests, line
        for name in tests:
            path = (
                TESTS / name if "/" in name or not latest.joinpath(name).exists() else latest / name
            )
            assert path.is_file(), name
            latest = path.parent
