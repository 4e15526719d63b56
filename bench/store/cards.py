"""A card: what of a run is worth sharing, a few kB of JSON without a picture, a path or a host.

::

    {"card_version": 1,
     "header": {...},       of run.json: identity, versions, hashes, counts, times
     "clusters": [...],     hashed names of what the images belong to, themselves where nothing is
                            said; null where images are put into 100 buckets by a hash instead
     "steps": [             each reported step
       {"step": 1, "mean": 0.61, "low": 0.5, "high": 0.7, "few": false,
        "images": {"mean": ..., "low": ..., "high": ..., "few": ...},    the mean over images
        "sums": {"items": "<hash>", "images": [...], "masks": [...], "values": [...],
                 "image_values": [...]}}],
     "digest": "<sha256 of all of this>"}

``sums`` has an entry per cluster or bucket: how many images and masks, the sum of what leads over
masks, and that of the images' own means, in 1e-9. What a later step has in common with the first is
left out. Cards of the same masks (``items``) have the same clusters in the same order, so their
differences are paired. A card may come from anyone: it is looked over when it is read.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.files.documents import parse_json
from bench.files.places import Place, write_aside
from bench.files.text import escaped
from bench.store.headers import check_header
from bench.types import IOU, BenchError, Measure

CARD_VERSION = 1

LARGEST = 1 << 20
"""The most bytes of a card that is read: it is a few thousand."""

BUCKETS = 100
"""Into how many buckets more clusters than so many are put."""

DIGITS = 9
"""Decimals of the sums: of skewed images an interval moves by forty times what its sums do."""


@dataclass(frozen=True, slots=True)
class Number:
    """A mean in the measure's own unit, its 95 % interval where there is one, whether marked."""

    mean: float
    low: float | None
    high: float | None
    few: bool


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of what leads by cluster or bucket, an entry each, in the order of the card's clusters.

    ``items`` is a hash of which masks they are; ``images, masks`` count, ``values`` adds up over
    masks, ``image_values`` the images' own means.
    """

    items: str
    images: tuple[int, ...]
    masks: tuple[int, ...]
    values: tuple[float, ...]
    image_values: tuple[float, ...]

    def mean(self, over_images: bool) -> float:
        """The mean over images, each the same, or over masks."""
        if over_images:
            return sum(self.image_values) / sum(self.images)
        return sum(self.values) / sum(self.masks)


@dataclass(frozen=True, slots=True)
class CardStep:
    """A reported step: its number over masks and over images, and the sums behind them."""

    step: int
    masks: Number
    images: Number
    sums: Sums


@dataclass(frozen=True, slots=True)
class Card:
    """What is shared of a run.

    ``header`` is what of ``run.json`` tells no machine; ``clusters`` are the hashed names of what
    images belong to, none for buckets; ``steps`` are the reported ones, by number.
    """

    header: Mapping[str, Any]
    clusters: tuple[str, ...] | None
    steps: tuple[CardStep, ...]

    @property
    def name(self) -> str:
        """The run's folder name."""
        return str(self.header["name"])

    @property
    def measure(self) -> Measure:
        """What leads the run's tables."""
        return measure_of(self.header)

    @property
    def exact(self) -> bool:
        """Whether the sums are by cluster: then the intervals follow from them, too."""
        return self.clusters is not None


def measure_of(header: Mapping[str, Any]) -> Measure:
    """What leads a run's tables, by its header."""
    said = header.get("measures")
    return Measure.of_plain(said[0]) if said else IOU


def write_card(card: Card, path: Place) -> None:
    """Writes the card; raises ``BenchError`` where that can't be."""
    write_aside(path, card_bytes(card))


def card_bytes(card: Card) -> bytes:
    """The card as its file holds it."""
    content = _plain(card)
    text = json.dumps(content | {"digest": _digest(content)}, ensure_ascii=False)
    return (escaped(text) + "\n").encode()


def read_card(path: Place) -> Card:
    """The card in a file, when nothing in it contradicts itself.

    Raises ``BenchError`` naming the file for what is no card, a card of another version, one whose
    content isn't what was written (``digest``), and means that don't follow from the sums.
    """
    try:
        written = path.read_bytes()
        if len(written) > LARGEST:
            raise ValueError(f"{len(written)} bytes; a card has at most {LARGEST}")
        return _card(parse_json(written))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: {error}") from None


def is_card(content: object) -> bool:
    """Whether a JSON file's content means to be a card."""
    return isinstance(content, Mapping) and "card_version" in content


def _plain(card: Card) -> dict[str, Any]:
    first = _plain_sums(card.steps[0].sums)
    steps = []
    for number, each in enumerate(card.steps):
        sums = _plain_sums(each.sums)
        if number:
            sums = {key: value for key, value in sums.items() if value != first[key]}
        images = _plain_number(each.images)
        steps.append(
            {"step": each.step, **_plain_number(each.masks), "images": images, "sums": sums}
        )
    clusters = None if card.clusters is None else list(card.clusters)
    return {
        "card_version": CARD_VERSION,
        "header": dict(card.header),
        "clusters": clusters,
        "steps": steps,
    }


