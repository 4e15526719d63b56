"""What comes back from the workers beside their rows, and the contract of what drives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bench.run.profiling.memory import Memory
from bench.store.runs import ImageError
from bench.types.stopwatch import Stopwatch

if TYPE_CHECKING:
    from bench.run.plan import Job, Plan
    from bench.run.profiling.profile import Profile
    from bench.run.profiling.recording import Recording


class Progress(Protocol):
    """Is told of each image as it is done."""

    def image_done(self, values: Mapping[str, Sequence[float]]) -> None:
        """An image is scored; ``values`` are what leads, of the last steps, by prompt."""

    def image_failed(self, error: ImageError) -> None:
        """An image could not be read or scored, or ended its worker twice."""


@dataclass(slots=True)
class Findings:
    """Grows while a run is driven, and is kept whatever ends it.

    ``device`` says in words where the images were scored, ``facts`` are the model's own.
    ``images`` counts those that were scored and ``masks`` theirs by prompt, ``workers`` the models
    that were loaded; ``memory`` is the largest worker's. ``profile`` is there where one is asked
    for.
    """

    device: str
    errors: list[ImageError] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    watch: Stopwatch = field(default_factory=Stopwatch)
    profile: Profile | None = None
    images: int = 0
    masks: dict[str, int] = field(default_factory=dict)
    workers: int = 0
    memory: Memory = field(default_factory=Memory)

    def loaded(self, facts: Mapping[str, str]) -> None:
        """A worker has its model, whose facts these are."""
        self.facts.update(facts)
        self.workers += 1

    def scored(self, values: Mapping[str, Sequence[float]]) -> None:
        """An image is scored, see ``Progress.image_done``."""
        self.images += 1
        for name, some in values.items():
            self.masks[name] = self.masks.get(name, 0) + len(some)

    def returned(
        self, seconds: Mapping[str, float], memory: Memory, recording: Recording | None
    ) -> None:
        """A worker elsewhere has done a batch."""
        self.watch.add(seconds)
        self.memory = self.memory.larger(memory)
        if self.profile is not None and recording is not None:
            self.profile.add(recording)

    def answers(self, plan: Plan) -> int:
        """Rows of what was scored: masks of each prompt times its steps."""
        return sum(count * plan.work.runs[name].way.steps for name, count in self.masks.items())


class Runtime(Protocol):
    """A way to run: where workers are and how they get their images. Made without arguments."""

    def __call__(
        self, plan: Plan, tasks: Sequence[Job], progress: Progress, findings: Findings
    ) -> None:
        """Does the tasks; rows go from the workers to the disk, never through here.

        When it returns, each image is on disk or in ``findings.errors``. Asked to stop (Ctrl-C)
        it lets workers finish the image in hand and raises ``KeyboardInterrupt``. Raises
        ``BenchError`` for what stops a run.
        """
