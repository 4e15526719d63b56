"""A condition on a comparison that a pipeline can hang on: ``delta_miou>-0.2``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bench.analysis.comparing.comparison import Comparison, Pair
from bench.analysis.stats import Averages, clusters_needed
from bench.analysis.stats.intervals import Interval
from bench.analysis.words import points
from bench.types import BenchError

Outcome = Literal["holds", "fails", "undecided"]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_METRICS: Mapping[str, Callable[[Pair], Averages]] = {
    "delta_miou": lambda pair: pair.delta, "win_rate": lambda pair: pair.wins,
}  # fmt: skip
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

    def judge(self, found: Averages) -> Outcome:
        """Whether the whole intervals are on the right side, or on the wrong one.

        Both, over masks and over images. Without them, and with fewer than 6 clusters, nothing is
        decided, but where all images say exactly the same: then that is what is judged, as when
        both sides have the same masks.
        """
        if not found.masks.enough:
            return "undecided"
        both = (found.masks, found.images)
        outcomes = {
            self.holds(each.mean, each.mean) if each.exact else self.holds(each.low, each.high)
            for each in both
        }
        return outcomes.pop() if len(outcomes) == 1 else "undecided"

    def holds(self, low: float | None, high: float | None) -> Outcome:
        """Where an interval, in [-1, 1], lies; undecided where there is none.

        >>> Gate("delta_miou", ">", -0.2).holds(-0.001, 0.004)
        'holds'
        """
        if low is None or high is None:
            return "undecided"
        compare, limit = _COMPARE[self.sign], self.limit / 100
        sides = {compare(low, limit), compare(high, limit)}
        return "undecided" if len(sides) > 1 else "holds" if sides == {True} else "fails"


def judged(found: Comparison, gate: Gate) -> Iterator[tuple[Outcome, str]]:
    """The outcome and its sentence for each prompt label, on the mean where there are datasets."""
    show = found.leads.signed if gate.metric == "delta_miou" else points
    for label, lines in found.table.groupby("prompt", sort=False):
        dataset = "" if len(lines) > 1 else str(lines["dataset"].iloc[0])
        pair = found.found[str(label), dataset]
        number = _METRICS[gate.metric](pair)
        outcome = gate.judge(number)
        first, second = number.of(found.over_images), number.of(not found.over_images)
        said = f"{found.a} against {found.b}, {label}: {gate.metric} is {_shown(first, show)}"
        if first.low is not None and outcome != gate.holds(first.low, first.high):
            over = "masks" if found.over_images else "images"
            said += f" and, over {over}, {_shown(second, show)}"
        hint = _hint(pair.delta, gate, bool(dataset)) if outcome == "undecided" else ""
        yield outcome, f"{said}, gate {gate.metric}{gate.sign}{gate.limit:g} {outcome}{hint}"


def _shown(found: Interval, show: Callable[[float], str]) -> str:
    if found.low is None or found.high is None:
        return show(found.mean)
    return f"{show(found.mean)} ({show(found.low)} to {show(found.high)})"


def _hint(found: Averages, gate: Gate, single: bool) -> str:
    """How many images would settle what is not decided, where there is a single dataset."""
    if gate.metric != "delta_miou" or not single:
        return ""
    effect = min(abs(each.mean - gate.limit / 100) for each in (found.masks, found.images))
    needed = clusters_needed(found, effect) if effect > 0 else None
    if needed is None or needed <= found.masks.clusters:
        return ""
    what = "images" if found.masks.clusters == found.images.n else "clusters of images"
    return f"; about {needed:,} {what} would settle it"