def _plain_number(number: Number) -> dict[str, Any]:
    return {"mean": number.mean, "low": number.low, "high": number.high, "few": number.few}


def _plain_sums(sums: Sums) -> dict[str, Any]:
    return {
        "items": sums.items,
        "images": list(sums.images),
        "masks": list(sums.masks),
        "values": list(sums.values),
        "image_values": list(sums.image_values),
    }


def _digest(content: Mapping[str, Any]) -> str:
    """A hash of a card's content, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _card(content: object) -> Card:
    """The card that a JSON text says; raises ``ValueError``."""
    if not isinstance(content, Mapping) or not is_card(content):
        raise ValueError("this is no card: it has no card_version; sam-bench card writes cards")
    if content["card_version"] != CARD_VERSION:
        raise ValueError(
            f"a card of version {repr(content['card_version'])[:20]}; this release reads version "
            f"{CARD_VERSION}: write it again from the run"
        )
    whole = {key: value for key, value in content.items() if key != "digest"}
    if content.get("digest") != _digest(whole):
        raise ValueError(_CHANGED.format("its digest is another"))
    if unknown := sorted(whole.keys() ^ {"card_version", "header", "clusters", "steps"}):
        raise ValueError(f"{unknown[0]!r} is missing, or nothing of a card")
    header = check_header(whole["header"])
    if not header.get("name") or not header.get("key"):
        raise ValueError("its header names no run")
    clusters = whole["clusters"]
    if clusters is not None and not (_texts(clusters) and len(set(clusters)) == len(clusters)):
        raise ValueError("clusters must be hashed names, each once, or null")
    steps = whole["steps"]
    if not isinstance(steps, list) or not steps or not all(isinstance(s, Mapping) for s in steps):
        raise ValueError("steps must be a list of reported steps")
    number = BUCKETS if clusters is None else len(clusters)
    first = steps[0].get("sums")
    found = tuple(_step(each, first, number) for each in steps)
    if [each.step for each in found] != sorted({each.step for each in found}):
        raise ValueError("steps must go up")
    return Card(header, None if clusters is None else tuple(clusters), found)


_CHANGED = "this card was changed after it was written: {}; take it from its source again"


def _step(said: Mapping[str, Any], first: object, number: int) -> CardStep:
    step, own = said.get("step"), said.get("sums")
    if (
        not isinstance(step, int)
        or not _count(step)
        or not isinstance(own, Mapping)
        or not isinstance(first, Mapping)
    ):
        raise ValueError("a step has a number and sums")
    sums = {**first, **own}
    where = f"step {step}"
    if not isinstance(sums.get("items"), str):
        raise ValueError(f"{where}: items must be a hash")
    for key, right in (("images", _count), ("masks", _count), ("values", _finite),
                       ("image_values", _finite)):  # fmt: skip
        column = sums.get(key)
        if not isinstance(column, list) or len(column) != number or not all(map(right, column)):
            raise ValueError(f"{where}: {key} must be {number} numbers, one per cluster")
    if not sum(sums["masks"]) or any(
        bool(masks) != bool(images) or images > masks
        for masks, images in zip(sums["masks"], sums["images"], strict=True)
    ):
        raise ValueError(f"{where}: a cluster has images, and each of them masks")
    columns = (tuple(sums[key]) for key in ("images", "masks", "values", "image_values"))
    found = CardStep(
        step,
        _number(said, where),
        _number(said.get("images"), where),
        Sums(sums["items"], *columns),
    )
    for over_images, shown in ((False, found.masks), (True, found.images)):
        follows = found.sums.mean(over_images)
        if not agree(shown.mean, follows):
            raise ValueError(
                _CHANGED.format(f"{where} says {shown.mean:.6f}, its sums say {follows:.6f}")
            )
    return found


def agree(one: float, other: float) -> bool:
    """Whether two numbers are one, but for what rounding the sums leaves."""
    return math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-5)


def _number(said: object, where: str) -> Number:
    if not isinstance(said, Mapping) or not _finite(said.get("mean")):
        raise ValueError(f"{where}: mean must be a number")
    low, high, few = said.get("low"), said.get("high"), said.get("few")
    bounds = (low, high)
    if bounds != (None, None) and not (all(map(_finite, bounds)) and low <= said["mean"] <= high):
        raise ValueError(f"{where}: low and high must be around the mean, or both null")
    if not isinstance(few, bool):
        raise ValueError(f"{where}: few must be true or false")
    return Number(said["mean"], low, high, few)


def _texts(said: object) -> bool:
    return isinstance(said, Sequence) and all(isinstance(each, str) for each in said)


def _count(said: object) -> bool:
    return isinstance(said, int) and not isinstance(said, bool) and 0 <= said < 1 << 53


def _finite(said: object) -> bool:
    number = isinstance(said, int | float) and not isinstance(said, bool)
    return number and math.isfinite(said)  # type: ignore[arg-type]
