"""Rows of finished images on their way to the disk, written in the background."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future

from bench.data.origins import Origins
from bench.store.runs import RunStore
from bench.tasks.contract import Scored
from bench.types import Reader, Row
from bench.types.stopwatch import Stopwatch

_ROW_BYTES = 1024
"""What a row takes beside its masks, about."""


class Pending:
    """Whole images of one run that are not on disk yet.

    An image is added or taken in one step, so that an interrupt between any two leaves it whole,
    and at worst undone. Parts are written by ``writer``, a thread; at most one waits while another
    is written, so memory stays bounded. What goes wrong there is raised by the next call.
    """

    max_seconds = 60.0
    max_bytes = 64 << 20

    def __init__(
        self,
        store: RunStore,
        reader: Reader,
        origins: Origins,
        writer: Executor,
        watch: Stopwatch,
    ) -> None:
        self._store, self._reader, self._origins = store, reader, origins
        self._writer, self._watch = writer, watch
        self._images: list[tuple[Scored, Sequence[Row]]] = []
        self._bytes = 0
        self._under_way: deque[Future[int]] = deque()
        self._since = time.monotonic()
        self.rows_written = 0

    def add(self, image: Scored, rows: Sequence[Row]) -> None:
        """Keeps those of an image's rows that are this run's."""
        self._images.append((image, rows))
        self._bytes += sum(map(_bytes, rows))

    def flush(self, at: int) -> None:
        """Has a part written once it has ``at`` images or ``max_bytes``, or waited long enough."""
        while self._under_way and self._under_way[0].done():
            self._settle()
        waited = time.monotonic() - self._since > self.max_seconds
        if len(self._images) >= at or self._bytes > self.max_bytes or waited:
            self._hand_over()
        while len(self._under_way) > 2:
            self._settle()

    def finish(self) -> None:
        """Has the rest written and waits until all is on disk."""
        self._hand_over()
        while self._under_way:
            self._settle()

    def _hand_over(self) -> None:
        if not self._images:
            return
        images, self._images, self._bytes = self._images, [], 0
        self._since = time.monotonic()
        self._under_way.append(self._writer.submit(self._write, images))

    def _settle(self) -> None:
        """Waits for the oldest part."""
        self.rows_written += self._under_way.popleft().result()

    def _write(self, images: Sequence[tuple[Scored, Sequence[Row]]]) -> int:
        """Writes a part and gives how many rows it has."""
        names = [image.image_id for image, _ in images]
        self._watch.turn_to(*names)
        with self._watch("write"):
            rows = [row for _, of_image in images for row in of_image]
            skipped: Counter[str] = Counter()
            counted: Counter[str] = Counter()
            for image, _ in images:
                skipped.update(image.skipped)
                counted.update(image.counted)
            fingerprint, origins = self._reader.fingerprint(names), self._origins.of(names)
            self._store.write_part(rows, names, skipped, fingerprint, counted, origins)
            return len(rows)


def _bytes(row: Row) -> int:
    """What a row takes, about."""
    masks = [getattr(row, "mask_rle", None), *(getattr(row, "candidate_rles", None) or ())]
    return _ROW_BYTES + sum(map(len, filter(None, masks)))
