from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from bench.run.batches import Halving, Room
from bench.types import BenchError


def doubled(most: int):  # type: ignore[no-untyped-def]
    """Doubles numbers, of which no more than ``most`` fit into memory together."""

    def work(batch: Sequence[int]) -> list[int]:
        if len(batch) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")
        return [2 * item for item in batch]

    return work


def flat(batches: Sequence[Sequence[int]]) -> list[int]:
    return [item for batch in batches for item in batch]


@pytest.mark.parametrize("most", [1, 2, 3, 5, 8, 20])
def test_results_are_those_of_any_batch(most: int) -> None:
    halving = Halving(8, "runtime.image_batch", Room())
    assert flat(list(halving(doubled(most), range(21)))) == [2 * item for item in range(21)]
    assert halving.now <= max(1, most)


def test_each_halving_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    halving = Halving(8, "runtime.prompt_batch", Room())
    with caplog.at_level(logging.WARNING):
        list(halving(doubled(3), range(40)))
        list(halving(doubled(3), range(40)))
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        "out of memory on the device with a batch of 8: runtime.prompt_batch is now 4",
        "out of memory on the device with a batch of 4: runtime.prompt_batch is now 2",
    ]


def test_one_that_does_not_fit_is_an_error_that_names_the_setting() -> None:
    halving = Halving(4, "runtime.image_batch", Room())
    with pytest.raises(BenchError, match=r"out of memory .* runtime\.image_batch=1: CUDA out of"):
        list(halving(doubled(0), range(5)))


def test_other_errors_stay_as_they_are() -> None:
    def fail(batch: Sequence[int]) -> int:
        raise RuntimeError("another")

    with pytest.raises(RuntimeError, match="another"):
        list(Halving(4, "runtime.image_batch", Room())(fail, range(5)))


def test_what_a_failed_attempt_held_is_free_before_the_next() -> None:
    alive: list[bool] = []
    held: list[threading.Event] = []

    class Large:
        def __init__(self) -> None:
            self.gone = threading.Event()
            held.append(self.gone)

        def __del__(self) -> None:
            self.gone.set()

    def work(batch: Sequence[int]) -> int:
        alive.extend(not gone.is_set() for gone in held)
        large = Large()
        if len(batch) > 1:
            raise torch.cuda.OutOfMemoryError(f"no room beside {large}")
        return 0

    list(Halving(4, "runtime.image_batch", Room())(work, range(4)))
    assert len(alive) > 2
    assert not any(alive)


def test_one_alone_waits_for_others_to_free_memory() -> None:
    """Two threads of one item each fit only one after the other."""
    busy = threading.Semaphore(1)
    together = threading.Barrier(2, timeout=5)
    tries = {"a": 0, "b": 0}

    def work(batch: Sequence[str]) -> list[str]:
        (name,) = batch
        tries[name] += 1
        if tries[name] == 1:
            together.wait()
        if not busy.acquire(blocking=False):
            raise torch.cuda.OutOfMemoryError("the other one has it")
        try:
            threading.Event().wait(0.1)
            return [name]
        finally:
            busy.release()

    halving = Halving(1, "runtime.image_batch", Room())
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda name: flat(list(halving(work, [name]))), "ab"))
    assert found == [["a"], ["b"]]
    assert sorted(tries.values()) == [1, 2]
