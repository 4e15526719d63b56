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
import pkgutil
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import ModuleType
from typing import TypeAlias

from bench.types import BenchError, Mask
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
    prediction, what is needed of the target being made once.

    Raises ``ValueError`` for a name that is no identifier.
    """

    measure: Measure
    of: Function
    version: str = "1"
    ready: Callable[[Mask], Callable[[Mask], float | None]] | None = None

    def __post_init__(self) -> None:
        for name in (self.measure.name, self.measure.mean):
            if not name.isidentifier() or keyword.iskeyword(name):
                raise ValueError(f"a metric's column must be a plain name, found {name!r}")

    @property
    def name(self) -> str:
        """The column's name."""
        return self.measure.name

    def against(self, target: Mask) -> Callable[[Mask], float | None]:
        """The metric of any prediction for one target."""
        if self.ready is not None:
            return self.ready(target)
        return lambda prediction: self.of(prediction, target)


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
    module, an address where no ``Metric`` is, and a user's metric with a column of this shelf.

    >>> metric("nsd_3").measure.title
    'NSD@3'
    """
    if "." in name:
        return _own(name, allow_modules)
    found = _on_shelf(name)
    if found is None:
        known = names()
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise BenchError(f"unknown metric {name!r}; {hint}there are: {', '.join(known)}")
    return found


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
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError, SyntaxError) as error:
        raise BenchError(f"no metric {address!r} ({error})") from error
    if not isinstance(found, Metric):
        raise BenchError(
            f"{address!r} is no metric: expected a bench.scoring.metrics.Metric, "
            f"found a {type(found).__name__}"
        )
    if _on_shelf(found.name) is not None:
        raise BenchError(
            f"metric {address!r} has the column {found.name!r}, which is a metric of the bench's; "
            "give its measure another name"
        )
    return found


def _stems() -> list[str]:
    return [each.name for each in pkgutil.iter_modules(__path__) if not each.name.startswith("_")]


def _module(stem: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{stem}")
