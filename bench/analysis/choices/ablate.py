"""What each choice of a protocol is worth: one at a time swapped for another protocol's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from bench.analysis.section import Section
from bench.analysis.selection import select
from bench.analysis.stats.intervals import Interval, gap_interval
from bench.analysis.table import mean_of
from bench.analysis.wording.words import INTERVAL
from bench.config.component import Component
from bench.protocol import all_choices
from bench.store.runs import RunStore

_NOTE = (
    f"Points of mIoU that A gains by taking over one choice of B, with a {INTERVAL}: each image is "
    "left out of both means at once; * marks where other masks count. Sum: the single changes "
    "added up. What is left of B − A comes from choices acting together."
)


@dataclass(frozen=True, slots=True)
class Swap:
    """One choice in which two protocols differ, and the first one with the second one's value."""

    choice: str
    before: str
    after: str
    protocol: Component


def swaps(a: Component, b: Component) -> list[Swap]:
    """Protocol ``a`` with each differing choice swapped for that of ``b``, in ``a``'s order.

    Such a protocol has a name and run keys of its own (``sam+crowd=include``); where nothing else
    differs it is ``b`` itself.
    """
    ours, theirs = all_choices(a.args), all_choices(b.args)
    differing = [choice for choice in ours if ours[choice] != theirs[choice]]
    return [
        Swap(choice, str(ours[choice]), str(theirs[choice]),
             b if len(differing) == 1 else _swapped(a, choice, theirs[choice]))
        for choice in differing
    ]  # fmt: skip


def _swapped(a: Component, choice: str, value: Any) -> Component:
    return replace(a, name=f"{a.name}+{choice}={value}", args=a.args | {choice: value}, about={})


def worth(
    before: pd.DataFrame, after: pd.DataFrame, over_images: tuple[bool, bool] = (False, False)
) -> Interval:
    """The mIoU of ``after`` minus that of ``before``, with its interval.

    Both have ``image_id, cluster, mask_id, iou``, one row per mask, the same masks or others of the
    same images. ``over_images`` says of either side whether its mean is that of images. ``n``
    counts the masks of ``after``, or its images.
    """
    sides = [
        rows.groupby("image_id").agg(iou=("iou", "mean"), cluster=("cluster", "first"))
        if over
        else rows
        for rows, over in zip((before, after), over_images, strict=True)
    ]
    old, new = sides
    return gap_interval(old["iou"], old["cluster"], new["iou"], new["cluster"])


def ablation(
    a: RunStore,
    b: RunStore,
    swapped: Mapping[str, tuple[Swap, RunStore]],
    *,
    allow_partial: bool = False,
) -> Iterator[Section]:
    """A table per reported step of one prompt's runs: of ``a``, of ``b``, and of every swap.

    Lines: ``choice`` ("sum" and "B − A" at the end), ``before, after, masks, delta, low, high``,
    IoUs in [0, 1], bounds null for fewer than three images and for the sum. Raises ``BenchError``
    for what a report refuses.
    """
    chosen = {
        name: select([store], allow_partial=allow_partial)
        for name, store in {"A": a, "B": b, **{c: s for c, (_, s) in swapped.items()}}.items()
    }
    rows = {name: each.rows for name, each in chosen.items()}
    over = {name: each.over_images(each.rows) for name, each in chosen.items()}
    (model,), (dataset,) = (chosen["A"].titles(kind).values() for kind in ("model", "dataset"))
    first = rows["A"].iloc[0]
    names = [str(rows[side]["protocol"].iloc[0]) for side in ("A", "B")]
    for label in rows["A"]["label"].unique():
        at = {name: found[found["label"] == label] for name, found in rows.items()}
        lines: list[dict[str, Any]] = []
        for choice, (swap, _) in swapped.items():
            found = worth(at["A"], at[choice], (over["A"], over[choice]))
            lines.append(_line(choice, swap.before, swap.after, found, at["A"], at[choice]))
        total = worth(at["A"], at["B"], (over["A"], over["B"]))
        added = sum(line["delta"] for line in lines)
        lines += [
            {"choice": "sum", "before": "", "after": "", "masks": None, "delta": added,
             "low": None, "high": None, "same_masks": True},
            _line("B − A", names[0], names[1], total, at["A"], at["B"]),
        ]  # fmt: skip
        means = [f"{100 * mean_of(at[side], 'iou', over[side]):.2f}" for side in ("A", "B")]
        yield Section(
            re.sub(r"\W+", "_", f"ablation {first['dataset']} {first['model']} {label}"),
            f"{model} on {dataset}, {label}: A {names[0]} {means[0]}, B {names[1]} {means[1]}",
            _NOTE,
            ("choice", "A", "B", "points of mIoU", "masks"),
            tuple(_cells(line) for line in lines),
            pd.DataFrame(lines),
            names=3,
        )


def _line(
    choice: str, before: str, after: str, found: Interval, a: pd.DataFrame, b: pd.DataFrame
) -> dict[str, Any]:
    key = ["image_id", "mask_id"]
    same = set(a[key].itertuples(index=False)) == set(b[key].itertuples(index=False))
    return {
        "choice": choice, "before": before, "after": after, "masks": len(b),
        "delta": found.mean, "low": found.low, "high": found.high, "same_masks": same,
    }  # fmt: skip


def _cells(line: Mapping[str, Any]) -> tuple[str, ...]:
    number = _signed(line["delta"])
    if line["low"] is not None:
        number += f" ({_signed(line['low'])} to {_signed(line['high'])})"
    masks = "" if line["masks"] is None else f"{line['masks']:,}{'' if line['same_masks'] else '*'}"
    return (line["choice"], line["before"], line["after"], number, masks)


def _signed(value: float) -> str:
    """In points with two decimals, as choices are often worth less than a tenth."""
    shown = f"{100 * value:+.2f}".replace("-", "−")
    return "0" if shown in ("+0.00", "−0.00") else shown
