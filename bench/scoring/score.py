"""Predictions against targets at the image's own resolution: IoU of each candidate, and metrics.

Which candidate counts, and from which logit on a pixel is in a mask, is ``bench.protocol``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.protocol import Protocol
from bench.scoring import measuring
from bench.scoring.aim import Aim, Measured
from bench.scoring.device.truths import RimWidth
from bench.scoring.finite import fault
from bench.scoring.metrics import Metric
from bench.scoring.overlap import overlap
from bench.types import Candidates, FloatArray, Mask, Prediction, Prompt
from bench.types.categories import union

__all__ = ["Aim", "Score", "score"]


@dataclass(frozen=True, slots=True)
class Score:
    """What one prompt's K candidates are worth.

    ``ious`` is (K,) float64 in [0, 1]; ``predicted_ious`` (K,) float32; ``mask`` is the candidate
    ``selected`` by the protocol, ``metrics`` its own by name, and ``mask_logits`` its (h, w)
    float32 logits on the model's grid. Where the model gave no mask at all, K is 0, ``selected``
    and ``mask_logits`` are none, and ``mask`` is empty. An answer that holds NaN or infinity is
    worth nothing that could be counted: ``fault`` says what is in it. ``rle`` is the mask's COCO
    counts string where a device has written it. ``candidates`` are all K masks where they were
    asked for.
    """

    ious: npt.NDArray[np.float64]
    predicted_ious: FloatArray
    selected: int | None
    mask: Mask
    mask_logits: FloatArray | None
    metrics: Mapping[str, float | None]
    fault: str = ""
    rle: str | None = None
    candidates: Sequence[Mask] | None = None

    @property
    def iou(self) -> float:
        """The selected candidate's IoU; 0 without any."""
        return 0.0 if self.selected is None else float(self.ious[self.selected])

    @property
    def iou_oracle(self) -> float:
        """The best candidate's IoU; 0 without any."""
        return float(self.ious.max(initial=0.0))


def score(
    prediction: Prediction,
    aims: Sequence[Aim],
    protocol: Protocol,
    metrics: Sequence[Metric] = (),
    each: Callable[..., Iterable[Any]] = map,
    prompts: Sequence[Prompt] = (),
    keep: bool = False,
) -> list[Score]:
    """Scores prompt i of the prediction against aim i, ignored pixels off in both.

    ``metrics`` are those of the selected masks, beside the IoU of every candidate. ``prompts`` are
    what was asked, if that matters: of words alone the candidates are instances, of which the
    protocol takes the best or all (``Protocol.text``).

    Logits are brought to the image's resolution and cut at the protocol's threshold,
    strictly above it being foreground. ``each`` does what is left to the host for every prompt;
    another ``map`` may do so in threads. ``keep`` keeps the masks of all candidates.
    """
    scores: dict[int, Score] = {}
    finds = [i for i, prompt in enumerate(prompts) if protocol.finds_instances(prompt)]
    found = [i for i in finds if len(prediction.logits[i])]
    judge = partial(_instances, prediction, aims, protocol, metrics, keep)
    scores |= zip(found, each(judge, found), strict=True)
    rest = sorted(set(range(len(aims))) - set(finds))
    others = _taken(prediction, rest) if finds else prediction
    for places, part in others.alike():
        numbers = [rest[place] for place in places]
        some = [aims[number] for number in numbers]
        scores |= zip(numbers, _alike(part, some, protocol, metrics, each, keep), strict=True)
    return [scores.get(n) or _nothing(aim, metrics, keep) for n, aim in enumerate(aims)]


def score_together(
    predictions: Sequence[Prediction],
    aims: Sequence[Aim],
    protocol: Protocol,
    metrics: Sequence[Metric] = (),
    each: Callable[..., Iterable[Any]] = map,
    prompts: Sequence[Prompt] = (),
    keep: bool = False,
) -> list[Score]:
    """The same of several predictions, one behind the other, whose prompts follow the aims' order.

    Away from a CPU they are one batch: a host asks for as much, however many prompts there are.
    """
    places = {grids.device for one in predictions for grids in one.logits[:1]}
    if len(predictions) > 1 and not all(map(measuring.straight, places)):
        predictions = [
            Prediction(
                [grids for one in predictions for grids in one.logits],
                [estimates for one in predictions for estimates in one.predicted_iou],
                [frame for one in predictions for frame in one.frames],
            )
        ]
    scores: list[Score] = []
    for one in predictions:
        own = slice(len(scores), len(scores) + len(one.frames))
        scores += score(one, aims[own], protocol, metrics, each, prompts[own], keep)
    return scores


