from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from bench.types.threads import in_order


def test_results_come_in_the_items_order() -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item * item

    found = [(item, future.result()) for item, future in in_order(work, range(30), 4)]
    assert found == [(item, item * item) for item in range(30)]


def test_only_a_few_items_are_drawn_ahead() -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            drawn.append(item)
            yield item

    for item, _ in in_order(str, items(), threads=2):
        assert len(drawn) <= item + 1 + 2 * 2


def test_what_has_not_begun_never_runs_after_a_stop() -> None:
    begun: list[int] = []
    gate = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        gate.wait(2)

    results = in_order(work, range(100), threads=1)
    next(results)
    gate.set()
    results.close()
    assert len(begun) <= 3


def test_an_error_belongs_to_its_item() -> None:
    def work(item: int) -> float:
        return 1 / item

    outcomes = [future.exception() is None for _, future in in_order(work, [1, 0, 2], 2)]
    assert outcomes == [True, False, True]


def test_an_error_of_the_source_ends_the_work() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(in_order(str, items(), threads=2))
