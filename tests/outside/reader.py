"""A dataset that lies nowhere: bars and bowls on a non-square ground."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.types import Mask, Sample, Site, Target


class Beans:
    """``count`` pictures of 48×80 with one to four beans each.

    Where the file ``OUTSIDE_DIES`` (an environment variable) exists, the process that reads the
    picture it names removes it and dies as ``kill -9`` does.
    """

    def __init__(self, count: int = 6, *, site: Site) -> None:
        self._ids = [f"bean_{number:02d}" for number in range(count)]

    def ids(self) -> Sequence[str]:
        return self._ids

    def read(self, image_id: str) -> Sample:
        deadly = Path(os.environ.get("OUTSIDE_DIES", "/nowhere"))
        if deadly.is_file() and deadly.read_text() == image_id:
            deadly.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        rng = np.random.default_rng([7, int(image_id[-2:])])
        image = rng.integers(60, 90, (48, 80, 3), dtype=np.uint8)
        targets = []
        for number in range(1 + int(image_id[-2:]) % 4):
            y, x = np.mgrid[:48, :80]
            far = np.hypot((x - 10 - 20 * number) / 7, (y - rng.uniform(15, 33)) / 12)
            image[far < 1] = 120 + 20 * number
            targets.append(Target(f"{image_id}/{number}", Mask.from_dense(far < 1), "bean"))
        return Sample(image_id, image, targets)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        named = self._ids if image_ids is None else image_ids
        return hashlib.sha256("\n".join(sorted(named)).encode()).hexdigest()[:16]
