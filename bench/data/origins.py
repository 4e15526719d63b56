"""What images are read from: told so that data that changed under its name and size is noticed.

A reader's fingerprint is of names and sizes, and of annotations that many images share. Here it is
the content of each image's own files that counts. Hashing takes reading, so the files' sizes and
times stand beside the hash: while those are the same nothing is read again.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bench.data.abilities import NamesFiles
from bench.data.subset import Subset
from bench.files.hashing import sha256_of
from bench.types import Reader
from bench.types.threads import mapping

log = logging.getLogger(__name__)

_THREADS = 4
"""Images whose files are hashed at once: most of that is spent outside of Python."""


class Origins:
    """What the images of a reader come from; knows nothing of a reader that names no files.

    An origin is two hashes of 16 hex digits: of the content of the image's files, in their order,
    and of their sizes and times of change. One of it stands for several threads.
    """

    def __init__(self, reader: Reader) -> None:
        whole = reader.whole if isinstance(reader, Subset) else reader
        self._reader = whole if isinstance(whole, NamesFiles) else None
        self._noted: dict[str, tuple[str, str]] = {}

    def note(self, image_id: str) -> None:
        """Takes down what the image comes from, now that it was read; its files are read once more.

        Raises ``OSError`` where one of them is gone.
        """
        if self._reader is not None:
            self._origin(self._reader.files_of(image_id), image_id)

    def of(self, image_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """The origins of those of the images that were noted, by image."""
        return {i: self._noted[i] for i in image_ids if i in self._noted}

    def changed(self, known: Mapping[str, Sequence[str]]) -> str | None:
        """The first image that comes from other content than ``known`` says; none if none does."""
        if self._reader is None or not known:
            return None
        reader = self._reader
        moved = [i for i, (_, look) in known.items() if _look(reader.files_of(i)) != look]
        if moved:
            log.info("%d images' files have other times than when they were scored", len(moved))
        with mapping(_THREADS, "origins") as each:
            same = list(each(lambda image_id: self._same(image_id, known[image_id][0]), moved))
        return next((i for i, equal in zip(moved, same, strict=True) if not equal), None)

    def _same(self, image_id: str, content: str) -> bool:
        assert self._reader is not None
        try:
            return self._origin(self._reader.files_of(image_id), image_id)[0] == content
        except OSError:
            return False

    def _origin(self, files: Sequence[Path], image_id: str) -> tuple[str, str]:
        look = _look(files)
        if image_id not in self._noted or self._noted[image_id][1] != look:
            content = hashlib.sha256("\n".join(map(sha256_of, files)).encode()).hexdigest()[:16]
            self._noted[image_id] = content, look
        return self._noted[image_id]


def _look(files: Sequence[Path]) -> str:
    """A hash of the files' sizes and times: of their content, and of what is known about them."""
    digest = hashlib.sha256()
    for file in files:
        try:
            stat = os.stat(file)
            digest.update(f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}\n".encode())
        except OSError:
            digest.update(b"missing\n")
    return digest.hexdigest()[:16]
