"""A condition on a comparison that a pipeline can hang on: ``delta_miou>-0.2``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from bench.analysis.comparing.comparison import Comparison, Pair
from bench.analysis.section import Section
from bench.analysis.stats import Averages, clusters_needed
from bench.analysis.stats.intervals import Interval
from bench.analysis.wording.words import points
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

    def __str__(self) -> str:
        return f"{self.metric}{self.sign}{self.limit:g}"

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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate says of one number of a comparison.

    ``a`` and ``b`` are the sides, ``prompt`` the label, ``dataset`` a name, or none for the mean
    over several; ``sentence`` says all of it with the number and its interval.
    """

    outcome: Outcome
    sentence: str
    a: str
    b: str
    prompt: str
    dataset: str | None

    def plain(self) -> dict[str, str | None]:
        """As a report's JSON holds it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A gate and all its verdicts; it holds where each of them does."""

    gate: Gate
    verdicts: tuple[Verdict, ...]

    @property
    def holds(self) -> bool:
        """Whether a pipeline may go on."""
        return all(verdict.outcome == "holds" for verdict in self.verdicts)

    def plain(self) -> dict[str, Any]:
        """As a report's JSON holds it."""
        verdicts = [verdict.plain() for verdict in self.verdicts]
        return {"condition": str(self.gate), "holds": self.holds, "verdicts": verdicts}

    def section(self) -> Section:
        """The verdicts as a table of the report."""
        heads = ("prompt", "dataset", "outcome", "why")
        rows = tuple(
            (each.prompt, each.dataset or "mean over datasets", each.outcome, each.sentence)
            for each in self.verdicts
        )
        said = "holds" if self.holds else "does not hold"
        note = (
            "A gate holds where each verdict does: where the whole 95 % intervals, over masks and "
            "over images, lie on the right side of the limit. Undecided is no yes."
        )
        frame = pd.DataFrame([each.plain() for each in self.verdicts])
        return Section("gate", f"Gate {self.gate}: {said}", note, heads, rows, frame, names=4)


def judged(found: Comparison, gate: Gate, *, each: bool = False) -> Iterator[Verdict]:
    """The verdict on each prompt label: on the mean, where there are several datasets.

    With ``each`` also on each of those datasets by itself: a mean may hide the one that got worse.
    """
    for label, lines in found.table.groupby("prompt", sort=False):
        names = [str(name) for name in lines["dataset"] if not pd.isna(name)]
        if len(names) < len(lines):
            yield _verdict(found, gate, str(label), None)
        if len(names) == len(lines) or each:
            for name in names:
                yield _verdict(found, gate, str(label), name)


def _verdict(found: Comparison, gate: Gate, label: str, dataset: str | None) -> Verdict:
    show = found.leads.signed if gate.metric == "delta_miou" else points
    pair = found.found[label, dataset or ""]
    number = _METRICS[gate.metric](pair)
    outcome = gate.judge(number)
    first, second = number.of(found.over_images), number.of(not found.over_images)
    several = len(set(found.table["dataset"].dropna())) > 1
    where = f" on {found.datasets[dataset]}" if several and dataset is not None else ""
    said = f"{found.a} against {found.b}{where}, {label}: {gate.metric} is {_shown(first, show)}"
    if first.low is not None and outcome != gate.holds(first.low, first.high):
        over = "masks" if found.over_images else "images"
        said += f" and, over {over}, {_shown(second, show)}"
    hint = _hint(pair.delta, gate, dataset is not None) if outcome == "undecided" else ""
    sentence = f"{said}, gate {gate} {outcome}{hint}"
    return Verdict(outcome, sentence, found.a, found.b, label, dataset)


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