def _alike(
    prediction: Candidates,
    aims: Sequence[Aim],
    protocol: Protocol,
    metrics: Sequence[Metric],
    each: Callable[..., Iterable[Any]],
    keep: bool,
) -> Iterable[Score]:
    """The scores of prompts whose candidates lie on grids of one size."""
    rims = list(dict.fromkeys(metric.rim for metric in metrics if metric.rim is not None))
    measure = measuring.measure_each if keep else measuring.measure
    found = measure(prediction, aims, protocol.threshold, protocol.selects, rims)
    scored = partial(_score, metrics=metrics, rims=rims)
    counted = all(metric.of_counts is not None for metric in metrics)
    if counted and not measuring.straight(prediction.logits.device):
        each = map  # nothing is left that would be worth a thread
    return each(scored, found, aims)


def _taken(prediction: Prediction, numbers: Sequence[int]) -> Prediction:
    """The answers to some of the prompts, in their order."""
    return Prediction(
        [prediction.logits[i] for i in numbers],
        [prediction.predicted_iou[i] for i in numbers],
        [prediction.frames[i] for i in numbers],
    )


def _instances(
    prediction: Prediction,
    aims: Sequence[Aim],
    protocol: Protocol,
    metrics: Sequence[Metric],
    keep: bool,
    number: int,
) -> Score:
    """The score of a prompt whose candidates are instances, each of them measured by itself.

    They stand in the order of their IoU, the best first and selected, equal ones as the model gave
    them; or, joined, as the one mask that they are together, of which the model says nothing.
    """
    aim = aims[number]
    grids, estimates = prediction.logits[number], prediction.predicted_iou[number]
    count = len(grids)
    alone = Candidates(grids, estimates, [1] * count, [prediction.frames[number]] * count)
    found = list(measuring.measure(alone, [aim] * count, protocol.threshold, protocol.selects, []))
    if any(one.fault for one in found):
        return replace(_nothing(aim, ()), fault=fault(grids, estimates))
    if protocol.joins_instances():
        mask = union(one.mask for one in found)
        iou = np.array([overlap(mask, aim.mask)])
        nobody = np.zeros(0, np.float32)
        values = aim.values(mask, metrics)
        return Score(iou, nobody, 0, mask, None, values, candidates=[mask] if keep else None)
    each = [_score(one, aim, (), ()) for one in found]
    ious = np.array([one.iou for one in each])
    order = np.argsort(-ious, kind="stable")
    best = each[order[0]]
    predicted = np.array([one.predicted_ious[0] for one in each], np.float32)[order]
    values = aim.values(best.mask, metrics)
    return Score(
        ious[order],
        predicted,
        0,
        best.mask,
        best.mask_logits,
        values,
        rle=best.rle,
        candidates=[each[place].mask for place in order] if keep else None,
    )


def _nothing(aim: Aim, metrics: Sequence[Metric], keep: bool = False) -> Score:
    """What it is worth that a model finds no mask."""
    empty = Mask.empty(*aim.mask.shape)
    none = np.zeros(0)
    values = aim.values(empty, metrics)
    estimates = none.astype(np.float32)
    return Score(none, estimates, None, empty, None, values, candidates=[] if keep else None)


def _score(found: Measured, aim: Aim, metrics: Sequence[Metric], rims: Sequence[RimWidth]) -> Score:
    if found.fault:
        return replace(_nothing(aim, ()), fault=found.fault)
    either = found.areas + aim.area - found.shared
    return Score(
        ious=found.shared / np.maximum(either, 1),
        predicted_ious=found.predicted_ious,
        selected=found.selected,
        mask=found.mask,
        mask_logits=found.mask_logits,
        metrics=_values(found, aim, metrics, rims),
        rle=found.rle,
        candidates=found.candidates,
    )


def _values(
    found: Measured, aim: Aim, metrics: Sequence[Metric], rims: Sequence[RimWidth]
) -> dict[str, float | None]:
    """The metrics by name: of what a device has counted, or of the mask."""
    if found.rims is None:
        return aim.values(found.mask, metrics)
    values: dict[str, float | None] = {}
    for metric in metrics:
        if metric.of_counts is None:
            values |= aim.values(found.mask, [metric])
        elif metric.rim is None:
            area, shared = found.areas[found.selected], found.shared[found.selected]
            values[metric.name] = metric.counted(int(area), aim.area, int(shared))
        else:
            rim = found.rims[rims.index(metric.rim)]
            values[metric.name] = metric.counted(rim.prediction, rim.target, rim.shared)
    return values
