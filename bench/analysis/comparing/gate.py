"""A condition on a comparison that a pipeline can hang on: ``delta_miou>-0.2``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from bench.analysis.comparing.comparison import Comparison
from bench.analysis.stats import images_needed
from bench.analysis.table import overall
from bench.analysis.words import points
from bench.types import BenchError

Outcome = Literal["holds", "fails", "undecided"]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_METRICS = {"delta_miou": ("delta", "low", "high"), "win_rate": ("win_rate", "win_low", "win_high")}
_GATE = re.compile(rf"({'|'.join(_METRICS)})\s*(>=|<=|>|<)\s*([-−+]?\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Gate:
    """``metric`` (``delta_miou`` or ``win_rate``), ``sign`` and ``limit`` in points (×100)."""

    metric: str
    sign: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> Gate:
        """The gate of such words; raises ``BenchError`` for others.

        >>> Gate.parse("delta_miou > -0.2")
        Gate(metric='delta_miou', sign='>', limit=-0.2)
        """
        found = _GATE.fullmatch(text.strip())
        if found is None:
            raise BenchError(
                f"a gate is {' or '.join(_METRICS)}, one of {' '.join(_COMPARE)}, and a number of "
                f"points, such as 'delta_miou>-0.2'; found {text!r}"
            )
        return cls(found[1], found[2], float(found[3].replace("−", "-")))

    def judge(self, low: float | None, high: float | None) -> Outcome:
        """Whether the whole interval, in [-1, 1], is on the right side, or on the wrong one.

        Without an interval nothing is decided.

        >>> Gate("delta_miou", ">", -0.2).judge(-0.001, 0.004)
        'holds'
        """
        if low is None or high is None or pd.isna(low) or pd.isna(high):
            return "undecided"
        compare, limit = _COMPARE[self.sign], self.limit / 100
        sides = {bool(compare(low, limit)), bool(compare(high, limit))}
        return "undecided" if len(sides) > 1 else "holds" if sides == {True} else "fails"


def judged(found: Comparison, gate: Gate) -> Iterator[tuple[Outcome, str]]:
    """The outcome and its sentence for each prompt label, on the mean where there are datasets."""
    value, low, high = _METRICS[gate.metric]
    for label, lines in found.table.groupby("prompt", sort=False):
        line = overall(lines)
        outcome = gate.judge(line[low], line[high])
        show = found.leads.signed if gate.metric == "delta_miou" else points
        span = "" if pd.isna(line[low]) else f" ({show(line[low])} to {show(line[high])})"
        said = f"{found.a} against {found.b}, {label}: {gate.metric} is {show(line[value])}{span}"
        hint = _hint(found, gate, str(label)) if outcome == "undecided" else ""
        yield outcome, f"{said}, gate {gate.metric}{gate.sign}{gate.limit:g} {outcome}{hint}"


def _hint(found: Comparison, gate: Gate, label: str) -> str:
    """How many images would settle what is not decided, where there is a single dataset."""
    pairs = found.pairs[found.pairs["label"] == label]
    if gate.metric != "delta_miou" or pairs["dataset"].nunique() > 1:
        return ""
    name = found.leads.name
    delta = pairs[f"{name}_a"] - pairs[f"{name}_b"]
    effect = abs(float(delta.mean()) - gate.limit / 100)
    needed = images_needed(delta, pairs["image_id"], effect) if effect > 0 else None
    return "" if needed is None else f"; about {needed:,} images would settle it"
