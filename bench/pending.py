"""Rows of finished images on their way to the disk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.store import RunStore
from bench.types import Reader, Row


@dataclass(frozen=True, slots=True)
class _Image:
    image_id: str
    rows: Sequence[Row]
    skipped: Mapping[str, int]


class Pending:
    """Whole images of one run that are not on disk yet.

    An image is added or taken in one step, so that an interrupt between any two leaves it whole,
    and at worst undone.
    """

    max_seconds = 60.0

    def __init__(self, store: RunStore, reader: Reader) -> None:
        self._store, self._reader = store, reader
        self._images: list[_Image] = []
        self._since = time.monotonic()
        self.rows_written = 0

    def add(self, image_id: str, rows: Sequence[Row], skipped: Mapping[str, int]) -> None:
        """Keeps one image's rows."""
        self._images.append(_Image(image_id, rows, skipped))

    def flush(self, at: int = 1) -> None:
        """Writes a part once it has ``at`` images or has waited for ``max_seconds``."""
        due = len(self._images) >= at or time.monotonic() - self._since > self.max_seconds
        if not due or not self._images:
            return
        images, self._images = self._images, []
        self._since = time.monotonic()
        rows = [row for image in images for row in image.rows]
        names = [image.image_id for image in images]
        skipped: Counter[str] = Counter()
        for image in images:
            skipped.update(image.skipped)
        self._store.write_part(rows, names, skipped, self._reader.fingerprint(names))
        self.rows_written += len(rows)
