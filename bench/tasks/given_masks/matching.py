"""Which of the masks that another tool gave answers which target of an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bench.data.formats.spellings import Known
from bench.protocol import chosen
from bench.scoring.metrics.iou import iou
from bench.scoring.overlap import shared_pixels
from bench.tasks.given_masks.predictions import Given
from bench.types import BenchError, Mask, Target
from bench.types.categories import category_of, joined, union

MISSED = 0.1
"""The IoU below which a mask is taken to mean something else than its target."""

FITS = 0.5
"""The IoU from which a mask is taken to mean a target."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A target's prediction, decoded; ``made_of`` so many given masks."""

    mask: Mask
    score: float | None
    where: str
    made_of: int = 1


Match: TypeAlias = Callable[[Sequence[Given], Sequence[Target]], dict[str, Answer]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to find the answers: ``of(given, targets)`` gives them by ``mask_id``.

    ``fits`` says that a mask is chosen for how well it fits, so that only targets that count may be
    among those that it is chosen for; ``how`` says so in captions, ``called`` in tables.
    ``categories`` says that it goes by the categories of masks and targets, ``whole`` that all
    targets of a category are one.
    """

    of: Match
    called: str = "given masks"
    how: str = ""
    fits: bool = False
    categories: bool = False
    whole: bool = False


def match(rule: str, given: Sequence[Given], targets: Sequence[Target]) -> dict[str, Answer]:
    """The answers by ``mask_id``; a target that nothing answers is left out.

    Raises ``BenchError`` for an unknown rule, a prediction of another size or that can't be
    decoded, one that names no target of the image, and two for one target.
    """
    return chosen(RULES, rule, "matching").of(given, targets)


def aimed_at(
    rule: Rule, image_id: str, targets: Sequence[Target], counted: Sequence[Target]
) -> Sequence[Target]:
    """What a rule finds answers for, of all targets of an image and those of them that count."""
    if not rule.whole:
        return counted
    categories = {category_of(target) for target in counted}
    return [each for name, each in joined(image_id, targets).items() if name in categories]


def by_id(given: Sequence[Given], targets: Sequence[Target]) -> dict[str, Answer]:
    """The prediction that bears the target's ``mask_id``."""
    known = {target.mask_id: target for target in targets}
    spelled, found = Known(known), dict[str, Answer]()
    for one in given:
        if not one.names:
            own = " ('id' is the entry's own number)" if one.own_number else ""
            raise BenchError(
                f"{one.where}: no 'mask_id' says which target it answers{own}; write the target's "
                "id there, or choose --match best"
            )
        mask_id = next((name for name in map(spelled.meant, one.names) if name is not None), None)
        if mask_id is None:
            raise BenchError(f"{one.where}: no target {one.names[0]!r} in this image")
        _add(found, mask_id, one, known)
    return found


def by_index(given: Sequence[Given], targets: Sequence[Target]) -> dict[str, Answer]:
    """The v-th value of a label map for the v-th target of its image, from 1."""
    known = {target.mask_id: target for target in targets}
    found: dict[str, Answer] = {}
    for one in given:
        if one.place is None:
            raise BenchError(f"{one.where}: only label maps count their masks (--match index)")
        if not 1 <= one.place <= len(targets):
            raise BenchError(f"{one.where}: the image has {len(targets)} targets")
        _add(found, targets[one.place - 1].mask_id, one, known)
    return found


def best(given: Sequence[Given], targets: Sequence[Target]) -> dict[str, Answer]:
    """For each target the prediction of highest IoU, the first of equals: oracle matching.

    A prediction may answer several targets; one that shares no pixel answers none.
    """
    return _nearest(given, targets, iou)


def largest_overlap(given: Sequence[Given], targets: Sequence[Target]) -> dict[str, Answer]:
    """For each target the prediction that shares most pixels with it, the first of equals.

    So two objects that a network has run together are both answered by what they became. What
    covers the whole picture answers all.
    """
    return _nearest(given, targets, shared_pixels)


def same_category(given: Sequence[Given], targets: Sequence[Target]) -> dict[str, Answer]:
    """For each target the prediction of its own category of highest IoU, the first of equals."""
    found: dict[str, Answer] = {}
    for category, some in _by_category(targets).items():
        found |= _nearest([one for one in given if _named(one) == category], some, iou)
    return found


def whole_category(given: Sequence[Given], targets: Sequence[Target]) -> dict[str, Answer]:
    """For each target, which is all of a category, all predictions of that category as one."""
    found: dict[str, Answer] = {}
    for category, some in _by_category(targets).items():
        own = [one for one in given if _named(one) == category]
        for target in some if own else ():
            mask = union(_decoded(one, target) for one in own)
            found[target.mask_id] = Answer(mask, None, own[0].where, len(own))
    return found


def crossed(
    ious: Mapping[str, float], answers: Mapping[str, Answer], targets: Sequence[Target]
) -> int:
    """How many targets are missed by what answers them, though another's answer fits.

    ``ious`` are the targets' own, by ``mask_id``, 0 where nothing answers. ``MISSED`` and ``FITS``
    are the bounds: what lies between may be a poor mask, this is a mask in the wrong place.
    """
    missed = [target for target in targets if ious[target.mask_id] < MISSED]
    others = [answer.mask for answer in answers.values()] if missed else []
    return sum(any(iou(mask, target.mask) >= FITS for mask in others) for target in missed)


RULES: Mapping[str, Rule] = {
    "id": Rule(by_id),
    "index": Rule(by_index),
    "best": Rule(
        best,
        "given masks, best match",
        "each target is scored by the given mask that overlaps it most (oracle matching)",
        fits=True,
    ),
    "largest_overlap": Rule(
        largest_overlap,
        "given masks, largest overlap",
        "each target is scored by the given mask that shares most pixels with it",
        fits=True,
    ),
    "same_category": Rule(
        same_category,
        "given masks, best match of the category",
        "each target is scored by the given mask of its own category that overlaps it most (oracle "
        "matching within a category)",
        fits=True,
        categories=True,
    ),
    "whole_category": Rule(
        whole_category,
        "given masks, whole category",
        "all targets of a category in an image are one, scored by all that is given of it",
        fits=True,
        categories=True,
        whole=True,
    ),
}


def _nearest(
    given: Sequence[Given], targets: Sequence[Target], near: Callable[[Mask, Mask], float]
) -> dict[str, Answer]:
    """For each target the nearest prediction, the first of equals, if it is near at all."""
    if not targets:
        return {}
    masks = [_decoded(one, targets[0]) for one in given]
    found: dict[str, Answer] = {}
    for target in targets:
        values = [near(mask, target.mask) for mask in masks]
        top = max(values, default=0.0)
        if top > 0:
            index = values.index(top)
            found[target.mask_id] = Answer(masks[index], given[index].score, given[index].where)
    return found


def _named(one: Given) -> str | None:
    return (one.category or "").strip() or None


def _by_category(targets: Sequence[Target]) -> dict[str, list[Target]]:
    """The targets that have a category, by it."""
    found: dict[str, list[Target]] = {}
    for target in targets:
        if (category := category_of(target)) is not None:
            found.setdefault(category, []).append(target)
    return found


def _add(found: dict[str, Answer], mask_id: str, one: Given, targets: Mapping[str, Target]) -> None:
    if mask_id in found:
        raise BenchError(
            f"{one.where}: target {mask_id} is answered twice, also by {found[mask_id].where}"
        )
    found[mask_id] = Answer(_decoded(one, targets[mask_id]), one.score, one.where)


def _decoded(one: Given, target: Target) -> Mask:
    try:
        return one.mask(*target.mask.shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise BenchError(f"{one.where}: {error}") from error
