"""Which tasks wait, which worker has which in hand, and what becomes of those of a dead one."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Hashable, Sequence

from bench.run.plan import Job

TRIES = 2
"""How many workers an image may end before it is recorded as failed."""


class Ledger:
    """Hands out tasks in batches that get smaller towards the end, at most ``most`` at once.

    Images that a worker held when it died are handed out alone, so that the one that ends workers
    is found and the others are done.
    """

    def __init__(self, tasks: Sequence[Job], workers: int, most: int) -> None:
        self._waiting = deque(tasks)
        self._suspects: deque[Job] = deque()
        self._in_hand: dict[Hashable, list[Job]] = {}
        self._deaths: Counter[str] = Counter()
        self._workers, self._most = workers, most
        self.batches = 0
        """How many came back."""

    @property
    def done(self) -> bool:
        """Whether nothing waits and nothing is in hand."""
        return not (self._waiting or self._suspects or self._in_hand)

    def hand_out(self, worker: Hashable) -> list[Job]:
        """The worker's next batch; empty where nothing waits."""
        if self._suspects:
            batch = [self._suspects.popleft()]
        else:
            fair = math.ceil(len(self._waiting) / (2 * self._workers))
            batch = [self._waiting.popleft() for _ in range(min(self._most, fair))]
        if batch:
            self._in_hand[worker] = batch
        return batch

    def in_hand(self, worker: Hashable) -> list[Job]:
        """What the worker is at."""
        return self._in_hand.get(worker, [])

    def returned(self, worker: Hashable) -> None:
        """The worker's batch is on disk or has failed."""
        self._in_hand.pop(worker, None)
        self.batches += 1

    def lost(self, worker: Hashable, left: Sequence[Job]) -> list[Job]:
        """The worker died: ``left`` of its batch isn't on disk. Gives those given up for good."""
        self._in_hand.pop(worker, None)
        given_up = []
        for task in left:
            self._deaths[task.image_id] += 1
            if self._deaths[task.image_id] >= TRIES:
                given_up.append(task)
            else:
                self._suspects.append(task)
        return given_up
