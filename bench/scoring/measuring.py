"""The masks of many prompts measured against their targets: pixels set and shared, and one mask.

On a CPU a mask after the other, as it is asked for. Elsewhere all together
(``bench.scoring.device.batch``), and then rims and strings too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar

import numpy as np
import torch

from bench.scoring.aim import Aim, Measured
from bench.scoring.device.batch import on_device
from bench.scoring.device.truths import RimWidth
from bench.scoring.finite import fault
from bench.scoring.foreground import bounds_of, check_products, parts
from bench.scoring.overlap import shared_in_part
from bench.types import Candidates, FloatArray, Frame, Mask

T = TypeVar("T")


def straight(device: torch.device) -> bool:
    """Whether masks are measured one after the other there: a CPU gains nothing by batches."""
    return device.type == "cpu"


def measure(
    prediction: Candidates,
    aims: Sequence[Aim],
    threshold: float,
    selects: Callable[[FloatArray], int],
    rims: Sequence[RimWidth] = (),
) -> Iterable[Measured]:
    """Measures prompt i's candidates against aim i, ignored pixels off in the candidates.

    ``selects`` gives the candidate whose mask is wanted, of (K,) predicted IoUs; ``rims`` are those
    that a device counts as well. Raises ``BenchError`` where the device's products are less exact
    than float32.
    """
    prediction = replace(
        prediction,
        logits=prediction.logits.float(),
        predicted_iou=prediction.predicted_iou.float(),
    )
    check_products(prediction.logits.device)
    if straight(prediction.logits.device):
        each = zip(prediction.each(), aims, strict=True)
        return (_on_cpu(*one, aim, threshold, selects) for one, aim in each)
    return on_device(prediction, aims, threshold, selects, rims)


def measure_each(
    prediction: Candidates,
    aims: Sequence[Aim],
    threshold: float,
    selects: Callable[[FloatArray], int],
    rims: Sequence[RimWidth] = (),
) -> Iterator[Measured]:
    """What ``measure`` gives, with the masks of all candidates: each is measured as if alone."""
    counts = prediction.counts

    def repeated(ones: Sequence[T]) -> list[T]:
        return [one for one, count in zip(ones, counts, strict=True) for _ in range(count)]

    alone = replace(prediction, counts=[1] * sum(counts), frames=repeated(prediction.frames))
    each = iter(measure(alone, repeated(aims), threshold, lambda estimates: 0, rims))
    for count, (grids, estimates, _) in zip(counts, prediction.each(), strict=True):
        found = list(islice(each, count))
        predicted = np.concatenate([one.predicted_ious for one in found])
        selected = selects(predicted)
        yield replace(
            found[selected],
            areas=np.concatenate([one.areas for one in found]),
            shared=np.concatenate([one.shared for one in found]),
            predicted_ious=predicted,
            selected=selected,
            fault=fault(grids, estimates) if any(one.fault for one in found) else "",
            candidates=[one.mask for one in found],
        )


def _on_cpu(
    grids: torch.Tensor,
    estimates: torch.Tensor,
    frame: Frame,
    aim: Aim,
    threshold: float,
    selects: Callable[[FloatArray], int],
) -> Measured:
    predicted: FloatArray = estimates.numpy()
    selected = selects(predicted)
    counts, mask = np.zeros((2, len(grids)), np.int64), Mask.empty(*frame.image)
    bounds = bounds_of(grids, threshold)
    sound = np.isfinite(bounds.low).all() and np.isfinite(predicted).all()
    found = parts(grids, bounds, frame, threshold) if sound else ()
    for k, (bits, y0, x0) in enumerate(found):
        if aim.ignore is not None:
            bits &= ~aim.ignore[y0 : y0 + bits.shape[0], x0 : x0 + bits.shape[1]]
        counts[:, k] = np.count_nonzero(bits), shared_in_part(bits, y0, x0, aim.mask)
        if k == selected:
            mask = Mask.from_crop(bits, y0, x0, *frame.image)
    logits = grids[selected].numpy().copy()  # a view would keep the whole batch
    wrong = "" if sound else fault(grids, estimates)
    return Measured(counts[0], counts[1], predicted, selected, mask, logits, wrong)
