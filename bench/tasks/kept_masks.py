"""What rows keep of masks: COCO counts strings, of the chosen candidate and of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.scoring.score import Score
    from bench.tasks.contract import Lent

CANDIDATES = 3
"""Masks of an answer whose candidates are all kept, as SAM gives them, beside the chosen one."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The strings of one answer, none where they are not kept."""

    mask: str | None = None
    candidates: Sequence[str] | None = None

    @classmethod
    def of(cls, score: Score) -> Kept:
        """Those of a score, whose chosen mask is written once."""
        chosen = score.mask.to_rle() if score.rle is None else score.rle
        if score.candidates is None:
            return cls(chosen)
        each = enumerate(score.candidates)
        return cls(chosen, [chosen if k == score.selected else mask.to_rle() for k, mask in each])


NOTHING = Kept()


def kept_of(scores: Iterable[Score], lent: Lent) -> Mapping[int, Kept]:
    """What rows keep of scores, by their ``id``; of one that stands often it is made once."""
    if not lent.keep_masks:
        return {}
    apart = {id(score): score for score in scores}
    told = {
        place: Kept(score.rle)
        for place, score in apart.items()
        if score.rle is not None and score.candidates is None
    }
    left = {place: score for place, score in apart.items() if place not in told}
    return told | dict(zip(left, lent.each(Kept.of, left.values()), strict=True))
