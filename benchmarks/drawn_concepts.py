"""Pictures, phrases, annotators and detections drawn at random, as plain masks and as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from plain_concepts import Guess, Instance, Picture, Truth

WORDS = ("zebra", "the small cup", "apple", "red hat", "mug")


@dataclass(frozen=True)
class Drawn:
    """The pictures' (H, W), which pairs are theirs with their phrases, and all that was found."""

    sizes: Mapping[str, tuple[int, int]]
    pairs: Mapping[str, tuple[str, str]]
    annotators: Sequence[Truth]
    guesses: Mapping[str, Sequence[Guess]]


def draw(seed: int, pictures: int = 5, annotators: int = 3) -> Drawn:
    """Phrases of something and of nothing, crowds, annotators that disagree, and detections near.

    Pairs are numbered against the pictures' order, and no picture is square.
    """
    rng = np.random.default_rng(seed)
    sizes = {f"p{n * 7 % 10}.png": (24 + n, 44 - 3 * n) for n in range(pictures)}
    pairs: dict[str, tuple[str, str]] = {}
    people: list[dict[str, list[Instance]]] = [{} for _ in range(annotators)]
    guesses: dict[str, list[Guess]] = {}
    for picture in sorted(sizes, reverse=True):
        for word in rng.permutation(WORDS)[: int(rng.integers(1, 5))]:
            pair = str(1000 - len(pairs) * 3)
            pairs[pair] = (picture, str(word))
            drawn = [_blob(rng, sizes[picture]) for _ in range(int(rng.integers(0, 4)))]
            for person in people:
                seen = [_moved(rng, mask) for mask in drawn if rng.random() < 0.85]
                if seen:
                    person[pair] = [Instance(mask, bool(rng.random() < 0.25)) for mask in seen]
            found = [_moved(rng, mask) for mask in drawn if rng.random() < 0.8]
            found += [_blob(rng, sizes[picture]) for _ in range(int(rng.integers(0, 3)))]
            some = [Guess(mask, float(rng.choice([0.2, 0.5, 0.71, 0.9]))) for mask in found]
            if some and rng.random() < 0.85:
                guesses[pair] = some
    return Drawn(sizes, pairs, people, guesses)


KINDS = {"wall": "stuff", "cat": "thing", "sky": "stuff", "dog": "thing"}


def draw_panoptic(seed: int, pictures: int = 4) -> list[Picture]:
    """Pictures with void, crowds and predictions that are near, joined, split or elsewhere."""
    rng = np.random.default_rng(seed)
    found = []
    names = list(KINDS)
    for number in range(pictures):
        size = (20 + number, 33 - 2 * number)
        truth = np.zeros(size, np.int64)
        segments: dict[int, tuple[str, bool]] = {}
        for _ in range(int(rng.integers(3, 8))):
            own = int(rng.integers(1, 1 << 24))
            truth[_blob(rng, size)] = own
            name = str(rng.choice(names))
            segments[own] = (name, KINDS[name] == "thing" and bool(rng.random() < 0.3))
        segments = {own: what for own, what in segments.items() if (truth == own).any()}
        predicted = np.zeros(size, np.int64)
        guesses: dict[int, str] = {}
        for own, (name, _) in segments.items():
            mask = _moved(rng, truth == own)
            guess = int(rng.integers(1, 1 << 24))
            predicted[mask] = guess
            guesses[guess] = name if rng.random() < 0.8 else str(rng.choice(names))
        if rng.random() < 0.7:
            predicted[_blob(rng, size)] = 77
            guesses[77] = str(rng.choice(names))
        guesses = {own: name for own, name in guesses.items() if (predicted == own).any()}
        found.append(Picture(truth, segments, predicted, guesses))
    return found


def _blob(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A rectangle with a corner off, somewhere."""
    mask = np.zeros(size, dtype=bool)
    height, width = (int(rng.integers(3, side // 2)) for side in size)
    y, x = (int(rng.integers(0, s - n + 1)) for s, n in zip(size, (height, width), strict=True))
    mask[y : y + height, x : x + width] = True
    mask[y : y + height // 3, x : x + width // 3] = False
    return mask


def _moved(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """The mask a little elsewhere, or as it is; it keeps a pixel at least."""
    shift = rng.integers(-2, 3, 2) * (rng.random() < 0.7)
    moved = np.roll(mask, shift, axis=(0, 1))
    return moved if moved.any() else mask
