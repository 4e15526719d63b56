"""What each choice of a protocol is worth: one at a time swapped for another protocol's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.section import Section
from bench.analysis.selection import select
from bench.analysis.stats import Interval, clustered_interval, paired_interval
from bench.config.component import Component
from bench.protocol import all_choices
from bench.store.runs import RunStore

_NOTE = (
    "Points of mIoU that A gains by taking over one choice of B, with a 95 % interval over images: "
    "of the paired difference where the same masks count, else (marked *) of the difference of the "
    "two means, both over the same draws of images. Sum: the single changes added up. What is "
    "left of B − A comes from choices acting together."
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


def worth(before: pd.DataFrame, after: pd.DataFrame, *, samples: int = 10_000) -> Interval:
    """The mIoU of ``after`` minus that of ``before``, with its interval over images.

    Both have ``image_id, mask_id, iou``, one row per mask. Paired where the masks are the same;
    else the two means are drawn together: an image's share in the difference, linearised, is its
    value in the bootstrap. ``n`` counts the masks of ``after``.
    """
    key = ["image_id", "mask_id"]
    left, right = (rows.set_index(key)["iou"].sort_index() for rows in (before, after))
    if left.index.equals(right.index):
        images = left.index.get_level_values("image_id")
        return paired_interval(right, left, list(images), samples=samples)
    images = left.index.union(right.index).get_level_values("image_id").unique()
    shares = sum(
        sign
        * (rows - rows.mean()).groupby(level="image_id").sum().reindex(images, fill_value=0.0)
        / len(rows)
        for sign, rows in ((1, right), (-1, left))
    )
    values = right.mean() - left.mean() + len(images) * np.asarray(shares, dtype=np.float64)
    found = clustered_interval(values, list(images), samples=samples)
    return replace(found, n=len(right))


def ablation(
    a: RunStore,
    b: RunStore,
    swapped: Mapping[str, tuple[Swap, RunStore]],
    *,
    allow_partial: bool = False,
    samples: int = 10_000,
) -> Iterator[Section]:
    """A table per reported step of one prompt's runs: of ``a``, of ``b``, and of every swap.

    Lines: ``choice`` ("sum" and "B − A" at the end), ``before, after, masks, delta, low, high``,
    IoUs in [0, 1], bounds null for one image and for the sum. Raises ``BenchError`` for what a
    report refuses.
    """
    runs = {
        name: select([store], allow_partial=allow_partial)
        for name, store in {"A": a, "B": b, **{c: s for c, (_, s) in swapped.items()}}.items()
    }
    rows = {name: run.rows for name, run in runs.items()}
    (model,), (dataset,) = (runs["A"].titles(kind).values() for kind in ("model", "dataset"))
    first = rows["A"].iloc[0]
    names = [str(rows[side]["protocol"].iloc[0]) for side in ("A", "B")]
    for label in rows["A"]["label"].unique():
        at = {name: found[found["label"] == label] for name, found in rows.items()}
        lines: list[dict[str, Any]] = []
        for choice, (swap, _) in swapped.items():
            found = worth(at["A"], at[choice], samples=samples)
            lines.append(_line(choice, swap.before, swap.after, found, at["A"], at[choice]))
        total = worth(at["A"], at["B"], samples=samples)
        added = sum(line["delta"] for line in lines)
        lines += [
            {"choice": "sum", "before": "", "after": "", "masks": None, "delta": added,
             "low": None, "high": None, "same_masks": True},
            _line("B − A", names[0], names[1], total, at["A"], at["B"]),
        ]  # fmt: skip
        means = [f"{100 * at[side]['iou'].mean():.2f}" for side in ("A", "B")]
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
        "choice": choice, "before": before, "after": after, "masks": found.n,
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
