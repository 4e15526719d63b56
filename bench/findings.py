"""What comes back from the workers beside their rows, and the contract of what drives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bench.stopwatch import Stopwatch
from bench.store import ImageError

if TYPE_CHECKING:
    from bench.plan import Plan, Task


class Progress(Protocol):
    """Is told of each image as it is done."""

    def image_done(self, ious: Mapping[str, Sequence[float]]) -> None:
        """An image is scored; ``ious`` holds the last steps' IoUs, by prompt."""

    def image_failed(self, error: ImageError) -> None:
        """An image could not be read, or ended its worker twice."""


@dataclass(slots=True)
class Findings:
    """Grows while a run is driven, and is kept whatever ends it.

    ``device`` says in words where the images were scored, ``facts`` are the model's own.
    """

    device: str
    errors: list[ImageError] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    watch: Stopwatch = field(default_factory=Stopwatch)


class Runtime(Protocol):
    """A way to run: where workers are and how they get their images. Made without arguments."""

    def __call__(
        self, plan: Plan, tasks: Sequence[Task], progress: Progress, findings: Findings
    ) -> None:
        """Does the tasks; rows go from the workers to the disk, never through here.

        When it returns, each image is on disk or in ``findings.errors``. Asked to stop (Ctrl-C)
        it lets workers finish the image in hand and raises ``KeyboardInterrupt``. Raises
        ``BenchError`` for what stops a run.
        """
