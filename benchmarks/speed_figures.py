"""What ``benchmarks/run.py`` found of each case, and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from row_comparison import Difference
from row_comparison import table as comparison_table

PHASES = ("read", "wait", "embed", "prompt", "predict", "score", "write")

_MOST_PREDICTED = 1e-6
"""What a predicted IoU may move by: the loop uses torch's threads, which sum in another order."""


@dataclass(slots=True)
class Figures:
    """What came out; seconds of wall time, memory in MiB above that before the phase."""

    case: str
    images: int = 0
    masks: int = 0
    answers: int = 0
    loop: list[float] = field(default_factory=list)
    bench: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    memory_loop: float = 0.0
    memory_bench: float = 0.0
    differing_rows: int = 0
    largest_predicted: float = 0.0
    moved: list[Difference] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether bench and loop don't say the same."""
        return self.differing_rows > 0 or self.largest_predicted > _MOST_PREDICTED

    @property
    def ratio(self) -> float:
        """How many times as fast as the loop the bench is."""
        return sum(self.loop) / sum(self.bench)

    @property
    def outside(self) -> float:
        """The share of the bench's time in which the bare calls would not have been computing."""
        return max(0.0, 1 - 1 / self.over_floor)

    @property
    def over_floor(self) -> float:
        """The bench's time over that of the bare calls."""
        return sum(self.bench) / sum(self.floor)


def table(found: Sequence[Figures]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| case | images | masks | answers | loop s | bench s | ratio | bench masks/s | floor s "
        "| bench / floor | outside the model | memory loop, bench MiB | rows that differ "
        "| largest Δ predicted IoU |",
        "|---" + "|--:" * 13 + "|",
    ]
    for one in found:
        turns = len(one.bench)
        loop, bench, floor = (sum(each) / turns for each in (one.loop, one.bench, one.floor))
        lines.append(
            f"| {one.case} | {one.images} | {one.masks} | {one.answers} | {loop:.2f} | {bench:.2f} "
            f"| {one.ratio:.2f} | {one.masks / bench:.1f} | {floor:.2f} | {one.over_floor:.2f} "
            f"| {one.outside:.0%} | {one.memory_loop:.0f}, {one.memory_bench:.0f} "
            f"| {one.differing_rows} | {one.largest_predicted:.0e} |"
        )
    for one in found:
        if one.differing_rows:
            lines += ["", f"{one.case}, bench against loop:", "", comparison_table(one.moved)]
    lines += ["", "| case | " + " | ".join(PHASES) + " |", "|---|" + "--:|" * len(PHASES)]
    for one in found:
        seconds = (one.phases[phase] / len(one.bench) for phase in PHASES)
        lines.append(f"| {one.case} | " + " | ".join(f"{value:.2f}" for value in seconds) + " |")
    return "\n".join(lines) + "\n\nPhases: seconds summed over threads.\n"
