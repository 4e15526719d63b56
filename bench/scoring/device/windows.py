"""The windows of images in which masks may have pixels, and which of them are computed together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from bench.scoring.bilinear import IndexArray
from bench.scoring.device.lines import Lines
from bench.types import BoolArray

_WORTH = 1 << 24
"""Pixels that a device computes in the time in which a host asks for one more chunk."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Windows of one (H, W): of the prompts (P,), their first rows and columns ``starts`` (P, 2).

    One may be larger than its image: it begins at the first pixel then.
    """

    prompts: IndexArray
    starts: IndexArray
    shape: tuple[int, int]


def windows(
    rows: BoolArray,
    columns: BoolArray,
    counts: Sequence[int],
    frame_of: IndexArray,
    both: Sequence[Lines],
) -> IndexArray:
    """Of P prompts the rows and columns (P, 2, 2) of their images, from and up to, that mix a cell.

    ``rows`` (M, h) and ``columns`` (M, w) say which cells of each of their ``counts`` candidates
    count, ``frame_of`` (P,) which frames the images have. A window without any is empty.
    """
    spans = np.zeros((len(counts), 2, 2), np.int64)
    some = np.ones(len(counts), dtype=bool)
    for axis, (cells, lines) in enumerate(zip((rows, columns), both, strict=True)):
        any_of = _any_of(cells, counts)
        some &= any_of.any(axis=1)
        first = any_of.argmax(axis=1)
        last = cells.shape[1] - 1 - any_of[:, ::-1].argmax(axis=1)
        spans[:, axis, 0] = lines.begins[frame_of, first]
        spans[:, axis, 1] = lines.ends[frame_of, last]
    some &= (spans[:, :, 1] > spans[:, :, 0]).all(axis=1)
    spans[~some] = 0
    return spans


def _any_of(cells: BoolArray, counts: Sequence[int]) -> BoolArray:
    """Of each prompt (P, g) whether any of its candidates (M, g) has a cell."""
    parts, start = [], 0
    for count, alike in groupby(counts):  # ``reduceat`` takes ten times as long
        number = sum(1 for _ in alike)
        end = start + number * count
        parts.append(cells[start:end].reshape(number, count, -1).any(axis=1))
        start = end
    return np.concatenate(parts)


def chunks(
    spans: IndexArray, images: IndexArray, counts: Sequence[int], most: int
) -> Iterator[Chunk]:
    """Windows about as large as each other, as large as the largest of them, none of them empty.

    A chunk has ``most`` pixels at most, those of all candidates, or a single window. ``spans`` are
    those of ``windows``, ``images`` (P, 2) the images' sizes. A window that would leave its image
    begins sooner.
    """
    sizes = spans[:, :, 1] - spans[:, :, 0]
    areas = sizes.prod(axis=1)
    order = [i for i in np.argsort(-areas, kind="stable").tolist() if areas[i]]
    known = sizes.tolist()
    while order:
        chosen, high, wide, candidates, filled = list[int](), 0, 0, 0, 0
        for i in order:
            h, w = max(high, known[i][0]), max(wide, known[i][1])
            all_of_it = h * w * (candidates + counts[i])
            needed = filled + int(areas[i]) * counts[i]
            if chosen and (all_of_it > most or all_of_it - needed > _WORTH):
                break
            chosen.append(i)
            high, wide, filled, candidates = h, w, needed, candidates + counts[i]
        order = order[len(chosen) :]
        prompts = np.array(chosen)
        starts = np.minimum(spans[prompts, :, 0], images[prompts] - (high, wide))
        yield Chunk(prompts, np.maximum(starts, 0), (high, wide))
