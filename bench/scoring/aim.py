"""What predictions are held against, and what is counted of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from bench.scoring.bilinear import IndexArray
from bench.scoring.metrics import Metric
from bench.scoring.overlap import overlap
from bench.types import BoolArray, FloatArray, Mask

if TYPE_CHECKING:
    from bench.scoring.device.truths import Planes


NOBODY: Mapping[str, Mask] = MappingProxyType({})


class Aim:
    """What all predictions for one target are held against: ignored pixels are off in ``mask``.

    ``ignore`` is (H, W) bool or none; ``others`` are the masks that further annotators drew of the
    target, by their names. What a metric needs of the target is made once, and so is what a device
    needs, ``planes``.
    """

    def __init__(
        self, target: Mask, ignore: BoolArray | None = None, others: Mapping[str, Mask] = NOBODY
    ) -> None:
        self.mask = target if ignore is None else target.without(ignore)
        self._others = {
            name: mask if ignore is None else mask.without(ignore) for name, mask in others.items()
        }
        self.area = self.mask.area
        self.ignore = ignore
        self.planes: Planes | None = None
        self._ready: dict[str, Callable[[Mask], float | None]] = {}

    def values(self, prediction: Mask, metrics: Sequence[Metric]) -> dict[str, float | None]:
        """The metrics of a prediction whose ignored pixels are off, by name."""
        for metric in metrics:
            name = metric.measure.name
            if name not in self._ready:
                self._ready[name] = metric.against(self.mask)
        return {m.measure.name: self._ready[m.measure.name](prediction) for m in metrics}

    def other_ious(self, prediction: Mask) -> dict[str, float] | None:
        """The IoU of a prediction with what each other annotator drew; none where nobody did."""
        return {name: overlap(prediction, mask) for name, mask in self._others.items()} or None

    @cached_property
    def human_ious(self) -> dict[str, float] | None:
        """The same of the target itself: how well one annotator agrees with each other."""
        return self.other_ious(self.mask)


@dataclass(frozen=True, slots=True)
class RimCounts:
    """Pixels of a prediction's rim, of its target's, and of both."""

    prediction: int
    target: int
    shared: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One prompt's K candidates: pixels set and pixels shared with the target, each (K,) int64.

    ``mask`` is the ``selected`` one, ``mask_logits`` (h, w) float32 its logits on the grid, and
    ``predicted_ious`` (K,) float32 what the model says of them. ``fault`` says what of the answer
    is no number, and nothing else counts then (``bench.scoring.finite``). What a device counts and
    a CPU leaves to be asked of the mask: the ``rims`` that metrics ask for, in their order, and the
    mask's COCO counts string ``rle``. ``candidates`` are all K masks where they are kept.
    """

    areas: IndexArray
    shared: IndexArray
    predicted_ious: FloatArray
    selected: int
    mask: Mask
    mask_logits: FloatArray
    fault: str = ""
    rims: Sequence[RimCounts] | None = None
    rle: str | None = None
    candidates: Sequence[Mask] | None = None
