"""torch's own account of its operators, over a few images: of all it would fill the memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.profiler import ProfilerActivity, profile

from bench.run.profiling.recording import Spent, added

WARM_UP = 2
"""Images that pass before: the first ones pay for what later ones find ready."""

IMAGES = 3
"""Images of one thread that are watched in each process, or fewer, see ``LONGEST``."""

LONGEST = 1.0
"""Seconds of phases that ask for a prompt each, on a CPU up to 60,000 operators, after which no
more is watched. What is noted of an operator takes 0.1 ms to sum up."""

ENCODING = "embed"
"""The phase that asks once per image, for few and long operators: it has no part in ``LONGEST``."""

PHASES = frozenset({ENCODING, "prompt", "predict", "score"})


class Operators:
    """Watches the phases of a few images of one thread, the first that comes after warm-up.

    Other threads go on unwatched. A watched image takes longer than others.
    """

    def __init__(self, device: str) -> None:
        self._activities = [ProfilerActivity.CPU]
        if torch.device(device).type == "cuda":
            self._activities.append(ProfilerActivity.CUDA)
        self._lock = threading.Lock()
        self._warm: set[tuple[str, ...]] = set()
        self._thread: str | None = None
        self._watched: list[tuple[str, ...]] = []
        self._handed_on = 0
        self._left = LONGEST
        self._noted: list[profile] = []
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else lines of its own on standard error
        with profile(activities=self._activities):
            pass  # the first time takes seconds, which are no phase's

    def chosen(self, name: str, image_ids: tuple[str, ...]) -> bool:
        """Whether a phase that begins in the calling thread is to be watched."""
        if name not in PHASES:
            return False
        thread = threading.current_thread().name
        with self._lock:
            if self._thread is None:
                if len(self._warm) >= WARM_UP and image_ids not in self._warm:
                    self._thread = thread
                self._warm.add(image_ids)
            if self._thread != thread or self._left <= 0:
                return False
            if image_ids not in self._watched and len(self._watched) < IMAGES:
                self._watched.append(image_ids)
            return image_ids in self._watched

    @contextmanager
    def watching(self, name: str) -> Iterator[None]:
        """Watches the calling thread in the block."""
        with profile(activities=self._activities) as noted:
            start = time.perf_counter()
            yield
            passed = time.perf_counter() - start
        with self._lock:
            self._noted.append(noted)
            if name != ENCODING:
                self._left -= passed

    def take(self) -> tuple[dict[str, Spent], tuple[str, ...]]:
        """The seconds by operator, and the images watched, since the last time: takes seconds."""
        with self._lock:
            noted, self._noted = self._noted, []
            fresh = self._watched[self._handed_on :]
            self._handed_on = len(self._watched)
        spent: dict[str, Spent] = {}
        for each in noted:
            spent = added(spent, _sums(each))
        return spent, tuple(", ".join(image_ids) for image_ids in fresh)


def _sums(noted: profile) -> dict[str, Spent]:
    return {
        each.key: Spent(each.self_cpu_time_total / 1e6, each.count, _on_device(each) / 1e6)
        for each in noted.key_averages()
        if str(each.device_type).endswith("CPU")
    }


def _on_device(average: object) -> float:
    """Microseconds of the operator's kernels, which older releases call CUDA's."""
    for name in ("self_device_time_total", "self_cuda_time_total"):
        if hasattr(average, name):
            return float(getattr(average, name))
    return 0.0
