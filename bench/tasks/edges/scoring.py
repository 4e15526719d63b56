"""The row of an image's edge map: people's boundaries out of its targets, and what is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.scoring.edges.boundaries import boundaries_of
from bench.scoring.edges.counts import edge_counts, thresholds
from bench.scoring.edges.f_measure import harmonic, shares
from bench.scoring.edges.matching import REACH, reach_in
from bench.types import BenchError, BoolArray, FloatArray, Sample
from bench.types.rows.edges import EdgeRow

PROMPT = "edges"
"""What stands for a prompt in rows and keys."""

MOST_LEVELS = 999


@dataclass(frozen=True, slots=True)
class EdgeRule:
    """At how many ``levels`` edges are counted, and the ``reach``, a share of the diagonal.

    Raises ``BenchError`` for less than one level, more than 999, and a reach outside (0, 1).
    """

    levels: int = 99
    reach: float = REACH

    def __post_init__(self) -> None:
        if not 1 <= self.levels <= MOST_LEVELS:
            raise BenchError(f"task.args.levels is from 1 to {MOST_LEVELS}, found {self.levels}")
        if not 0 < self.reach < 1:
            raise BenchError(
                f"task.args.reach is a share of the picture's diagonal, such as {REACH}; found "
                f"{self.reach}"
            )


@dataclass(frozen=True, slots=True)
class EdgeNames:
    """Under which names the rows of a run go."""

    dataset: str
    model: str
    protocol: str


def people_of(sample: Sample) -> list[BoolArray]:
    """The thin boundaries (H, W) that each person drew.

    Whose a target is says its ``annotator``; targets without one are all of one person. What the
    ``others`` of a target drew counts for those who have no targets of their own. Where two of a
    person's overlap the later one lies above; what none covers is one more segment. Pixels that
    count in no score are no one's boundary.
    """
    drawn = [(each.attributes.get("annotator", ""), each.mask) for each in sample.targets]
    own = {person for person, _ in drawn}
    drawn += [
        (person, mask)
        for target in sample.targets
        for person, mask in target.others.items()
        if person not in own
    ]
    labels: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.int32]]] = {}
    for number, (person, mask) in enumerate(drawn, start=1):
        labels.setdefault(person, np.zeros(sample.shape, np.int32))[mask.dense()] = number
    return [_counting(boundaries_of(each), sample) for each in labels.values()]


@dataclass(frozen=True, slots=True)
class Held:
    """An edge map ``strength`` (H, W) in [0, 1], and the boundaries that it is held against."""

    strength: FloatArray
    people: Sequence[BoolArray]


def each_against_the_others(people: Sequence[BoolArray]) -> list[Held]:
    """Every person's own boundaries as a map, held against all others'.

    Raises ``BenchError`` where a single person drew the picture's.
    """
    if len(people) < 2:
        raise BenchError(
            "a single person drew its boundaries: there is nobody to hold them against"
        )
    return [
        Held(own.astype(np.float64), [*people[:number], *people[number + 1 :]])
        for number, own in enumerate(people)
    ]


def edge_row(sample: Sample, maps: Sequence[Held], rule: EdgeRule, names: EdgeNames) -> EdgeRow:
    """The row of an image's edge map; of several the counts are added up."""
    levels, reach = thresholds(rule.levels), reach_in(sample.shape, rule.reach)
    counted = [
        edge_counts(
            held.strength if sample.ignore is None else np.where(sample.ignore, -1, held.strength),
            held.people,
            levels,
            reach,
        )
        for held in maps
    ]
    totals = np.sum([one.stacked() for one in counted], axis=0)
    matched, predicted, recalled, truth = totals.tolist()
    return EdgeRow(
        dataset=names.dataset,
        image_id=sample.image_id,
        mask_id=sample.image_id,
        model=names.model,
        prompt=PROMPT,
        protocol=names.protocol,
        step=1,
        cluster=sample.cluster,
        height=sample.shape[0],
        width=sample.shape[1],
        people=max(len(held.people) for held in maps),
        levels=levels.tolist(),
        matched=matched,
        predicted=predicted,
        recalled=recalled,
        truth=truth,
        best_f=float(harmonic(*shares(totals)).max()),
    )


def _counting(boundaries: BoolArray, sample: Sample) -> BoolArray:
    return boundaries if sample.ignore is None else boundaries & ~sample.ignore
