"""A few of what ``benchmarks/faults.py`` does by the hundred."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulting.kills import killed_commands
from faulting.obstacles import at_once
from faulting.setting import PROMPTED, TASKS, TWO, server


@pytest.mark.long
def test_killed_commands_lose_and_double_nothing(tmp_path: Path) -> None:
    found = killed_commands(server(), tmp_path, runs=3, seed=11)
    assert (found["equal"], found["exit_codes"]) == (3, {"0": 3})
    assert (found["rows_lost"], found["rows_added"]) == (0, 0)
    assert found["kills"] >= 3


@pytest.mark.long
@pytest.mark.parametrize("more", [(), (TWO,)], ids=["one", "two"])
@pytest.mark.parametrize("task", sorted(set(TASKS) - {PROMPTED}))
def test_killed_commands_of_every_task_lose_and_double_nothing(
    task: str, more: tuple[str, ...], tmp_path: Path
) -> None:
    found = killed_commands(server(), tmp_path, runs=1, seed=13, task=task, more=more)
    assert (found["equal"], found["exit_codes"]) == (1, {"0": 1})
    assert (found["rows_lost"], found["rows_added"]) == (0, 0)
    assert found["kills"] >= 1


@pytest.mark.long
def test_of_two_commands_at_once_one_works_and_the_other_says_so(tmp_path: Path) -> None:
    found = at_once(server(), tmp_path, pairs=2, seed=12)
    assert found["equal"] == 2
    refused = found["exit_codes"].get("0 and 2", 0)
    assert refused == found["refusals_in_one_line"] >= 1
