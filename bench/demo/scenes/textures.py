"""Grey patterns for surfaces and backgrounds: two disjoint banks.

A pattern is (`SIDE`, `SIDE`) uint8, mean about 128, full range. The bank called "train" and the
one called "test" differ in their families (no generator is shared) and in the seeds of every
pattern; both are rebuilt from seeds in about a second, so nothing has to be stored.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

BankName = Literal["train", "test"]
Pattern = NDArray[np.uint8]
FloatMap = NDArray[np.float32]
Generator = Callable[[np.random.Generator], FloatMap]

SIDE = 384
PATTERNS_PER_BANK = 120
_SEED_OF_BANK: dict[BankName, int] = {"train": 71_001, "test": 84_002}


def _noise(rng: np.random.Generator, cells: int) -> FloatMap:
    """Return smooth noise (SIDE, SIDE) in about [-1, 1] with `cells` bumps along a side."""
    grid = rng.uniform(-1.0, 1.0, (cells + 3, cells + 3)).astype(np.float32)
    return np.asarray(cv2.resize(grid, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float32)


def _grid(rng: np.random.Generator) -> tuple[FloatMap, FloatMap]:
    """Return pixel coordinates (x, y) in [0, 1], turned by a random angle."""
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return c * x + s * y, c * y - s * x


# ---------------------------------------------------------------------------- training bank


def clouds(rng: np.random.Generator) -> FloatMap:
    """Sum of smooth noise octaves."""
    total = np.zeros((SIDE, SIDE), np.float32)
    cells, weight = int(rng.integers(3, 20)), 1.0
    for _ in range(4):
        total += np.float32(weight) * _noise(rng, cells)
        cells, weight = cells * 2, weight * rng.uniform(0.4, 0.8)
    return total


def grain(rng: np.random.Generator) -> FloatMap:
    """Fine grain: white noise, slightly blurred."""
    white = rng.uniform(-1, 1, (SIDE, SIDE)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(white, (0, 0), rng.uniform(0.6, 2.5)), np.float32)


def stripes(rng: np.random.Generator) -> FloatMap:
    """Straight stripes, from soft to sharp."""
    x, _ = _grid(rng)
    wave = np.sin(2 * np.pi * rng.uniform(8, 60) * x)
    return np.asarray(np.tanh(wave * rng.uniform(0.5, 6.0)), np.float32)


def wood(rng: np.random.Generator) -> FloatMap:
    """Warped lines, as in wood."""
    x, y = _grid(rng)
    warp = _noise(rng, int(rng.integers(2, 6))) * rng.uniform(0.05, 0.2)
    return np.asarray(np.sin(2 * np.pi * rng.uniform(8, 30) * (x + warp + 0.1 * y)), np.float32)


def spots(rng: np.random.Generator) -> FloatMap:
    """Round dots on a jittered grid."""
    image = np.zeros((SIDE, SIDE), np.float32)
    pitch = rng.uniform(9, 40)
    count = int(SIDE / pitch) + 1
    cells = np.stack(np.meshgrid(np.arange(count), np.arange(count)), axis=-1).reshape(-1, 2)
    centres = (cells + rng.uniform(0.0, 0.7, cells.shape)) * pitch
    radii = rng.uniform(0.15, 0.4, len(cells)) * pitch
    for (cx, cy), radius in zip(centres, radii, strict=True):
        cv2.circle(image, (int(cx), int(cy)), max(1, int(radius)), 1.0, -1)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.0)), np.float32)


def scratches(rng: np.random.Generator) -> FloatMap:
    """Many short straight strokes of one main direction."""
    image = np.zeros((SIDE, SIDE), np.float32)
    main, spread = rng.uniform(0, np.pi), rng.uniform(0.05, 1.5)
    for _ in range(int(rng.integers(150, 500))):
        start = rng.uniform(0, SIDE, 2)
        angle, length = main + spread * rng.normal(), rng.uniform(8, 60)
        end = start + length * np.array([np.cos(angle), np.sin(angle)])
        a, b = (int(start[0]), int(start[1])), (int(end[0]), int(end[1]))
        cv2.line(image, a, b, float(rng.uniform(-1, 1)), int(rng.integers(1, 4)))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.8), np.float32)


# -------------------------------------------------------------------------------- test bank


def ridges(rng: np.random.Generator) -> FloatMap:
    """Sharp crests: one minus the absolute value of noise octaves."""
    total = np.zeros((SIDE, SIDE), np.float32)
    cells = int(rng.integers(4, 16))
    for octave in range(3):
        total += (1 - 2 * np.abs(_noise(rng, cells))) * np.float32(0.6**octave)
        cells *= 2
    return total


def bricks(rng: np.random.Generator) -> FloatMap:
    """Rows of bricks, each of its own grey, with joints."""
    x, y = _grid(rng)
    rows, columns = rng.uniform(10, 30), rng.uniform(5, 15)
    row = np.floor(y * rows)
    column = np.floor(x * columns + 0.5 * (row % 2))
    greys = rng.uniform(-1, 1, 997).astype(np.float32)
    joint = (np.modf(np.abs(y) * rows)[0] < 0.12) | (np.modf(np.abs(x) * columns + 9.0)[0] < 0.06)
    brick = greys[(row * 37 + column * 101).astype(np.int64) % 997]
    return np.asarray(np.where(joint, -1.0, brick), np.float32)


def weave(rng: np.random.Generator) -> FloatMap:
    """Two crossing wave trains, as in cloth."""
    x, y = _grid(rng)
    pitch = rng.uniform(12, 50)
    return np.asarray(np.sin(2 * np.pi * pitch * x) * np.sin(2 * np.pi * pitch * y), np.float32)


def facets(rng: np.random.Generator) -> FloatMap:
    """Cracked mosaic: nearest-seed cells, each of its own grey."""
    seeds = int(rng.integers(60, 300))
    image = np.ones((SIDE, SIDE), np.uint8)
    points = rng.integers(0, SIDE, (seeds, 2))
    image[points[:, 0], points[:, 1]] = 0
    _, labels = cv2.distanceTransformWithLabels(image, cv2.DIST_L2, 5, labelType=1)
    greys = rng.uniform(-1, 1, int(labels.max()) + 1).astype(np.float32)
    return np.asarray(greys[labels], np.float32)


def ripples(rng: np.random.Generator) -> FloatMap:
    """Rings around two centres, interfering."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    total = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(2):
        cx, cy = rng.uniform(-0.3, 1.3, 2)
        total += np.sin(2 * np.pi * rng.uniform(8, 35) * np.hypot(x - cx, y - cy))
    return total


TRAIN_GENERATORS: tuple[Generator, ...] = (clouds, grain, stripes, wood, spots, scratches)
TEST_GENERATORS: tuple[Generator, ...] = (ridges, bricks, weave, facets, ripples)


def _normalised(values: FloatMap) -> Pattern:
    """Stretch to uint8 around grey 128: two standard deviations become the full range."""
    scaled = (values - values.mean()) / max(float(values.std()), 1e-6)
    levels: Pattern = np.clip(128 + 60 * scaled, 0, 255).astype(np.uint8)
    return levels


@lru_cache(maxsize=2)
def texture_bank(bank: BankName) -> tuple[Pattern, ...]:
    """Return the read-only patterns of one bank, built on the first call in a process."""
    generators = TRAIN_GENERATORS if bank == "train" else TEST_GENERATORS
    patterns = []
    for index in range(PATTERNS_PER_BANK):
        rng = np.random.default_rng(np.random.SeedSequence([_SEED_OF_BANK[bank], index]))
        pattern = _normalised(generators[index % len(generators)](rng))
        pattern.flags.writeable = False
        patterns.append(pattern)
    return tuple(patterns)
