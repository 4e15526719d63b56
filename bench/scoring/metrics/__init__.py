"""Metrics of a mask and its target, a file each: what lies here is offered by name.

A file holds ``METRIC``, under the name of its column::

    METRIC = Metric(Measure("dice", "dice", "Dice", definition="…, published where"), dice)

or a family that differs in one number, ``def member(number: int) -> Metric`` and ``DEFAULT: int``:
``nsd.py`` gives ``nsd_2``, ``nsd_3`` and so on. Files whose name starts with an underscore are
none. What several metrics share lies beside this folder, in ``bench.scoring``.
"""

from __future__ import annotations

import importlib
import keyword
import math
import pkgutil
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from bench.config.component import load_module
from bench.scoring.overlap import shared_pixels
from bench.types import BenchError, Mask
from bench.types.errors import did_you_mean, told
from bench.types.measure import Measure

Function: TypeAlias = Callable[[Mask, Mask], float | None]
"""A prediction and its target, both of the same (H, W), to a number; none where it has none."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a prediction and its target: what it is called and how it is computed.

    ``measure`` names the column and its mean (both valid identifiers), and says the unit, which
    way is better, what is measured and where that was published. ``of(prediction, target)`` takes
    two masks of one (H, W), ignored pixels off in both, and gives the number in its plain unit
    (shares in [0, 1], not in per cent), or none where the metric doesn't apply to the two; it
    raises ``ValueError`` for masks of two sizes. ``version`` is raised whenever a correction
    changes numbers. ``ready(target)``, where there is one, gives the same as a function of the
    prediction, what is needed of the target being made once. ``of_counts``, where there is one,
    gives the same number of whole numbers: the pixels of the prediction, of the target and of
    both, or of their inner rims where ``rim`` says how wide those are in an (H, W) image. A
    device counts them, and the mask itself isn't looked at.

    Raises ``ValueError`` for a name that is no identifier, and what is no measure or function.
    """

    measure: Measure
    of: Function
    version: str = "1"
    ready: Callable[[Mask], Callable[[Mask], float | None]] | None = None
    of_counts: Callable[[int, int, int], float | None] | None = None
    rim: Callable[[tuple[int, int]], int] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.measure, Measure) or not callable(self.of):
            raise ValueError("a metric is a Measure and a function of two masks")
        for name in (self.measure.name, self.measure.mean):
            if not str(name).isidentifier() or keyword.iskeyword(name):
                raise ValueError(f"a metric's column must be a plain name, found {name!r}")

    @property
    def name(self) -> str:
        """The column's name."""
        return self.measure.name

    def against(self, target: Mask) -> Callable[[Mask], float | None]:
        """The metric of any prediction for one target.

        Raises ``BenchError``, as the function that it gives does, where the metric's own code
        raises anything, or gives what is neither a finite number nor none.
        """
        ready = None if self.ready is None else self._called(self.ready, target)

        def value(prediction: Mask) -> float | None:
            if ready is None:
                return self._number(self._called(self.of, prediction, target))
            return self._number(self._called(ready, prediction))

        return value

    def counted(self, prediction: int, target: int, shared: int) -> float | None:
        """The metric of so many pixels, see ``of_counts``; raises as ``against`` does."""
        assert self.of_counts is not None
        return self._number(self._called(self.of_counts, prediction, target, shared))

    def _called(self, function: Callable[..., Any], *given: Any) -> Any:
        try:
            return function(*given)
        except Exception as error:
            raise BenchError(f"metric {self.measure.origin}: {told(error)}") from error

    def _number(self, value: Any) -> float | None:
        if value is None:
            return None
        is_number = isinstance(value, Real | np.bool_)
        number: float = self._called(float, value) if is_number else math.nan
        if not math.isfinite(number):
            raise BenchError(
                f"metric {self.measure.origin}: expected a finite number, or none where it "
                f"doesn't apply, found {number if is_number else f'a {type(value).__name__}'}"
            )
        return number


def names() -> list[str]:
    """The metrics on this shelf, sorted; of a family its default member."""
    found = []
    for stem in _stems():
        module = _module(stem)
        family = hasattr(module, "member")
        found.append(f"{stem}_{module.DEFAULT}" if family else stem)
    return sorted(found)


def metric(name: str, allow_modules: Sequence[str] = ()) -> Metric:
    """The metric of a name.

    ``name`` is one on this shelf (``dice``), a family's with its number (``nsd_3``), or the address
    of a user's own, ``package.module.NAME``, whose module must lie within ``allow_modules``;
    nothing is imported before that is sure. ``allow_modules`` must come from the user's own words,
    never from a file.

    Raises ``BenchError`` for an unknown name, a number that the family doesn't have, another
    module, an address where no ``Metric`` is, and a user's metric that is called as one of this
    shelf, or that can't be computed of two masks.

    >>> metric("nsd_3").measure.title
    'NSD@3'
    """
    address = "." in name and all(part.isidentifier() for part in name.split("."))
    found = _own(name, allow_modules) if address else _on_shelf(name)
    if found is None:
        raise BenchError(f"unknown metric {name!r}; {did_you_mean(name, names())}")
    named = replace(found.measure, address=name, version=str(found.version))
    opened = replace(found, measure=named)
    if address:
        _try(opened)
    return opened


