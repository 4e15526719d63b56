"""Work in threads, all of it: ahead and in order, as a map, in the background, or helping out.

* `in_order` keeps a few items ahead of who takes their results (reading pictures, scoring);
* `mapping` and `lasting_map` are a ``map`` in threads (opening parts, clicks on the host);
* `background` is one thread that does one thing after the other (writing parts);
* `Crew` are threads that take over pieces of what another is at (targets of a large picture).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Generic, TypeAlias, TypeVar

Item = TypeVar("Item")
Piece = TypeVar("Piece")
Result = TypeVar("Result")

Map: TypeAlias = Callable[..., Iterable[Any]]
"""What does as ``map``: results in the items' order."""


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, name: str = "work"
) -> Generator[tuple[Item, Future[Result]], None, None]:
    """Each item with the future of its result, in order.

    At most ``2 * threads`` items beyond the one in hand are under way, so memory stays bounded.
    ``items`` is drawn from the caller's thread. What has not begun when the caller closes it, or
    when an exception ends it, never runs; what has begun is waited for.
    """
    upcoming = iter(items)
    with ThreadPoolExecutor(threads, thread_name_prefix=name) as pool:
        under_way: deque[tuple[Item, Future[Result]]] = deque()
        try:
            for item in upcoming:
                under_way.append((item, pool.submit(work, item)))
                if len(under_way) > 2 * threads:
                    yield under_way.popleft()
            while under_way:
                yield under_way.popleft()
        finally:
            for _, future in under_way:
                future.cancel()


@contextmanager
def mapping(threads: int, name: str) -> Iterator[Map]:
    """A ``map`` in so many threads, which end with the block."""
    with ThreadPoolExecutor(threads, thread_name_prefix=name) as pool:
        yield pool.map


def lasting_map(threads: int, name: str) -> Map:
    """A ``map`` in so many threads, which stay as long as it is held."""
    return ThreadPoolExecutor(threads, thread_name_prefix=name).map


@contextmanager
def background(name: str) -> Iterator[Executor]:
    """One thread that does what it is given in turn; at the end of the block all is done."""
    with ThreadPoolExecutor(1, thread_name_prefix=name) as pool:
        yield pool


class Crew:
    """At most ``seats`` threads compute at a time: those with work of their own, and helpers.

    A helper calls ``prepare`` once, before anything else.
    """

    def __init__(self, seats: int, prepare: Callable[[], None] = lambda: None) -> None:
        self._seats = self._free = seats
        self._changed = threading.Condition()
        self._helpers = ThreadPoolExecutor(max(1, seats - 1), "help", initializer=prepare)

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Waits for a free seat and has it for the length of the block."""
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0)
            self._free -= 1
        try:
            yield
        finally:
            self._leave()

    def share(self, work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> list[Result]:
        """The work's results in the pieces' order, as ``map`` gives them; called from a seat.

        A piece is drawn when a thread begins it. After an error no other is begun, and the error
        is raised once those begun have ended.
        """
        job = _Job(work, pieces)
        helpers = [self._helpers.submit(self._help, job) for _ in range(self._seats - 1)]
        while job.take_one():
            pass
        with self._changed:
            self._changed.notify_all()  # to those that wait for a seat: nothing is left
        for helper in helpers:
            helper.cancel()
        wait(helpers)
        return job.results()

    def _help(self, job: _Job[Any, Any]) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: job.over or self._free > 0)
                if job.over:
                    return
                self._free -= 1
            try:
                job.take_one()
            finally:
                self._leave()

    def _leave(self) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify_all()


class _Job(Generic[Piece, Result]):
    """Pieces that several threads take from; ``over`` says that no other is to be begun."""

    def __init__(self, work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> None:
        self.over = False
        self._work, self._pieces = work, iter(pieces)
        self._lock = threading.Lock()
        self._drawn = 0
        self._results: dict[int, Result] = {}
        self._errors: dict[int, BaseException] = {}

    def take_one(self) -> bool:
        """Does a piece; false where there is none to be begun."""
        with self._lock:
            if self.over:
                return False
            index = self._drawn
            try:
                piece = next(self._pieces)
            except StopIteration:
                self.over = True
                return False
            except BaseException as error:
                self._fail(index, error)
                return False
            self._drawn += 1
        try:
            self._results[index] = self._work(piece)
        except BaseException as error:
            self._fail(index, error)
        return True

    def results(self) -> list[Result]:
        """All results in order; raises the error of the first piece that has one."""
        if self._errors:
            raise self._errors[min(self._errors)]
        return [self._results[index] for index in range(self._drawn)]

    def _fail(self, index: int, error: BaseException) -> None:
        """Keeps the error for the thread that asked."""
        self.over = True
        self._errors[index] = error
