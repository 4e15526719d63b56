"""Which of the masks that another tool gave answers which target of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.data.formats.spellings import Known
from bench.protocol import chosen
from bench.scoring.metrics.iou import iou
from bench.tasks.given_masks.predictions import Given
from bench.types import BenchError, Mask, Target

MISSED = 0.1
"""The IoU below which a mask is taken to mean something else than its target."""

FITS = 0.5
"""The IoU from which a mask is taken to mean a target."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A target's prediction, decoded."""

    mask: Mask
    score: float | None
    where: str


def match(rule: str, given: Sequence[Given], targets: Sequence[Target]) -> dict[str, Answer]:
    """The answers by ``mask_id``; a target that nothing answers is left out.

    Raises ``BenchError`` for an unknown rule, a prediction of another size or that can't be
    decoded, one that names no target of the image, and two for one target.
    """
    return chosen(RULES, rule, "matching")(given, targets)


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
    if not targets:
        return {}
    masks = [_decoded(one, targets[0]) for one in given]
    found: dict[str, Answer] = {}
    for target in targets:
        ious = [iou(mask, target.mask) for mask in masks]
        top = max(ious, default=0.0)
        if top > 0:
            index = ious.index(top)
            found[target.mask_id] = Answer(masks[index], given[index].score, given[index].where)
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


RULES = {"id": by_id, "index": by_index, "best": best}


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
