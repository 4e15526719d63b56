"""Work in threads that stay a few items ahead, results in the items' own order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
