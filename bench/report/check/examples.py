"""A few targets of each kind to look at, drawn by lot while a dataset is read once."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.report.check.facts import KINDS, ImageFacts, most_overlapping
from bench.report.pictures.overlay import draw, draw_all, encode, is_small, overview, window
from bench.types import Prompt, Sample

RANDOM = "random"
WHOLE = "whole"
COUNTS: Mapping[str, int] = {
    WHOLE: 8,
    RANDOM: 24,
    **{kind: 6 for kind in KINDS if kind != "empty"},
}
"""How many pictures of each group, each of another image."""


@dataclass(frozen=True, slots=True)
class Example:
    """A picture, WebP, of one target, or of a whole image with all its targets (no ``mask_id``).

    ``width`` and ``height`` are the picture's own pixels; ``overview`` is the whole image, small,
    where the picture shows little of it.
    """

    image_id: str
    mask_id: str | None
    caption: str
    image: bytes
    width: int
    height: int
    overview: bytes | None = None


class Lots:
    """Keeps, for each group, the examples whose ids have the smallest hashes.

    So the choice is at random and yet the same for the same data, whatever the order of reading;
    a picture is drawn only while it is among the chosen.
    """

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[int, str, Example]]] = {group: [] for group in COUNTS}

    def offer(self, sample: Sample, facts: ImageFacts) -> None:
        """Draws of the image what falls to it."""
        if sample.targets:
            self._offer(WHOLE, sample, facts, None)
        seen = tuple(i for i, area in enumerate(facts.areas) if area)
        for group, places in {RANDOM: seen, **facts.kinds}.items():
            if places and group in COUNTS:
                place = min(places, key=lambda i: _lot(group, facts.mask_ids[i]))
                self._offer(group, sample, facts, place)

    def examples(self) -> dict[str, Sequence[Example]]:
        """The chosen of each group, in the order of their lots; groups without any left out."""
        return {
            group: [example for *_, example in sorted(kept, key=lambda one: -one[0])]
            for group, kept in self._kept.items()
            if kept
        }

    def _offer(self, group: str, sample: Sample, facts: ImageFacts, place: int | None) -> None:
        kept = self._kept[group]
        name = facts.image_id if place is None else facts.mask_ids[place]
        lot = -_lot(group, name)
        if len(kept) == COUNTS[group] and lot <= kept[0][0]:
            return
        if place is None:
            example = _whole(sample)
        else:
            example = _target(sample, facts, place, beside=group == "overlap")
        keep = heapq.heappush if len(kept) < COUNTS[group] else heapq.heapreplace
        keep(kept, (lot, facts.image_id, example))


def _lot(group: str, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{group}/{name}".encode()).digest()[:8], "big")


def _whole(sample: Sample) -> Example:
    picture = draw_all(sample.image, [target.mask for target in sample.targets])
    height, width = sample.shape
    number = len(sample.targets)
    caption = f"{number} mask{'s' * (number != 1)}, {width}×{height}"
    size = picture.shape[1], picture.shape[0]
    return Example(sample.image_id, None, caption, encode(picture, 60_000), *size)


def _target(sample: Sample, facts: ImageFacts, place: int, *, beside: bool) -> Example:
    target = sample.targets[place]
    other = most_overlapping(sample, place) if beside else None
    view = window(sample.shape, target.mask, None, Prompt())
    picture = draw(sample.image, view, target.mask, other, Prompt())
    whole = encode(overview(sample.image, view)) if is_small(view, sample.shape) else None
    caption = f"{facts.areas[place]:,} px" + (f", {target.category}" if target.category else "")
    size = picture.shape[1], picture.shape[0]
    return Example(sample.image_id, target.mask_id, caption, encode(picture), *size, whole)
