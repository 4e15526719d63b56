"""What a report is asked to hold, and what was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.analysis.section import Section
    from bench.analysis.table import Table
    from bench.store.runs import RunStore
    from bench.types import Sample


@dataclass(frozen=True, slots=True)
class Request:
    """What a report is to hold.

    ``read_sample`` gives the image and the targets of (run, image id) for pictures and for groups
    by shape; it may raise ``BenchError``. ``allow_partial`` lets unfinished runs and different sets
    of datasets through, and the captions say so. ``by`` are the slices that get a table of their
    own, see ``bench.analysis.sections.slices``, and ``figure`` a figure or table of the SAM paper
    to draw from these runs, such as ``fig9c``, or a user's module of figures, of those in
    ``allow_modules``. ``samples``, which intervals needed in earlier releases, does nothing.
    ``columns`` are those of the wide table, ``LABEL`` or ``MEASURE@LABEL``; ``labels`` say what a
    model, a dataset or a prompt is called instead; ``digits`` stand behind the point of values in
    points; ``width`` is whose columns figures are to fit, see ``bench.report.papers.PAPERS``;
    ``pictures`` how many masks have a picture on the mask page, ``all`` of them in files beside the
    page, by default as many as keep it small; ``figures`` the kinds of files that each figure is
    written as, of ``bench.report.figures.kinds``, by default what the environment says, else all.
    """

    stores: tuple[RunStore, ...]
    read_sample: Callable[[RunStore, str], Sample] | None = None
    allow_partial: bool = False
    by: tuple[str, ...] = ()
    figure: str | None = None
    allow_modules: tuple[str, ...] = ()
    samples: InitVar[object] = None
    columns: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    digits: int | None = None
    width: str | None = None
    pictures: int | str | None = None
    figures: tuple[str, ...] | None = None

    def __post_init__(self, samples: object) -> None:
        if samples is not None:
            from bench.analysis.stats.intervals import warn_of_draws  # with pandas and scipy

            warn_of_draws(samples)


@dataclass(frozen=True, slots=True)
class Report:
    """What was written: the folder, its files, the table and the answer in sentences.

    ``failed`` says in a sentence each which figures could not be drawn; the rest is there.
    """

    folder: Path
    page: Path
    files: tuple[Path, ...]
    table: Table
    answer: tuple[str, ...]
    sections: tuple[Section, ...] = ()
    failed: tuple[str, ...] = ()
