"""How many images and prompts go in a batch: as the settings say, fewer once memory has run out."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch

from bench.models.loading import out_of_memory
from bench.types import UnfitImageError

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger(__name__)


class NoMemoryError(UnfitImageError):
    """The device has no memory for an image, or for one of its prompts alone."""


class Room:
    """The device's memory, which several threads share, or one has to itself."""

    def __init__(self) -> None:
        self._users = 0
        self._changed = threading.Condition()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Uses the device beside others."""
        with self._changed:
            self._users += 1
        try:
            yield
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Waits for the others to end what they do, and keeps them off."""
        with self._changed:
            self._changed.wait_for(lambda: self._users == 0)
            yield


class Halving:
    """Does work on items a batch at a time; a batch that finds no memory is halved, for good.

    At first ``most`` items go together. ``setting`` is what a user can lower, such as
    ``runtime.image_batch``. Several threads may use one.
    """

    def __init__(self, most: int, setting: str, room: Room) -> None:
        self.now = most
        self._setting, self._room = setting, room
        self._lock = threading.Lock()

    def __call__(
        self, work: Callable[[Sequence[Item]], Result], items: Sequence[Item]
    ) -> Iterator[Result]:
        """The work's results for one slice of the items after the other.

        Raises ``NoMemoryError`` where there is no memory for a single item: others may fit.
        """
        start = 0
        while start < len(items):
            batch = items[start : start + self.now]
            with self._room.shared():
                results, reason = _attempt(work, batch)
            if reason and len(batch) == 1:
                with self._room.alone():
                    results, reason = _attempt(work, batch)
                if reason:
                    raise NoMemoryError(
                        f"out of memory on the device with {self._setting}=1: {reason}; "
                        "take a smaller model or image, or a device with more memory"
                    )
            if reason:
                self._halve(len(batch), reason)
                continue
            yield from results
            start += len(batch)

    def _halve(self, failed: int, reason: str) -> None:
        with self._lock:
            fewer = failed // 2
            if fewer >= self.now:  # another thread has halved it meanwhile
                return
            self.now = fewer
        log.warning(
            "out of memory on the device with a batch of %d: %s is now %d (%s)",
            *(failed, self._setting, fewer, reason),
        )


def _attempt(
    work: Callable[[Sequence[Item]], Result], batch: Sequence[Item]
) -> tuple[list[Result], str]:
    """The result, or why there is no memory for it; what the attempt held is free again."""
    try:
        return [work(batch)], ""
    except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if (reason := out_of_memory(error)) is None:
            raise
    gc.collect()  # frames of the attempt that refer to each other
    torch.cuda.empty_cache()  # nothing where CUDA was not used
    return [], reason
