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
from bench.scoring.finite import fault
from bench.scoring.measuring import Measured, measure
from bench.scoring.metrics import Metric
from bench.scoring.overlap import overlap
from bench.types import BoolArray, Candidates, FloatArray, Mask, Prediction, Prompt
from bench.types.categories import union


class Aim:
    """What all predictions for one target are held against: ignored pixels are off in ``mask``.

    ``ignore`` is (H, W) bool or none. What a metric needs of the target is made once.
    """

    def __init__(self, target: Mask, ignore: BoolArray | None = None) -> None:
        self.mask = target if ignore is None else target.without(ignore)
        self.ignore = ignore
        self._ready: dict[str, Callable[[Mask], float | None]] = {}

    def values(self, prediction: Mask, metrics: Sequence[Metric]) -> dict[str, float | None]:
        """The metrics of a prediction whose ignored pixels are off, by name."""
        for metric in metrics:
            name = metric.measure.name
            if name not in self._ready:
                self._ready[name] = metric.against(self.mask)
        return {m.measure.name: self._ready[m.measure.name](prediction) for m in metrics}


@dataclass(frozen=True, slots=True)
class Score:
    """What one prompt's K candidates are worth.

    ``ious`` is (K,) float64 in [0, 1]; ``predicted_ious`` (K,) float32; ``mask`` is the candidate
    ``selected`` by the protocol, ``metrics`` its own by name, and ``mask_logits`` its (h, w)
    float32 logits on the model's grid. Where the model gave no mask at all, K is 0, ``selected``
    and ``mask_logits`` are none, and ``mask`` is empty. An answer that holds NaN or infinity is
    worth nothing that could be counted: ``fault`` says what is in it.
    """

    ious: npt.NDArray[np.float64]
    predicted_ious: FloatArray
    selected: int | None
    mask: Mask
    mask_logits: FloatArray | None
    metrics: Mapping[str, float | None]
    fault: str = ""

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
) -> list[Score]:
    """Scores prompt i of the prediction against aim i, ignored pixels off in both.

    ``metrics`` are those of the selected masks, beside the IoU of every candidate. ``prompts`` are
    what was asked, if that matters: of words alone the candidates are instances, of which the
    protocol takes the best or all (``Protocol.text``).

    Logits are brought to the image's resolution and cut at the protocol's threshold,
    strictly above it being foreground. ``each`` does what is left to the host for every prompt;
    another ``map`` may do so in threads.
    """
    scores: dict[int, Score] = {}
    finds = [i for i, prompt in enumerate(prompts) if protocol.finds_instances(prompt)]
    found = [i for i in finds if len(prediction.logits[i])]
    judge = partial(_instances, prediction, aims, protocol, metrics)
    scores |= zip(found, each(judge, found), strict=True)
    rest = sorted(set(range(len(aims))) - set(finds))
    others = _taken(prediction, rest) if finds else prediction
    for places, part in others.alike():
        numbers = [rest[place] for place in places]
        some = [aims[number] for number in numbers]
        scores |= zip(numbers, _alike(part, some, protocol, metrics, each), strict=True)
    return [scores.get(n) or _nothing(aim, metrics) for n, aim in enumerate(aims)]


def _alike(
    prediction: Candidates,
    aims: Sequence[Aim],
    protocol: Protocol,
    metrics: Sequence[Metric],
    each: Callable[..., Iterable[Any]],
) -> Iterable[Score]:
    """The scores of prompts that have as many candidates, on grids of one size."""
    targets, ignores = [aim.mask for aim in aims], [aim.ignore for aim in aims]
    found = measure(prediction, targets, ignores, protocol.threshold, protocol.selects)
    return each(partial(_score, metrics=metrics), found, aims)


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
    number: int,
) -> Score:
    """The score of a prompt whose candidates are instances, each of them measured by itself.

    They stand in the order of their IoU, the best first and selected, equal ones as the model gave
    them; or, joined, as the one mask that they are together, of which the model says nothing.
    """
    aim = aims[number]
    grids, estimates = prediction.logits[number], prediction.predicted_iou[number]
    count = len(grids)
    alone = Candidates(grids[:, None], estimates[:, None], [prediction.frames[number]] * count)
    found = list(
        measure(
            alone, [aim.mask] * count, [aim.ignore] * count, protocol.threshold, protocol.selects
        )
    )
    if any(one.fault for one in found):
        return replace(_nothing(aim, ()), fault=fault(grids, estimates))
    if protocol.joins_instances():
        mask = union(one.mask for one in found)
        iou = np.array([overlap(mask, aim.mask)])
        nobody = np.zeros(0, np.float32)
        return Score(iou, nobody, 0, mask, None, aim.values(mask, metrics))
    each = [_score(one, aim, ()) for one in found]
    ious = np.array([one.iou for one in each])
    order = np.argsort(-ious, kind="stable")
    best = each[order[0]]
    predicted = np.array([one.predicted_ious[0] for one in each], np.float32)[order]
    values = aim.values(best.mask, metrics)
    return Score(ious[order], predicted, 0, best.mask, best.mask_logits, values)


def _nothing(aim: Aim, metrics: Sequence[Metric]) -> Score:
    """What it is worth that a model finds no mask."""
    empty = Mask.empty(*aim.mask.shape)
    none = np.zeros(0)
    values = aim.values(empty, metrics)
    return Score(none, none.astype(np.float32), None, empty, None, values)


def _score(found: Measured, aim: Aim, metrics: Sequence[Metric]) -> Score:
    if found.fault:
        return replace(_nothing(aim, ()), fault=found.fault)
    either = found.areas + aim.mask.area - found.shared
    return Score(
        ious=found.shared / np.maximum(either, 1),
        predicted_ious=found.predicted_ious,
        selected=found.selected,
        mask=found.mask,
        mask_logits=found.mask_logits,
        metrics=aim.values(found.mask, metrics),
    )
