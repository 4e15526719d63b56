"""All targets of a category in an image as one, for what is asked of a category and not of a mask.

Such a target is nobody's annotation: it is made anew of an image's targets wherever it is needed,
and is known by its id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from bench.types.mask import Mask
from bench.types.values import Sample, Target


def category_of(target: Target) -> str | None:
    """What the target is called, without blanks around it; none where that is nothing."""
    return (target.category or "").strip() or None


def joined(image_id: str, targets: Sequence[Target]) -> dict[str, Target]:
    """By category, all pixels of an image's targets of it, as one target, in the targets' order.

    Crowds are among them. Its id is ``IMAGE_ID/all of CATEGORY``.
    """
    masks: dict[str, list[Mask]] = {}
    for target in targets:
        if (category := category_of(target)) is not None:
            masks.setdefault(category, []).append(target.mask)
    return {
        category: Target(f"{image_id}/all of {category}", union(some), category)
        for category, some in masks.items()
    }


def target_of(sample: Sample, mask_id: str) -> Target | None:
    """The image's target of that id, or all of a category as one; none where there is neither."""
    found = next((target for target in sample.targets if target.mask_id == mask_id), None)
    if found is not None:
        return found
    every = joined(sample.image_id, sample.targets).values()
    return next((target for target in every if target.mask_id == mask_id), None)


def union(masks: Iterable[Mask]) -> Mask:
    """The pixels that are in any of the masks, at least one, all of one (H, W)."""
    first, *others = masks
    if not others:
        return first
    boxes = np.array([mask.box for mask in (first, *others) if mask.box is not None])
    if not len(boxes):
        return first
    (x0, y0), (x1, y1) = boxes[:, :2].min(axis=0).tolist(), (boxes[:, 2:].max(axis=0) + 1).tolist()
    bits = np.zeros((y1 - y0, x1 - x0), dtype=bool)
    for mask in (first, *others):
        bits |= mask.crop(y0, x0, y1, x1)
    return Mask.from_crop(bits, y0, x0, *first.shape)
