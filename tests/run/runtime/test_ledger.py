from __future__ import annotations

from bench.run.plan import Job
from bench.run.runtime.ledger import Ledger


def tasks(count: int) -> list[Job]:
    return [Job(str(index), ("box",)) for index in range(count)]


def names(batch: list[Job]) -> list[str]:
    return [task.image_id for task in batch]


def test_batches_shrink_and_every_task_is_handed_out_once() -> None:
    ledger, sizes, seen = Ledger(tasks(100), workers=2, most=16), [], []
    while not ledger.done:
        batch = ledger.hand_out("a")
        sizes.append(len(batch))
        seen += names(batch)
        ledger.returned("a")
    assert seen == names(tasks(100))
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == (16, 1)


def test_what_a_dead_worker_left_is_handed_out_alone() -> None:
    ledger = Ledger(tasks(8), workers=1, most=4)
    batch = ledger.hand_out("a")
    assert names(batch) == ["0", "1", "2", "3"]
    assert ledger.lost("a", batch[1:]) == []
    assert [names(ledger.hand_out(who)) for who in "bcd"] == [["1"], ["2"], ["3"]]
    assert names(ledger.hand_out("e")) == ["4", "5"]


def test_an_image_that_ends_two_workers_is_given_up() -> None:
    ledger = Ledger(tasks(1), workers=1, most=4)
    assert ledger.lost("a", ledger.hand_out("a")) == []
    assert not ledger.done
    assert names(ledger.lost("b", ledger.hand_out("b"))) == ["0"]
    assert ledger.done


def test_a_worker_that_dies_with_nothing_in_hand_costs_nothing() -> None:
    ledger = Ledger(tasks(2), workers=1, most=1)
    assert ledger.in_hand("a") == []
    assert ledger.lost("a", []) == []
    assert names(ledger.hand_out("b")) == ["0"]
