"""What there is to know of one image and its masks, pixels and all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from bench.types import Mask, Sample, Target

TINY = 64
"""A mask of fewer pixels is tiny: a click on it may be a matter of one pixel."""

KINDS: Mapping[str, str] = {
    "empty": "masks without a pixel",
    "tiny": f"masks of 1 to {TINY - 1} pixels",
    "crowd": "crowds, regions of several objects",
    "parts": "masks of several parts (8-connected)",
    "cover": "masks of the whole picture (99 % or more)",
    "border": "masks at the picture's border",
    "overlap": "masks that share pixels with another, crowds aside",
    "twin": "masks that another of the picture equals to the pixel",
}
"""What a mask can be, and how a table says it."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """One image: (H, W) in pixels, and of each target its id, pixels, category and crowd flag.

    ``kinds`` has, for every kind of ``KINDS``, the places of the targets that are of it.
    """

    image_id: str
    shape: tuple[int, int]
    mask_ids: tuple[str, ...]
    areas: tuple[int, ...]
    categories: tuple[str | None, ...]
    crowds: int
    kinds: Mapping[str, tuple[int, ...]]


def facts_of(sample: Sample) -> ImageFacts:
    """The facts of a sample."""
    targets = sample.targets
    areas = [target.mask.area for target in targets]
    overlapping, twins = _overlapping(sample), _twins(targets)
    of_kind = {
        "empty": [area == 0 for area in areas],
        "tiny": [0 < area < TINY for area in areas],
        "crowd": [target.crowd for target in targets],
        "parts": [_parts(target.mask) > 1 for target in targets],
        "cover": [100 * area >= 99 * sample.shape[0] * sample.shape[1] for area in areas],
        "border": [_at_border(target.mask) for target in targets],
        "overlap": overlapping,
        "twin": twins,
    }
    return ImageFacts(
        sample.image_id,
        sample.shape,
        tuple(target.mask_id for target in targets),
        tuple(areas),
        tuple(target.category for target in targets),
        sum(target.crowd for target in targets),
        {kind: tuple(i for i, is_so in enumerate(of_kind[kind]) if is_so) for kind in KINDS},
    )


def most_overlapping(sample: Sample, place: int) -> Mask | None:
    """Of the other targets but crowds the one that shares most pixels with this; none if none."""
    own = sample.targets[place].mask
    shared = [
        0 if i == place or other.crowd else _shared(own, other.mask)
        for i, other in enumerate(sample.targets)
    ]
    best = int(np.argmax(shared))
    return sample.targets[best].mask if shared[best] else None


def _overlapping(sample: Sample) -> list[bool]:
    """Which targets share a pixel with another one, crowds aside."""
    cover = np.zeros(sample.shape, dtype=np.uint16)
    singles = [not target.crowd and target.mask.bits.size > 0 for target in sample.targets]
    for target, single in zip(sample.targets, singles, strict=True):
        if single:
            _window(cover, target.mask)[target.mask.bits] += 1
    return [
        single and bool((_window(cover, target.mask)[target.mask.bits] > 1).any())
        for target, single in zip(sample.targets, singles, strict=True)
    ]


def _window(cover: np.ndarray, mask: Mask) -> np.ndarray:
    h, w = mask.bits.shape
    return cover[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w]


def _shared(a: Mask, b: Mask) -> int:
    """The number of pixels in both masks."""
    if a.bits.size == 0 or b.bits.size == 0:
        return 0
    h, w = a.bits.shape
    return int((a.bits & b.crop(a.y0, a.x0, a.y0 + h, a.x0 + w)).sum())


def _twins(targets: Sequence[Target]) -> list[bool]:
    seen: dict[tuple[int, int, tuple[int, ...], bytes], int] = {}
    keys = [(m.y0, m.x0, m.bits.shape, m.bits.tobytes()) for m in (t.mask for t in targets)]
    for key in keys:
        seen[key] = seen.get(key, 0) + 1
    return [seen[key] > 1 and bool(key[3]) for key in keys]


def _parts(mask: Mask) -> int:
    """The number of 8-connected parts."""
    if mask.bits.size == 0:  # OpenCV 5.0 crashes on an empty picture
        return 0
    return int(cv2.connectedComponents(mask.bits.astype(np.uint8), connectivity=8)[0]) - 1


def _at_border(mask: Mask) -> bool:
    if mask.box is None:
        return False
    x0, y0, x1, y1 = mask.box
    return x0 == 0 or y0 == 0 or x1 == mask.width - 1 or y1 == mask.height - 1
