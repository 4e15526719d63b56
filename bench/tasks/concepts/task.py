"""The task of SAM 3: a noun phrase and a picture, answered with all its instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bench.config.composing import RunConfig
from bench.config.run_key import Question
from bench.scoring.foreground import foregrounds
from bench.tasks.automatic import question_of
from bench.tasks.concepts.asked import Phrases, check_asked, checked_vocabulary
from bench.tasks.concepts.scoring import (
    PROMPT,
    ConceptNames,
    Detection,
    check_score,
    notes_on_phrases,
    scored,
)
from bench.tasks.contract import Case, Lent, Scored, Way
from bench.tasks.one_step import OneStep
from bench.tasks.opening import open_protocol
from bench.types import BenchError, Measure, Prompt, Reader, Sample, Segmenter, Site
from bench.types.rows.concepts import PHRASE_F1, ConceptRow
from bench.types.stopwatch import Stopwatch


class Concepts:
    """Each image is asked its phrases, those of nothing in it too (SAM 3, 2025).

    ``score`` is that from which a detection counts; what a model leaves out by a threshold of its
    own is not seen. ``phrases`` is the vocabulary that every image is asked where the data name no
    phrases (``bench.tasks.concepts.asked``). Raises ``BenchError`` for a score outside [0, 1], and
    for phrases that say nothing.
    """

    row = ConceptRow
    asks_model = True
    measures: Sequence[Measure] = (PHRASE_F1,)

    def __init__(self, score: float = 0.5, phrases: Sequence[str] | None = None) -> None:
        self._score, self._vocabulary = check_score(score), checked_vocabulary(phrases)

    def ways(self, config: RunConfig) -> Mapping[str, Way]:
        """One step."""
        return {PROMPT: OneStep(PROMPT)}

    def settle(self, config: RunConfig, site: Site) -> Question:
        """Pins the model's files; refuses a model that takes no text."""
        return question_of(config, site, PROMPT, "text")

    def check(self, config: RunConfig, reader: Reader) -> None:
        """Some phrase is asked."""
        ids = reader.ids()[: config.runtime.limit]
        check_asked(config.dataset.name, self._phrases(config, reader), reader, ids)

    def scorer(self, config: RunConfig, reader: Reader, lent: Lent) -> ConceptRows:
        """What asks the model and scores its detections."""
        assert lent.segmenter is not None
        return ConceptRows(
            names=ConceptNames(config.dataset.name, config.model.name, config.protocol.name),
            phrases=self._phrases(config, reader),
            threshold=open_protocol(config).threshold,
            least=self._score,
            segmenter=lent.segmenter,
            lent=lent,
        )

    def notes(self, config: RunConfig, counted: Mapping[str, int]) -> Sequence[str]:
        """Phrases, and detections that don't count."""
        notes = notes_on_phrases(counted, config.model.name)
        if below := counted.get("below"):
            notes.append(
                f"{config.model.name}: {below:,} of {counted['given']:,} detections have a score "
                f"below {self._score:g} and count for nothing."
            )
        return notes

    def _phrases(self, config: RunConfig, reader: Reader) -> Phrases:
        return Phrases.of(config.dataset.name, reader, self._vocabulary, open_protocol(config))


@dataclass(frozen=True, slots=True)
class ConceptRows:
    """The fixed side of a run: who is asked, what, and which detections count."""

    names: ConceptNames
    phrases: Phrases
    threshold: float
    least: float
    segmenter: Segmenter
    lent: Lent

    def __call__(self, cases: Sequence[Case], watch: Stopwatch) -> list[Scored]:
        """A row a phrase; an image of which an answer is no number fails."""
        samples = [case.sample for case in cases]
        embeddings = self.lent.embed(samples)
        return [self._one(*pair, watch) for pair in zip(samples, embeddings, strict=True)]

    def _one(self, sample: Sample, embedding: Any, watch: Stopwatch) -> Scored:
        asked = self.phrases.of_image(sample).asked
        try:
            with watch("predict"):
                texts = [one.text for one in asked]
                answers = detections(self.segmenter, embedding, texts, self.lent, self.threshold)
        except BenchError as error:
            return Scored(sample.image_id, {}, faults={PROMPT: str(error)})
        with watch("score"):
            found = {
                one.phrase_id: [each for each in some if each.score >= self.least]
                for one, some in zip(asked, answers, strict=True)
            }
            given, kept = (sum(map(len, some)) for some in (answers, found.values()))
            counted = {"given": given, "below": given - kept}
            return scored(sample, self.phrases, found, self.names, counted)


def detections(
    segmenter: Segmenter, embedding: Any, texts: Sequence[str], lent: Lent, threshold: float
) -> list[list[Detection]]:
    """What a model finds of each text in one image, any number of masks with their scores.

    Raises ``BenchError`` where an answer holds what is no number.
    """

    def answers(some: Sequence[str]) -> list[list[Detection]]:
        prompts = [Prompt(text=text) for text in some]
        prediction = segmenter.predict([embedding] * len(some), prompts, multimask=False)
        found = []
        for text, grids, scores, frame in zip(
            some, prediction.logits, prediction.predicted_iou, prediction.frames, strict=True
        ):
            if not (torch.isfinite(grids).all() and torch.isfinite(scores).all()):
                raise BenchError(f"the model answers {text!r:.80} with NaN or infinity")
            masks = foregrounds(grids.float().cpu(), frame, threshold) if len(grids) else []
            pairs = zip(masks, scores.float().tolist(), strict=True)
            found.append([Detection(mask, score) for mask, score in pairs])
        return found

    return [each for some in lent.batches(answers, texts) for each in some]
