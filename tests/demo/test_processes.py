"""Processes that stand and fall together."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench.demo.training.processes import run_together

# Builtins are what a fresh process can call without importing anything heavy.
_FAIL = "__import__('os')._exit(3)"
_SLEEP = "__import__('time').sleep(60)"


def test_all_run_to_their_end(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    run_together(eval, [(f"open({str(path)!r}, 'w').close()",) for path in paths])
    assert all(path.exists() for path in paths)


def test_one_that_fails_ends_the_others() -> None:
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="exit code 3"):
        run_together(eval, [(_SLEEP,), (_FAIL,)])
    assert time.monotonic() - start < 30
