"""Reads every image of a dataset once, and counts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from bench.config.component import Component
from bench.data.abilities import NamesPictures
from bench.data.doubts import Doubt, as_oddities, doubts_of
from bench.data.formats.pictures import Stored, look_at
from bench.data.oddities import Oddity, oddities_of
from bench.data.opening import missing_pictures
from bench.report.check.examples import Example, Lots
from bench.report.check.facts import KINDS, ImageFacts, facts_of
from bench.store.runs import ImageError
from bench.types import BenchError, ImageArray, Reader, Sample
from bench.types.threads import in_order

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """How many images or masks are of a kind, and the first of them."""

    what: str
    count: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expectation:
    """A count that the dataset's YAML says is exact, beside the one found.

    ``found`` is none where not all was read.
    """

    what: str
    expected: int
    found: int | None

    @property
    def verdict(self) -> str:
        """``as expected``, ``differs`` or ``not compared``."""
        if self.found is None:
            return "not compared"
        return "as expected" if self.found == self.expected else "differs"


@dataclass(frozen=True, slots=True)
class Check:
    """What is in a dataset.

    ``images`` is how many there are, ``read`` how many of them were read; ``masks`` counts the
    masks with a pixel at least, ``crowds`` among them. ``mask_counts`` is each image's number of
    targets that are no crowd, ``shapes`` the images of each (H, W), ``areas`` all masks' pixels,
    ascending. ``doubts`` are of the images that were read, in their order. ``kinds`` and
    ``orientations`` are of the pictures' files, empty where the reader doesn't name them.
    """

    dataset: Component
    fingerprint: str
    images: int
    read: int
    masks: int
    crowds: int
    mask_counts: Mapping[str, int]
    expectations: tuple[Expectation, ...]
    unreadable: tuple[ImageError, ...]
    findings: tuple[Finding, ...]
    oddities: tuple[Oddity, ...]
    doubts: tuple[Doubt, ...]
    shapes: Mapping[tuple[int, int], int]
    areas: tuple[int, ...]
    categories: Mapping[str, int]
    kinds: Mapping[str, int]
    orientations: Mapping[int, int]
    examples: Mapping[str, Sequence[Example]]

    @property
    def holds(self) -> bool:
        """Whether every file could be read and every exact expectation is met."""
        return not self.unreadable and all(e.verdict != "differs" for e in self.expectations)


def check_dataset(
    dataset: Component,
    reader: Reader,
    *,
    limit: int | None = None,
    threads: int = 1,
    pictures: bool = False,
    image_done: Callable[[], None] = lambda: None,
) -> Check:
    """Reads the dataset, or its first ``limit`` images, decodes every mask, and counts.

    ``reader`` reads the whole of it. With ``pictures`` some targets are drawn. ``image_done`` is
    called once per image. An image that can't be read is counted and named, not raised.
    """
    ids = list(reader.ids())
    chosen = ids[:limit]
    tallies = _Tallies(reader, pictures)
    for image_id, future in in_order(tallies.look, chosen, threads, "check"):
        try:
            tallies.add(future.result())
        except (BenchError, ValueError, OSError) as error:
            tallies.unreadable.append(ImageError(image_id, str(error)))
        image_done()
    complete = len(chosen) == len(ids)
    found = {"images": len(ids), "masks": tallies.masks if complete else None}
    expected = dataset.about.get("expected") or {}
    return Check(
        dataset=dataset,
        fingerprint=reader.fingerprint(),
        images=len(ids),
        read=len(chosen) - len(tallies.unreadable),
        masks=tallies.masks,
        crowds=tallies.crowds,
        mask_counts=tallies.mask_counts,
        expectations=tuple(
            Expectation(what, expected[what], number)
            for what, number in found.items()
            if isinstance(expected.get(what), int)
        ),
        unreadable=tuple(tallies.unreadable),
        findings=tuple(_findings(tallies, reader, chosen)),
        oddities=(*oddities_of(reader), *as_oddities(tallies.doubts)),
        doubts=tuple(tallies.doubts),
        shapes=dict(tallies.shapes.most_common()),
        areas=tuple(sorted(tallies.areas)),
        categories=dict(tallies.categories.most_common()),
        kinds=dict(tallies.kinds.most_common()),
        orientations=dict(sorted(tallies.orientations.items())),
        examples=tallies.lots.examples(),
    )


def area_quantiles(check: Check) -> dict[str, int]:
    """The smallest, quartiles and largest area in pixels; empty without a mask."""
    if not check.areas:
        return {}
    names = ("smallest", "quarter", "median", "three quarters", "largest")
    marks = np.quantile(check.areas, [0, 0.25, 0.5, 0.75, 1], method="nearest")
    return {name: int(mark) for name, mark in zip(names, marks, strict=True)}


class _Tallies:
    """The counts so far."""

    def __init__(self, reader: Reader, pictures: bool) -> None:
        self._reader, self._pictures = reader, pictures
        self.masks = self.crowds = self.without = 0
        self.mask_counts: dict[str, int] = {}
        self.unreadable: list[ImageError] = []
        self.areas: list[int] = []
        self.shapes: Counter[tuple[int, int]] = Counter()
        self.categories: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.orientations: Counter[int] = Counter()
        self.of_kind: dict[str, _Places] = {kind: _Places() for kind in KINDS}
        self.bare, self.twice, self.seen_before = _Places(), _Places(), _Places()
        self.doubts: list[Doubt] = []
        self._pictures_seen: dict[bytes, str] = {}
        self.lots = Lots()
        self._mask_ids: set[str] = set()

    def look(self, image_id: str) -> _Look:
        """Reads an image and finds its facts: the slow part, for threads."""
        reader = self._reader
        sample = reader.read(image_id)
        return _Look(
            sample,
            facts_of(sample),
            look_at(reader.path(image_id)) if isinstance(reader, NamesPictures) else None,
            doubts_of(reader, image_id, sample),
            _hash_of(sample.image),
        )

    def add(self, look: _Look) -> None:
        """Counts an image; not for threads."""
        sample, facts, stored = look.sample, look.facts, look.stored
        self.doubts += look.doubts
        first = self._pictures_seen.setdefault(look.pixels, facts.image_id)
        if first != facts.image_id:
            self.seen_before.add(f"{facts.image_id} as {first}")
        self.mask_counts[facts.image_id] = len(facts.areas) - facts.crowds
        self.masks += sum(area > 0 for area in facts.areas)
        self.crowds += facts.crowds
        self.areas += [area for area in facts.areas if area]
        self.shapes[facts.shape] += 1
        self.categories.update(category for category in facts.categories if category)
        if not facts.areas:
            self.bare.add(facts.image_id)
        for kind, places in facts.kinds.items():
            for place in places:
                self.of_kind[kind].add(facts.mask_ids[place])
        for mask_id in facts.mask_ids:
            if mask_id in self._mask_ids:
                self.twice.add(mask_id)
            self._mask_ids.add(mask_id)
        if stored is not None:
            self.kinds[stored.kind] += 1
            self.orientations[stored.orientation] += 1
        if self._pictures:
            self.lots.offer(sample, facts)


@dataclass(frozen=True, slots=True)
class _Look:
    """What is found of one image; ``pixels`` is a hash of the picture."""

    sample: Sample
    facts: ImageFacts
    stored: Stored | None
    doubts: Sequence[Doubt]
    pixels: bytes


def _hash_of(image: ImageArray) -> bytes:
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(image.tobytes())
    return digest.digest()


class _Places:
    """Counts finds, and keeps the first."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, place: str) -> None:
        self.count += 1
        if len(self.first) < _EXAMPLES:
            self.first.append(place)

    def finding(self, what: str) -> Finding:
        return Finding(what, self.count, tuple(self.first))


def _findings(tallies: _Tallies, reader: Reader, image_ids: Sequence[str]) -> Iterator[Finding]:
    yield tallies.bare.finding("images without a mask")
    missing: list[Path] = missing_pictures(reader, image_ids)
    names = tuple(str(path) for path in islice(missing, _EXAMPLES))
    yield Finding("images whose picture is not there", len(missing), names)
    ids = Counter(reader.ids())
    again = [image_id for image_id, times in ids.items() if times > 1]
    yield Finding("image ids that are there twice", len(again), tuple(again[:_EXAMPLES]))
    yield tallies.seen_before.finding("pictures equal to the pixel to one under an earlier id")
    yield tallies.twice.finding("mask ids that are there twice")
    for kind, what in KINDS.items():
        yield tallies.of_kind[kind].finding(what)
