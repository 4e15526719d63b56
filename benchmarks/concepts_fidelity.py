"""Our cgF1 and PQ against plain re-implementations of the published evaluators, on random cases.

    python benchmarks/concepts_fidelity.py --cases 300

A case of cgF1 is five pictures with up to twenty phrases, some of nothing, crowds, three annotators
who disagree, and detections of several scores; a case of PQ four pictures of things and stuff with
void and crowds. What differs most, over all numbers and cases, is printed and kept.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plain_concepts
import result_files
from drawn_concepts import KINDS, Drawn, draw, draw_panoptic

from bench.analysis.sections import concepts, panoptic
from bench.data.abilities import Phrase
from bench.protocol import Protocol
from bench.scoring.instances.panoptic import Segment, qualities
from bench.tasks.concepts.asked import Phrases
from bench.tasks.concepts.scoring import ConceptNames, Detection, scored
from bench.types import Mask, Sample, Target

CROWDS = ("skip", "ignore", "include")
NAMES = ConceptNames("drawn", "theirs", "sam")


class Named:
    """The phrases of what was drawn, as a reader names them."""

    def __init__(self, drawn: Drawn) -> None:
        self._pairs = drawn.pairs
        self._people = tuple(f"person {n}" for n in range(len(drawn.annotators)))

    def phrases(self, image_id: str) -> list[Phrase]:
        """Those of a picture."""
        return [
            Phrase(pair, text, self._people)
            for pair, (picture, text) in self._pairs.items()
            if picture == image_id
        ]


def samples_of(drawn: Drawn) -> list[Sample]:
    """The pictures, with the targets of all annotators."""
    found = []
    for picture, size in drawn.sizes.items():
        targets = [
            Target(
                f"{person}/{pair}/{number}",
                Mask.from_dense(one.mask),
                drawn.pairs[pair][1],
                one.crowd,
                {"phrase": pair, "annotator": f"person {person}"},
            )
            for person, truth in enumerate(drawn.annotators)
            for pair, some in truth.items()
            for number, one in enumerate(some)
            if drawn.pairs[pair][0] == picture
        ]
        found.append(Sample(picture, np.zeros((*size, 3), np.uint8), targets))
    return found


def rows_of(drawn: Drawn, crowd: str) -> pd.DataFrame:
    """The rows of all phrases."""
    phrases = Phrases(Named(drawn), None, Protocol(crowd=crowd))
    given = {
        pair: [Detection(Mask.from_dense(g.mask), g.score) for g in some if g.score >= 0.5]
        for pair, some in drawn.guesses.items()
    }
    rows = [
        row
        for sample in samples_of(drawn)
        for row in scored(sample, phrases, given, NAMES, {}).rows["text"]
    ]
    columns = ("image_id", "cluster", "present", "targets", "detections", "matched", "wrong")
    return pd.DataFrame([{name: getattr(row, name) for name in columns} for row in rows])


def concepts_off(seed: int, crowd: str) -> float:
    """The most that a number of ours differs from the plain one, for one case."""
    drawn = draw(seed)
    ours = concepts.Tallies.of(rows_of(drawn, crowd)).numbers()
    theirs = plain_concepts.cgf1(list(drawn.pairs), drawn.annotators, drawn.guesses, crowd)
    return max(abs(one.mean - theirs[name]) for name, one in ours.items() if one is not None)


def panoptic_off(seed: int) -> float:
    """The same of PQ, SQ and RQ."""
    pictures = draw_panoptic(seed)
    rows = []
    for number, one in enumerate(pictures):
        labels, what = [], []
        for ids, known in ((one.truth, one.segments), (one.predicted, one.guesses)):
            ranks = {0: 0} | {own: rank for rank, own in enumerate(known, start=1)}
            labels.append(np.vectorize(ranks.__getitem__)(ids).astype(np.int32))
        what = [Segment(*each) for each in one.segments.values()]
        guesses = [Segment(name) for name in one.guesses.values()]
        for name, found in qualities(labels[0], what, labels[1], guesses).items():
            counts = {"matched": found.matched, "wrong": found.wrong, "missed": found.missed}
            key = {"image_id": str(number), "cluster": None, "category": name}
            rows.append(key | {"kind": KINDS[name]} | counts | {"iou_sum": found.iou})
    ours = panoptic.Segments.of(pd.DataFrame(rows)).numbers()
    theirs = plain_concepts.panoptic(pictures, KINDS)
    return max(abs(one.mean - theirs[name]) for name, one in ours.items() if one is not None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--name", default="concepts_fidelity", help="of the files in results")
    chosen = parser.parse_args(arguments)
    start = time.process_time()
    seeds = range(chosen.cases)
    lines = {f"cgF1, crowds: {crowd}": [concepts_off(s, crowd) for s in seeds] for crowd in CROWDS}
    lines["PQ, SQ, RQ"] = [panoptic_off(seed) for seed in seeds]
    text = "# cgF1 and PQ against plain re-implementations\n\n"
    text += "| numbers | cases | most that any differs |\n|---|--:|--:|\n"
    text += "".join(f"| {name} | {len(off)} | {max(off):.1e} |\n" for name, off in lines.items())
    text += (
        "\n`python benchmarks/concepts_fidelity.py "
        f"--cases {chosen.cases}`, {time.process_time() - start:.0f} s of one core.\n"
    )
    result_files.write(chosen.name, text, cases=chosen.cases)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
