"""What a task is: the contract that ``bench.run`` keeps to, whatever is evaluated.

A task is a component like any other (``conf/task/``). It says what its rows are and what tables
show of them, looks at a configuration before anything is opened, and makes rows of images. Reading
ahead, threads, processes, parts on the disk, resume and progress are not its business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from bench.config.composing import RunConfig
from bench.config.run_key import Question
from bench.scoring.metrics import Metric
from bench.types import Measure, Reader, Row, Sample, Segmenter, Site, Step
from bench.types.stopwatch import Stopwatch


class Batches(Protocol):
    """Does work on items, as many at a time as the device's memory holds (``Halving``)."""

    def __call__(self, work: Callable[[Sequence[Any]], Any], items: Sequence[Any]) -> Iterable[Any]:
        """The work's results for one slice of the items after the other."""


class Way(Protocol):
    """One of the runs that a task makes at a time: how many steps, and which of them tables show.

    Every ``PromptStrategy`` is one.
    """

    @property
    def steps(self) -> int:
        """The number of rows of an item, at least 1."""

    @property
    def report_steps(self) -> Mapping[int, Step]:
        """The steps that tables show, from 1, and what was asked up to them."""


@dataclass(frozen=True, slots=True)
class Case:
    """One image, and the names of the runs that lack it."""

    sample: Sample
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of one image.

    ``rows`` by the run's name, each step of an item once; ``skipped`` counts the targets that
    don't count, by reason; ``counted`` is what the task's ``notes`` are made of, added up.
    ``faults`` say of runs that lack the image why there are no rows for them: of these it fails.
    """

    image_id: str
    rows: Mapping[str, Sequence[Row]]
    skipped: Mapping[str, int] = field(default_factory=dict)
    counted: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lent:
    """What a worker lends to a task.

    ``segmenter`` is the model, none where the task asks none; ``embed`` its embeddings of some
    images, kept or made. ``batches`` says how many prompts are asked at once. ``keep_masks`` puts
    masks into rows, ``keep_candidates`` those of all candidates beside them. Prompts are under way
    together up to ``wave_bytes`` of masks and logits, and of ``wave_targets``. ``each`` is a
    ``map`` for what the host does, one in threads lets it run side by side; ``share`` is one for
    pieces that other threads may take over.
    """

    segmenter: Segmenter | None = None
    embed: Callable[[Sequence[Sample]], Sequence[Any]] = lambda samples: [None] * len(samples)
    batches: Batches = lambda work, items: [work(items)] if items else []
    metrics: Sequence[Metric] = ()
    keep_masks: bool = True
    keep_candidates: bool = False
    wave_bytes: int = 1 << 30
    wave_targets: int | None = None
    each: Callable[..., Iterable[Any]] = map
    share: Callable[..., Iterable[Any]] = map


class Scorer(Protocol):
    """Makes rows of images; several threads may call it at once."""

    def __call__(self, cases: Sequence[Case], watch: Stopwatch) -> Sequence[Scored]:
        """Of each image the rows that it lacks, in the order of the cases.

        A pure function of the case, whatever it is grouped with.
        """


class Task(Protocol):
    """What is evaluated. Made from the YAML's ``args``, before anything is opened."""

    row: ClassVar[type[Row]]
    """The class of its rows, from which the columns on disk are derived."""

    asks_model: ClassVar[bool]
    """Whether a model is loaded for it."""

    @property
    def measures(self) -> Sequence[Measure]:
        """What tables show of its rows; the first leads, with an interval. Metrics come behind."""

    def ways(self, config: RunConfig) -> Mapping[str, Way]:
        """The runs that the configuration asks for, by name.

        Raises ``BenchError`` for what this task can't do.
        """

    def settle(self, config: RunConfig, site: Site) -> Question:
        """What is asked, as it enters the run keys: files replaced by hashes of their content.

        Finds, fetches and checks what is needed beside the dataset. Raises ``BenchError``.
        """

    def check(self, config: RunConfig, reader: Reader) -> None:
        """Raises ``BenchError`` for data that doesn't fit, before a row is written."""

    def scorer(self, config: RunConfig, reader: Reader, lent: Lent) -> Scorer:
        """What makes the rows, with what a worker lends; the reader is open already."""

    def notes(self, config: RunConfig, counted: Mapping[str, int]) -> Sequence[str]:
        """Sentences that must stand in every caption, from what was counted in all images."""
