"""The task of scoring edge maps that are there, or that a filter draws: no model is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from bench.config.component import Component
from bench.config.composing import RunConfig
from bench.config.run_key import Question
from bench.files.hashing import sha256_of_all
from bench.files.places import local_path
from bench.protocol import chosen
from bench.scoring.edges.counts import thresholds
from bench.scoring.edges.matching import REACH
from bench.tasks.contract import Case, Lent, Scored, Way
from bench.tasks.edges.filters import FILTERS
from bench.tasks.edges.maps import find_maps, read_map
from bench.tasks.edges.scoring import (
    PROMPT,
    EdgeNames,
    EdgeRule,
    Held,
    each_against_the_others,
    edge_row,
    people_of,
)
from bench.tasks.edges.task import check_people
from bench.tasks.one_step import OneStep
from bench.tasks.opening import question_of_given
from bench.types import BenchError, Measure, Reader, Sample, Site
from bench.types.rows.edges import BEST_F, EdgeRow
from bench.types.stopwatch import Stopwatch

Maps: TypeAlias = Callable[[Sample], Sequence[Held]]
"""An image's edge maps, and what each is held against."""


class EdgeMaps:
    """Scores the edge maps in the folder ``maps``, those that ``filter`` draws, or ``people``'s.

    ``maps`` holds a file for each image (``bench.tasks.edges.maps``); ``filter`` is one of
    ``FILTERS``; ``people`` holds what each person drew against the others, the ceiling that a map
    of edges can reach. ``model`` is what their maker is called, by default the folder's or the
    filter's name, or "people". ``levels`` and ``reach`` are those of ``EdgeRule``. Raises
    ``BenchError`` unless one of the three is said, and for a filter that isn't there.
    """

    row = EdgeRow
    asks_model = False
    measures: Sequence[Measure] = (BEST_F,)

    def __init__(
        self,
        maps: str | None = None,
        filter: str | None = None,  # noqa: A002 - the word that users know
        people: bool = False,
        model: str | None = None,
        levels: int = 99,
        reach: float = REACH,
    ) -> None:
        if (maps is not None) + (filter is not None) + people != 1:
            raise BenchError(
                "say either which edge maps to score, task.args.maps=FOLDER (--maps), which filter "
                f"draws them, task.args.filter={'|'.join(FILTERS)} (--filter), or that people are "
                "held against each other, task.args.people=true (--people)"
            )
        if filter is not None:
            chosen(FILTERS, filter, "filter")
        self.folder = None if maps is None else local_path(maps)
        self.filter, self.people = filter, people
        self.rule = EdgeRule(levels, reach)
        own = "people" if people else filter or str(self.folder and self.folder.name)
        self.model = model or own

    def ways(self, config: RunConfig) -> Mapping[str, Way]:
        """One step."""
        return {PROMPT: OneStep(PROMPT)}

    def settle(self, config: RunConfig, site: Site) -> Question:
        """The maps stand in the place of a model: a hash of their files enters the key."""
        made: dict[str, object] = {"filter": self.filter}
        what = f"the filter {self.filter}"
        if self.folder is not None:
            made, what = {"maps": self._hash}, f"edge maps given in {self.folder.name}"
        elif self.people:
            made, what = {"people": True}, "each person's boundaries, held against the others'"
        about = {"title": self.model, "what": what}
        args = {"levels": self.rule.levels, "reach": self.rule.reach}
        model = Component(self.model, "1", PROMPT, made, about)
        return question_of_given(config, PROMPT, model, args)

    def check(self, config: RunConfig, reader: Reader) -> None:
        """Every image of the run has its map, and people drew boundaries."""
        ids = reader.ids()[: config.runtime.limit]
        if self.folder is not None:
            find_maps(self.folder, reader.ids())
        check_people(config.dataset.name, reader, ids)

    def scorer(self, config: RunConfig, reader: Reader, lent: Lent) -> GivenEdges:
        """Rows of the maps."""
        if self.folder is not None:
            maps = _read(find_maps(self.folder, reader.ids()))
        elif self.people:
            maps = _of_people
        else:
            maps = _filtered(str(self.filter))
        names = EdgeNames(config.dataset.name, self.model, config.protocol.name)
        return GivenEdges(maps, self.rule, names, lent)

    def notes(self, config: RunConfig, counted: Mapping[str, int]) -> Sequence[str]:
        """How many maps have no edge at all at the lowest threshold."""
        lowest = thresholds(self.rule.levels)[0]
        return [
            f"{self.model}: {faint:,} of {counted['images']:,} edge maps have nothing at the "
            f"lowest threshold, {lowest:g} (an 8-bit PNG's 1 is 1/255)."
            for faint in [counted.get("faint", 0)]
            if faint
        ]

    @cached_property
    def _hash(self) -> str:
        """A hash of the names and contents of the folder's files."""
        folder = self.folder
        assert folder is not None
        if not folder.is_dir():
            raise BenchError(f"{folder}: no such folder of edge maps")
        return sha256_of_all(folder)


class GivenEdges:
    """Makes the row of one image after the other."""

    def __init__(self, maps: Maps, rule: EdgeRule, names: EdgeNames, lent: Lent) -> None:
        self._maps, self._rule, self._names, self._lent = maps, rule, names, lent

    def __call__(self, cases: Sequence[Case], watch: Stopwatch) -> list[Scored]:
        """A row an image; one whose map does not fit fails."""
        with watch("score"):
            return list(self._lent.each(self._score, [case.sample for case in cases]))

    def _score(self, sample: Sample) -> Scored:
        try:
            maps = self._maps(sample)
        except BenchError as error:
            return Scored(sample.image_id, {}, faults={PROMPT: str(error)})
        row = edge_row(sample, maps, self._rule, self._names)
        lowest = thresholds(self._rule.levels)[0]
        faint = all(held.strength.max(initial=0.0) < lowest for held in maps)
        counted = {"images": 1, "faint": int(faint)}
        return Scored(sample.image_id, {PROMPT: [row]}, counted=counted)


def _of_people(sample: Sample) -> list[Held]:
    return each_against_the_others(people_of(sample))


def _filtered(name: str) -> Maps:
    def maps(sample: Sample) -> list[Held]:
        return [Held(FILTERS[name](sample.image), people_of(sample))]

    return maps


def _read(files: Mapping[str, Path]) -> Maps:
    def maps(sample: Sample) -> list[Held]:
        strength = read_map(files[sample.image_id], sample.shape)
        return [Held(strength, people_of(sample))]

    return maps
