"""The task of scoring detections of phrases that are there: no model is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.config.component import Component
from bench.config.composing import RunConfig
from bench.config.run_key import Question
from bench.files.hashing import sha256_of_all
from bench.files.places import local_path
from bench.tasks.concepts.asked import Phrases, check_asked, checked_vocabulary
from bench.tasks.concepts.detections import Detections, check_categories, read_detections
from bench.tasks.concepts.scoring import (
    PROMPT,
    ConceptNames,
    check_score,
    notes_on_phrases,
    scored,
)
from bench.tasks.contract import Case, Lent, Scored, Way
from bench.tasks.given_masks.predictions import check_there
from bench.tasks.given_masks.task import numbered
from bench.tasks.one_step import OneStep
from bench.tasks.opening import open_protocol, question_of_given
from bench.types import BenchError, Measure, Reader, Sample, Site
from bench.types.rows.concepts import PHRASE_F1, ConceptRow
from bench.types.stopwatch import Stopwatch


class GivenConcepts:
    """Scores the COCO results in the file ``detections`` as a run of a model.

    ``model`` is what their maker is called, by default as the file is. ``score`` is that from which
    a detection counts, ``phrases`` the vocabulary that every image is asked where the data name no
    phrases (``bench.tasks.concepts.asked``), ``categories`` the names of the numbers that stand for
    categories in the file, where the data don't say them. Raises ``BenchError`` for a score outside
    [0, 1], and phrases and categories that say nothing.
    """

    row = ConceptRow
    asks_model = False
    measures: Sequence[Measure] = (PHRASE_F1,)

    def __init__(
        self,
        detections: str,
        model: str | None = None,
        score: float = 0.5,
        phrases: Sequence[str] | None = None,
        categories: Mapping[int | str, str] | None = None,
    ) -> None:
        self.path = local_path(detections)
        self.model = model or self.path.stem
        self._score, self._vocabulary = check_score(score), checked_vocabulary(phrases)
        self._categories = None if categories is None else numbered(categories)

    def ways(self, config: RunConfig) -> Mapping[str, Way]:
        """One step."""
        return {PROMPT: OneStep(PROMPT)}

    def settle(self, config: RunConfig, site: Site) -> Question:
        """The detections stand in the place of a model: a hash of the file enters the key."""
        made: dict[str, object] = {"detections": self._hash}
        if self._categories is not None:
            made["categories"] = {str(number): name for number, name in self._categories.items()}
        args = {"score": self._score, "phrases": self._vocabulary and list(self._vocabulary)}
        about = {"title": self.model, "what": f"detections given in {self.path.name}"}
        model = Component(self.model, "1", PROMPT, made, about)
        return question_of_given(config, PROMPT, model, args)

    def check(self, config: RunConfig, reader: Reader) -> None:
        """Reads all detections once, so that one that doesn't fit is said before rows are."""
        name, phrases = config.dataset.name, self._phrases(config, reader)
        check_asked(name, phrases, reader, reader.ids())
        check_categories(name, self._detections(phrases, reader), reader)

    def scorer(self, config: RunConfig, reader: Reader, lent: Lent) -> GivenConceptRows:
        """Rows of the phrases and what is found of them."""
        phrases = self._phrases(config, reader)
        names = ConceptNames(config.dataset.name, self.model, config.protocol.name)
        return GivenConceptRows(phrases, self._detections(phrases, reader), names, lent)

    def notes(self, config: RunConfig, counted: Mapping[str, int]) -> Sequence[str]:
        """Phrases, and detections that don't count."""
        notes, given = notes_on_phrases(counted, self.model), counted.get("given", 0)
        reasons = {
            "below": f"have a score below {self._score:g} and count for nothing",
            "unasked_detections": "are of phrases that are not asked of their image, and are left "
            "out",
            "nameless": "have no category and answer no phrase",
        }
        if counted.get("images") and not given:
            notes.append(f"{self.model}: there is no detection at all of what is asked.")
        for name, reason in reasons.items():
            if number := counted.get(name):
                notes.append(f"{self.model}: {number:,} of {given:,} detections {reason}.")
        return notes

    def _phrases(self, config: RunConfig, reader: Reader) -> Phrases:
        return Phrases.of(config.dataset.name, reader, self._vocabulary, open_protocol(config))

    def _detections(self, phrases: Phrases, reader: Reader) -> Detections:
        return read_detections(self.path, reader, phrases, self._score, self._categories)

    @cached_property
    def _hash(self) -> str:
        check_there(self.path, "--detections")
        return sha256_of_all(self.path)


@dataclass(frozen=True, slots=True)
class GivenConceptRows:
    """Makes the rows of one image after the other."""

    phrases: Phrases
    detections: Detections
    names: ConceptNames
    lent: Lent

    def __call__(self, cases: Sequence[Case], watch: Stopwatch) -> list[Scored]:
        """A row a phrase; an image of which a detection doesn't fit fails."""
        with watch("score"):
            return list(self.lent.each(self._score, [case.sample for case in cases]))

    def _score(self, sample: Sample) -> Scored:
        try:
            found, counted = self.detections.of_image(sample)
        except BenchError as error:
            return Scored(sample.image_id, {}, faults={PROMPT: str(error)})
        return scored(sample, self.phrases, found, self.names, counted)