def chosen(
    names: Sequence[str],
    allow_modules: Sequence[str] = (),
    *,
    taken: Collection[str] = (),
    beside: Sequence[Measure] = (),
) -> tuple[Metric, ...]:
    """The metrics of some names, each once.

    ``taken`` are columns that rows and tables have for something else, ``beside`` what the rows
    measure whatever is asked for: a metric of this shelf that is one of these is left out. Raises
    ``BenchError`` as ``metric`` does, and for two metrics, or one and what is taken or beside,
    that share a column, the name of a mean, or a title.
    """
    found: dict[str, Metric] = {}
    held = {measure.name for measure in beside}
    for name in dict.fromkeys(names):
        each = metric(name, allow_modules)
        if each.name in held and _on_shelf(name) is not None:
            continue
        others = [*beside, *(other.measure for other in found.values())]
        for what, called in _CALLED.items():
            theirs = {word for other in others for word in called(other)}
            theirs |= _HEADS if what == "title" else {*taken}
            if shared := called(each.measure) & theirs:
                raise BenchError(
                    f"metric {name!r} has the {what} {min(shared)!r}, which is another's already; "
                    "give its measure another"
                )
        found[each.name] = each
    return tuple(found.values())


_HEADS = frozenset({
    "dataset", "prompt", "model", "protocol", "metric", "masks", "images", "over images", "iou",
    "difference", "p",
})  # fmt: skip
"""What tables call columns of their own."""

_CALLED: Mapping[str, Callable[[Measure], set[str]]] = {
    "column": lambda measure: {measure.name},
    "name of its mean": lambda measure: {measure.mean, measure.count},
    "title": lambda measure: {measure.title.casefold()},
}
"""What tells measures apart: in rows, in tables' files, and for people."""


def _on_shelf(name: str) -> Metric | None:
    stems = _stems()
    if name in stems:
        single: Metric | None = getattr(_module(name), "METRIC", None)
        return single
    family = re.fullmatch(r"(\w+)_(0|[1-9][0-9]{0,8})", name)
    if family is None or family[1] not in stems or not hasattr(_module(family[1]), "member"):
        return None
    member: Metric = _module(family[1]).member(int(family[2]))
    return member


def _own(address: str, allow_modules: Sequence[str]) -> Metric:
    module, _, attribute = address.rpartition(".")
    if not any(module == root or module.startswith(f"{root}.") for root in allow_modules):
        raise BenchError(
            f"metric {address!r} lies outside the allowed modules "
            f"({', '.join(allow_modules) or 'none'}); if it is yours, allow it on the command "
            f"line: --allow-module {module}"
        )
    missing = f"no metric {address!r}"
    if (found := getattr(load_module(module, missing), attribute, None)) is None:
        raise BenchError(f"{missing} (module {module!r} has no {attribute!r})")
    if not isinstance(found, Metric):
        raise BenchError(
            f"{address!r} is no metric: expected a bench.scoring.metrics.Metric, "
            f"found a {type(found).__name__}"
        )
    measure = found.measure
    for what, called, known in (
        ("column", measure.name, _on_shelf(measure.name)),
        ("name of its mean", measure.mean, _on_shelf(measure.mean)),
        ("title", measure.title, _titled(measure.title)),
    ):
        if known is not None:
            raise BenchError(
                f"metric {address!r} has the {what} {called!r}, which is that of a metric of the "
                "bench's; give its measure another"
            )
    return found


def _titled(title: str) -> Metric | None:
    """The metric of this shelf that tables call so, a family's whatever its number."""
    known = {re.sub(r"\d+", "N", m.measure.title.casefold()): m for m in map(metric, names())}
    return known.get(re.sub(r"\d+", "N", title.casefold()))


def _try(own: Metric) -> None:
    """Computes a user's metric of two masks, so that a mistake in it is found before a run."""
    prediction, target = np.zeros((2, 48, 64), dtype=bool)
    prediction[10:34, 12:40] = target[14:40, 20:50] = True
    ours, theirs = Mask.from_dense(prediction), Mask.from_dense(target)
    value = own.against(theirs)(ours)
    if own.of_counts is None:
        return
    if own.rim is not None:
        from bench.scoring.rims import rim  # the command line starts without OpenCV

        width = own._called(own.rim, theirs.shape)
        ours, theirs = rim(ours, width), rim(theirs, width)
    counted = own.counted(ours.area, theirs.area, shared_pixels(ours, theirs))
    if counted != value:
        raise BenchError(
            f"metric {own.measure.origin}: of_counts gives {counted} where the function of two "
            f"masks gives {value}; make them agree, or leave of_counts out"
        )


def _stems() -> list[str]:
    return [each.name for each in pkgutil.iter_modules(__path__) if not each.name.startswith("_")]


def _module(stem: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{stem}")
