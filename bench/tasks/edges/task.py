"""The task of the paper's section 7.2: edges out of masks, zero-shot, scored as BSDS500 is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.config.composing import RunConfig
from bench.config.run_key import Question
from bench.scoring.edges.matching import REACH
from bench.tasks.automatic import (
    Candidate,
    asked,
    candidates,
    check_grid,
    grid_prompts,
    question_of_grid,
)
from bench.tasks.contract import Case, Lent, Scored, Way
from bench.tasks.edges.scoring import PROMPT, EdgeNames, EdgeRule, Held, edge_row, people_of
from bench.tasks.edges.segmented import apart, edges_of
from bench.tasks.one_step import OneStep
from bench.tasks.opening import open_protocol
from bench.types import BenchError, Measure, Reader, Sample, Segmenter, Site
from bench.types.rows.edges import BEST_F, EdgeRow
from bench.types.stopwatch import Stopwatch


class Edges:
    """Edges out of the masks of a grid of points (SAM, section 7.2 and appendix D.2).

    ``points_per_side`` × ``points_per_side`` points are asked, each for all its candidates, without
    a filter by predicted IoU or stability: 16 give SAM's 768 masks. Masks whose boxes overlap a
    better one's by more than ``nms`` are left out. ``levels`` and ``reach`` are those of
    ``EdgeRule``. Raises ``BenchError`` for numbers that make no sense.
    """

    row = EdgeRow
    asks_model = True
    measures: Sequence[Measure] = (BEST_F,)

    def __init__(
        self,
        points_per_side: int = 16,
        nms: float = 0.7,
        levels: int = 99,
        reach: float = REACH,
    ) -> None:
        check_grid(points_per_side, nms)
        self._side, self._nms, self._rule = points_per_side, float(nms), EdgeRule(levels, reach)

    def ways(self, config: RunConfig) -> Mapping[str, Way]:
        """One step."""
        return {PROMPT: OneStep(PROMPT)}

    def settle(self, config: RunConfig, site: Site) -> Question:
        """Pins the model's files; refuses a model that takes no points."""
        return question_of_grid(config, site, PROMPT)

    def check(self, config: RunConfig, reader: Reader) -> None:
        """Someone drew a boundary."""
        check_people(config.dataset.name, reader, reader.ids()[: config.runtime.limit])

    def scorer(self, config: RunConfig, reader: Reader, lent: Lent) -> EdgeRows:
        """What asks the model and scores its edges."""
        assert lent.segmenter is not None
        return EdgeRows(
            names=EdgeNames(config.dataset.name, config.model.name, config.protocol.name),
            threshold=open_protocol(config).threshold,
            side=self._side,
            nms=self._nms,
            rule=self._rule,
            segmenter=lent.segmenter,
            lent=lent,
        )

    def notes(self, config: RunConfig, counted: Mapping[str, int]) -> Sequence[str]:
        """How many masks the edges are made of."""
        if not (images := counted.get("images")):
            return []
        asked, kept = (counted.get(name, 0) / images for name in ("candidates", "kept"))
        return [
            f"{config.model.name}: edges of {kept:.0f} masks a picture, of {asked:.0f} candidates."
        ]


@dataclass(frozen=True, slots=True)
class EdgeRows:
    """The fixed side of a run: who is asked, how, and how the edges are scored."""

    names: EdgeNames
    threshold: float
    side: int
    nms: float
    rule: EdgeRule
    segmenter: Segmenter
    lent: Lent

    def __call__(self, cases: Sequence[Case], watch: Stopwatch) -> list[Scored]:
        """A row for each image; one of which an answer is no number fails."""
        return asked(self.lent, cases, watch, PROMPT, self._found, self._scored)

    def _found(self, sample: Sample, embedding: Any) -> list[Candidate]:
        return candidates(
            self.segmenter, embedding, grid_prompts(sample.shape, self.side), self.lent.batches,
            self.threshold, lambda candidate: candidate,
        )  # fmt: skip

    def _scored(self, sample: Sample, found: Sequence[Candidate]) -> Scored:
        kept = apart(found, self.nms)
        strength = edges_of(kept, sample.shape)
        row = edge_row(sample, [Held(strength, people_of(sample))], self.rule, self.names)
        counted = {"images": 1, "candidates": len(found), "kept": len(kept)}
        return Scored(sample.image_id, {PROMPT: [row]}, counted=counted)


def check_people(dataset: str, reader: Reader, image_ids: Sequence[str]) -> None:
    """Raises ``BenchError`` where no image has a boundary: there is nothing to find.

    Images are read until one has; where one can't be read the run tells of it.
    """
    for image_id in image_ids:
        try:
            sample = reader.read(image_id)
        except (BenchError, ValueError, OSError):
            return
        if any(boundaries.any() for boundaries in people_of(sample)):
            return
    raise BenchError(
        f"{dataset}: nothing to score: no boundary lies in its {len(image_ids)} images"
    )
