"""How many pixels two masks share, and what share of others that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from bench.types import BoolArray, Mask, Sample, Target


def shared_pixels(a: Mask, b: Mask) -> int:
    """The number of pixels set in both; raises ``ValueError`` for masks of two sizes."""
    check_sizes(a, b)
    return shared_in_part(a.bits, a.y0, a.x0, b)


def shared_in_part(bits: BoolArray, y0: int, x0: int, mask: Mask) -> int:
    """The number of pixels set in the mask and in (h, w) bits at row y0, column x0 of its image."""
    (h, w), (high, wide) = bits.shape, mask.bits.shape
    top, left = max(y0, mask.y0), max(x0, mask.x0)
    bottom, right = min(y0 + h, mask.y0 + high), min(x0 + w, mask.x0 + wide)
    if top >= bottom or left >= right:
        return 0
    ours = bits[top - y0 : bottom - y0, left - x0 : right - x0]
    theirs = mask.bits[top - mask.y0 : bottom - mask.y0, left - mask.x0 : right - mask.x0]
    return int(np.count_nonzero(ours & theirs))


def check_sizes(a: Mask, b: Mask) -> None:
    """Raises ``ValueError`` for masks of two images' sizes, which cannot be compared."""
    if a.shape != b.shape:
        raise ValueError(f"masks of {a.shape} and {b.shape} (H, W) cannot be compared")


def overlap(a: Mask, b: Mask) -> float:
    """The shared pixels over those set in either, in [0, 1]; 0 for two empty masks."""
    return overlap_of_counts(a.area, b.area, shared_pixels(a, b))


def overlap_of_counts(a: int, b: int, shared: int) -> float:
    """The same of two masks of so many pixels, and so many in both."""
    return ratio(shared, a + b - shared)


def ratio(part: int, whole: int) -> float:
    """A part of a whole; 0 where there is no whole.

    >>> ratio(1, 4), ratio(0, 0)
    (0.25, 0.0)
    """
    return part / whole if whole else 0.0


def overlaps(
    found: Sequence[str], targets: Sequence[Target], sample: Sample
) -> npt.NDArray[np.float64]:
    """The IoU (D, G) of masks and targets; with a crowd, the share of the mask that lies in it.

    Masks are given as COCO's run lengths. Pixels that count in no score are off in both.
    """
    if not found or not targets:
        return np.zeros((len(found), len(targets)))
    size = list(sample.shape)
    given: list[Any] = [{"size": size, "counts": counts.encode()} for counts in found]
    masks = [target.mask for target in targets]
    if (ignore := sample.ignore) is not None:
        masks = [mask.without(ignore) for mask in masks]
        outside = coco_mask.encode(np.asfortranarray(~ignore, dtype=np.uint8))
        given = [coco_mask.merge([each, outside], intersect=True) for each in given]
    sought: list[Any] = [{"size": size, "counts": mask.to_rle().encode()} for mask in masks]
    return np.asarray(coco_mask.iou(given, sought, [target.crowd for target in targets]))
