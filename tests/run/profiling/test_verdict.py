"""What waited for what."""

from __future__ import annotations

import pytest

from bench.run.profiling.recording import Recording, Spent
from bench.run.profiling.verdict import Shares, shares, verdict


def recording(began: float, **lanes: dict[str, float]) -> Recording:
    """A process that began to note so many seconds after the command, and ended at 12 s."""
    return Recording(
        "w", "cpu", int(1e18 + began * 1e9), int(1e18 + 12e9),
        {(thread, name): Spent(s, 1) for thread, of in lanes.items() for name, s in of.items()},
    )  # fmt: skip


def test_shares_are_of_the_time_that_threads_had() -> None:
    found = shares(
        [
            recording(
                -3.0,
                main={"load": 2.0, "wait": 9.0, "write": 1.0, "total": 12.0},
                read_0={"read": 5.0},
                score_0={"embed": 4.0, "predict": 2.0, "score": 2.0},
                score_1={"embed": 3.0, "profile": 4.0, "prompt": 1.0},
            )
        ],
        12.0,
    )
    assert found is not None
    there = 2 * (12 - 2) - 4
    assert found.model == pytest.approx(9 / there)
    assert found.host == pytest.approx(3 / there)
    assert found.idle == pytest.approx(1 - 12 / there)
    assert (found.reading, found.writing, found.threads) == (0.5, 0.1, 2)
    assert found.ready == 2.0


def test_processes_start_and_load_each_for_itself() -> None:
    two = [
        recording(2.0, s={"embed": 4.0, "load": 2.0}),
        recording(1.0, s={"embed": 6.0, "load": 4.0}),
    ]
    found = shares(two, 12.0)
    assert found is not None
    assert found.model == pytest.approx(10 / (8 + 7))
    assert (found.threads, found.ready) == (2, 4.5)


def test_without_a_model_there_is_nothing_to_say() -> None:
    assert shares([recording(0.0, main={"total": 1.0, "read": 0.5})], 1.0) is None
    assert verdict(None, 1, 1, False) == "No model was asked."


@pytest.mark.parametrize(
    ("found", "workers", "cuda", "says"),
    [
        (Shares(0.93, 0.04, 0.2, 0.0, 4), 4, False,
         "The model is busy 93% of the time, prompts and scores take 4%: a process per core may "
         "gain a quarter with a small model: runtime.devices=all."),
        (Shares(0.93, 0.04, 0.2, 0.0, 4), 1, False, "nothing to gain from more workers."),
        (Shares(0.93, 0.04, 0.2, 0.0, 2), 2, False,
         "2 of 4 cores are free: raise runtime.workers=2"),
        (Shares(0.85, 0.04, 0.2, 0.0, 1), 2, True, "nothing to gain from more workers"),
        (Shares(0.3, 0.65, 0.2, 0.0, 1), 2, True,
         "The model waits for prompts and scores 65% of the time and is busy 30%: a "
         "second process"),
        (Shares(0.5, 0.1, 0.9, 0.0, 1), 2, True,
         "wait 40% of the time, for reading (its threads are busy 90%): raise runtime.workers=2."),
        (Shares(0.5, 0.1, 0.9, 0.0, 4), 4, False, "all cores are taken"),
        (Shares(0.4, 0.1, 0.1, 0.6, 2), 2, False, "for writing (busy 60%)"),
        (Shares(0.4, 0.1, 0.1, 0.0, 2), 2, False, "beginning and end weigh"),
    ],
)  # fmt: skip
def test_the_sentence(found: Shares, workers: int, cuda: bool, says: str) -> None:
    assert says in verdict(found, workers, 4, cuda)
