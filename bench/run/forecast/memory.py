"""How much memory a run will take: as an earlier one did, else what can be reckoned beforehand."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bench.files.sizes import megabytes
from bench.run.forecast.pace import Pace
from bench.run.plan import Plan
from bench.run.profiling.memory import Memory
from bench.types import BenchError

BASE = 500 << 20
"""Bytes of a process with Python and torch, before any model."""

LOGITS = 4 * 4 * 256 * 256
"""Bytes of a prompt's three candidates and what is fed back, on Segment Anything's grid."""

EMBEDDING = 4 * 256 * 64 * 64
"""Bytes of an image's embedding of Segment Anything."""

CANVAS = 4 * 3 * 1024 * 1024
"""Bytes of an image on the canvas of Segment Anything's encoder."""


@dataclass(frozen=True, slots=True)
class Need:
    """What each of some workers needs: ``measured``, or else at least that.

    A network's own intermediate values are in no reckoning.
    """

    memory: Memory
    workers: int
    measured: bool

    def __str__(self) -> str:
        host, device = self.memory.host, self.memory.device
        said = ["not known" if host is None else megabytes(host)]
        if device is not None:
            said.append(f"CUDA {megabytes(device)}")
        least = "" if self.measured else "over "
        times = f"{self.workers} × " if self.workers > 1 else ""
        return times + least + ", ".join(said)


def need(plan: Plan, pace: Pace | None) -> Need:
    """What each worker of a plan needs."""
    settings = plan.setting.runtime
    devices = settings.processes()
    processes = len(devices) if devices else settings.ray.actors or 1
    if pace is not None and pace.host is not None:
        return Need(Memory(pace.host, pace.device), pace.workers, True)
    weights, picture = 4 * _parameters(plan), _picture_bytes(plan)
    threads = max(1, settings.workers // processes)
    batch = settings.image_batch
    on_cuda = (devices[0] if devices else plan.setting.site.device).startswith("cuda")
    lanes = 1 if on_cuda else threads
    reading = (2 * threads + 2 + batch) * picture
    scoring = (2 * lanes + 1) * batch * (picture + EMBEDDING)
    decoding = settings.prompt_batch * LOGITS
    if not on_cuda:
        host = BASE + 2 * weights + reading + scoring + lanes * (decoding + CANVAS)
        return Need(Memory(host), processes, False)
    device = weights + scoring + decoding + batch * CANVAS
    return Need(Memory(BASE + 2 * weights + reading, device), processes, False)


def _parameters(plan: Plan) -> int:
    """The model's, as its YAML says; 0 where it doesn't."""
    digits = re.sub(r"\D", "", str(plan.question.model.about.get("parameters", "")))
    return int(digits) if digits else 0


def _picture_bytes(plan: Plan) -> int:
    """Of the first picture to do, decoded, and its masks; a megapixel's where it can't be read."""
    sample: Any = None
    with suppress(BenchError, ValueError, OSError):  # the run will tell of it
        sample = plan.reader.read(plan.work.todo[0])
    if sample is None:
        return 3 << 20
    size: int = sample.image.nbytes + sum(t.mask.bits.nbytes for t in sample.targets)
    return size
