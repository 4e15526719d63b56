"""Runs that are not done, or in which images failed: how far they are, what can be tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from bench.analysis.overview.cards import without_paths
from bench.analysis.section import Section
from bench.analysis.wording.words import DASH
from bench.files.places import Place
from bench.store.lock import is_held
from bench.store.runs import RunStore, find_runs
from bench.types import BenchError

Doing = Literal["running", "stopped", "partial", "complete", "unreadable"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A run under way: ``done`` and ``failed`` of its ``images``.

    ``running`` where a command is at work on it, ``stopped`` where that one was killed, ``partial``
    where images were left for later. ``why`` is the most frequent reason of a failure, paths in it
    cut to what they end in: a board may be shown to others.
    """

    run: str
    doing: Doing
    images: int | None
    done: int
    failed: int
    why: str | None

    @property
    def again(self) -> bool:
        """Whether the same command has something to do."""
        return self.doing != "running"


def under_way(folders: Sequence[Place]) -> Iterator[Progress]:
    """What of the runs in some results folders is not done; folders of cards have nothing such."""
    for folder in folders:
        for store in find_runs(folder) if (folder / "runs").is_dir() else ():
            try:
                found = _of(store)
            except BenchError as error:  # what is wrong with one run hides no other
                found = Progress(store.folder.name, "unreadable", None, 0, 0, str(error))
            if found is not None:
                yield found


def _of(store: RunStore) -> Progress | None:
    header = store.header()
    status = header.get("status")
    if status == "complete" and not header.get("images_failed"):
        return None
    doing: Doing = "partial" if status not in ("running", "complete") else status
    if status == "running" and not is_held(store.folder):
        doing = "stopped"
    failures = store.errors()
    reasons = Counter(error.reason for error in failures)
    why = without_paths(reasons.most_common(1)[0][0]) if reasons else None
    done = header.get("images_done", 0) if status != "running" else store.survey().images
    return Progress(store.folder.name, doing, header.get("images"), done, len(failures), why)


def progress_section(lines: Sequence[Progress]) -> Iterator[Section]:
    """The runs under way as a table; none where everything is done."""
    if not lines:
        return
    heads = ("run", "state", "images done", "failed", "can be tried again", "why")
    rows = tuple(
        (
            each.run,
            each.doing,
            f"{each.done:,} of {DASH if each.images is None else f'{each.images:,}'}",
            f"{each.failed:,}",
            "by the same command" if each.again else DASH,
            each.why or DASH,
        )
        for each in lines
    )
    note = (
        "Runs that are not done, or in which images failed. The same command again does what is "
        "missing and tries what failed; why is the most frequent reason."
    )
    frame = pd.DataFrame([plain(each) for each in lines])
    yield Section("under_way", "Under way", note, heads, rows, frame, names=2)


def plain(found: Progress) -> dict[str, Any]:
    """A run's progress for machines."""
    return asdict(found) | {"again": found.again}
