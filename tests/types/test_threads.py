from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.types.threads import Crew


def test_results_come_in_the_pieces_order_whoever_does_them() -> None:
    crew, threads = Crew(4), set()
    together = threading.Barrier(4, timeout=20)

    def work(piece: int) -> int:
        if piece < 4:
            together.wait()  # all four must be under way at once, or this raises
        threads.add(threading.get_ident())
        time.sleep(0.002 * (20 - piece))
        return piece * piece

    with crew.seat():
        assert crew.share(work, range(20)) == [piece * piece for piece in range(20)]
    assert len(threads) == 4


def test_no_more_compute_at_a_time_than_there_are_seats() -> None:
    crew, lock = Crew(3), threading.Lock()
    now = most = 0

    def work(piece: int) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.002)
        with lock:
            now -= 1
        return piece

    def lane(pieces: int) -> list[int]:
        with crew.seat():
            return crew.share(work, range(pieces))

    with ThreadPoolExecutor(3) as lanes:
        found = list(lanes.map(lane, [1, 40, 0, 3, 25, 1, 60]))
    assert [len(each) for each in found] == [1, 40, 0, 3, 25, 1, 60]
    assert most == 3


def test_a_free_seat_helps_whoever_is_left() -> None:
    """Two lanes; the first ends at once, and its seat then helps the second to its end."""
    crew = Crew(2)
    started, helped = threading.Event(), threading.Barrier(2, timeout=20)

    def long(piece: int) -> str:
        started.set()
        if piece == 5:
            helped.wait()
        if piece == 6:
            helped.wait()
        return threading.current_thread().name

    def short() -> None:
        with crew.seat():
            started.wait()

    def lane() -> list[str]:
        with crew.seat():
            return crew.share(long, range(8))

    with ThreadPoolExecutor(2, "lane") as lanes:
        first = lanes.submit(short)
        second = lanes.submit(lane)
        first.result()
        names = second.result()
    assert {name.split("_")[0].split("-")[0] for name in names} == {"lane", "help"}


def test_one_seat_has_no_helper_and_draws_one_piece_at_a_time() -> None:
    crew, drawn = Crew(1), []

    def pieces() -> Iterator[int]:
        for piece in range(5):
            drawn.append(piece)
            yield piece

    with crew.seat():
        assert crew.share(lambda piece: (piece, len(drawn)), pieces()) == [
            (piece, piece + 1) for piece in range(5)
        ]


def test_after_an_error_no_other_piece_is_begun_and_the_seats_are_free_again() -> None:
    crew, begun = Crew(2), []

    def work(piece: int) -> int:
        begun.append(piece)
        if piece == 3:
            raise ValueError("the third")
        time.sleep(0.01)
        return piece

    for _ in range(3):
        begun.clear()
        with crew.seat(), pytest.raises(ValueError, match="the third"):
            crew.share(work, range(1000))
        assert len(begun) < 8
    with crew.seat():
        assert crew.share(lambda piece: piece, range(3)) == [0, 1, 2]


def test_an_error_of_what_gives_the_pieces_is_raised() -> None:
    def pieces() -> Iterator[int]:
        yield 1
        raise RuntimeError("no more")

    crew = Crew(2)
    with crew.seat(), pytest.raises(RuntimeError, match="no more"):
        crew.share(lambda piece: piece, pieces())


def test_helpers_prepare_once() -> None:
    prepared = []
    crew = Crew(2, lambda: prepared.append(threading.current_thread().name))
    together = threading.Barrier(2, timeout=20)
    for _ in range(3):
        with crew.seat():
            crew.share(lambda piece: together.wait(), range(2))
    assert len(prepared) == 1
    assert prepared[0].startswith("help")
