"""Telling of images as they are done, and keeping those that failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.run.findings import Findings, Progress
from bench.store.runs import ImageError


class Telling:
    """A ``Progress`` that keeps the failures among the findings."""

    def __init__(self, progress: Progress, findings: Findings) -> None:
        self._progress, self._findings = progress, findings

    def image_done(self, values: Mapping[str, Sequence[float]]) -> None:
        """Counts it and passes it on."""
        self._findings.scored(values)
        self._progress.image_done(values)

    def image_failed(self, error: ImageError) -> None:
        """Keeps it and passes it on, unless the image is known to have failed."""
        if all(error.image_id != known.image_id for known in self._findings.errors):
            self._findings.errors.append(error)
            self._progress.image_failed(error)
