"""The row of a phrase: what is found of it, held against each annotator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.scoring.instances.concepts import Held, best, held
from bench.scoring.overlap import overlaps
from bench.tasks.concepts.asked import Asked, Phrases, Truth
from bench.tasks.contract import Scored
from bench.types import BenchError, Mask, Sample
from bench.types.rows.concepts import ConceptRow

PROMPT = "text"
"""What stands for a prompt in rows and keys."""


@dataclass(frozen=True, slots=True)
class Detection:
    """A mask that is found for a phrase, and how sure whoever found it is of it."""

    mask: Mask
    score: float


@dataclass(frozen=True, slots=True)
class ConceptNames:
    """Under which names the rows of a run go."""

    dataset: str
    model: str
    protocol: str


def check_score(least: float) -> float:
    """The score from which a detection counts; raises ``BenchError`` for one outside [0, 1]."""
    if not 0 <= least <= 1:
        raise BenchError(f"task.args.score is from 0 to 1, found {least}")
    return float(least)


def concept_row(
    sample: Sample, asked: Asked, found: Sequence[Detection], names: ConceptNames
) -> ConceptRow:
    """The row of a phrase of an image; ``found`` are the detections that count."""
    masks = [each.mask.to_rle() for each in found]
    several = [_held(masks, truth, sample) for truth in asked.truths]
    chosen = best(several)
    one, truth = several[chosen], asked.truths[chosen]
    return ConceptRow(
        dataset=names.dataset,
        image_id=sample.image_id,
        mask_id=asked.phrase_id,
        model=names.model,
        prompt=PROMPT,
        protocol=names.protocol,
        step=1,
        cluster=sample.cluster,
        phrase=asked.text,
        height=sample.shape[0],
        width=sample.shape[1],
        annotators=len(several),
        annotator=truth.annotator,
        present=one.present,
        targets=one.targets,
        crowds=one.crowds,
        detections=one.detections,
        matched=one.matched.tolist(),
        wrong=one.wrong.tolist(),
        f1=one.f1 if one.targets else None,
    )


def scored(
    sample: Sample,
    phrases: Phrases,
    found: Mapping[str, Sequence[Detection]],
    names: ConceptNames,
    counted: Mapping[str, int],
) -> Scored:
    """The rows of an image's phrases, of what was found for each by its id."""
    asked = phrases.of_image(sample)
    rows = [concept_row(sample, one, found.get(one.phrase_id, ()), names) for one in asked.asked]
    empty = sum(not each.mask.area for some in found.values() for each in some)
    more = {"phrases": len(rows), "negative": sum(not row.present for row in rows), "empty": empty}
    return Scored(
        sample.image_id, {PROMPT: rows}, asked.skipped, {**asked.counted, **more, **counted}
    )


def notes_on_phrases(counted: Mapping[str, int], model: str) -> list[str]:
    """What must be said of phrases and targets that don't count, and of empty detections."""
    notes = []
    if phrases := counted.get("phrases"):
        negative = counted.get("negative", 0)
        notes.append(f"{phrases:,} phrases, of {negative:,} of which nothing is there.")
    left_out = {
        "unnamed": "Targets without a category, left out",
        "unasked": "Targets of categories that no phrase asks for",
        "partial": "Phrases that are not exhaustively annotated, left out",
    }
    notes += [f"{said}: {counted[name]:,}." for name, said in left_out.items() if counted.get(name)]
    if empty := counted.get("empty"):
        notes.append(f"{model}: {empty:,} detections have no pixel and count as wrong.")
    return notes


def _held(masks: Sequence[str], truth: Truth, sample: Sample) -> Held:
    return held(overlaps(masks, truth.targets, sample), overlaps(masks, truth.crowds, sample))
