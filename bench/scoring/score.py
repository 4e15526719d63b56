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
from bench.scoring.measuring import Measured, measure
from bench.scoring.metrics import Metric
from bench.types import BoolArray, Candidates, FloatArray, Mask, Prediction


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
) -> list[Score]:
    """Scores prompt i of the prediction against aim i, ignored pixels off in both.

    ``metrics`` are those of the selected masks, beside the IoU of every candidate.

    Logits are brought to the image's resolution and cut at the protocol's threshold,
    strictly above it being foreground. ``each`` does what is left to the host for every prompt;
    another ``map`` may do so in threads.
    """
    scores: dict[int, Score] = {}
    for numbers, part in prediction.alike():
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


def _nothing(aim: Aim, metrics: Sequence[Metric]) -> Score:
    """What it is worth that a model finds no mask."""
    empty = Mask.empty(*aim.mask.shape)
    none = np.zeros(0)
    values = aim.values(empty, metrics)
    return Score(none, none.astype(np.float32), None, empty, None, values)


def _score(found: Measured, aim: Aim, metrics: Sequence[Metric]) -> Score:
    if found.fault:
        return replace(_nothing(aim, ()), fault=found.fault)
    union = found.areas + aim.mask.area - found.shared
    return Score(
        ious=found.shared / np.maximum(union, 1),
        predicted_ious=found.predicted_ious,
        selected=found.selected,
        mask=found.mask,
        mask_logits=found.mask_logits,
        metrics=aim.values(found.mask, metrics),
    )
