"""The masks that two models differ most on, as pairs of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.comparing.comparison import Comparison
from bench.report.pictures.gallery import (
    Key,
    Picture,
    Row,
    pictures,
    unavailable,
    whole_rows,
)
from bench.store.runs import RunStore
from bench.types import BenchError, Sample

PAIRS_SHOWN = 8
"""How many pairs of pictures a prompt label shows on either side."""


@dataclass(frozen=True, slots=True)
class PicturePair:
    """One mask under both models."""

    a: Picture
    b: Picture


@dataclass(frozen=True, slots=True)
class PairGroup:
    """The masks on which one side is ahead most, under one prompt label."""

    label: str
    title: str
    names: tuple[str, str]
    pairs: tuple[PicturePair, ...]
    notes: tuple[str, ...]


def differing(
    found: Comparison, read_sample: Callable[[RunStore, str], Sample], count: int = PAIRS_SHOWN
) -> Iterator[PairGroup]:
    """The masks on which A is ahead most, and those on which B is, per prompt label.

    At most ``count`` each, one of an image as long as there are images, largest gap first.
    """
    for label, pairs in found.pairs.groupby("label", sort=False):
        gap = pairs["iou_a"] - pairs["iou_b"]
        for title, ordered in (
            (f"{found.a} is ahead of {found.b}", pairs.assign(gap=gap)),
            (f"{found.b} is ahead of {found.a}", pairs.assign(gap=-gap)),
        ):
            ahead = ordered[ordered["gap"] > 0].sort_values(
                ["gap", "image_id", "mask_id"], ascending=[False, True, True]
            )
            again = ahead.groupby(["dataset", "image_id"]).cumcount()
            chosen = ahead.loc[again.sort_values(kind="stable").index[:count]]
            yield _drawn(found, str(label), title, chosen, read_sample)


def _drawn(
    found: Comparison,
    label: str,
    title: str,
    chosen: pd.DataFrame,
    read_sample: Callable[[RunStore, str], Sample],
) -> PairGroup:
    rows: list[dict[Key, Row]] = []  # by side: runs of one name may lie in different folders
    for side, selection in zip("ab", found.sides, strict=True):
        named = chosen.rename(columns={f"run_{side}": "run", f"step_{side}": "step"})
        parts = named.groupby("run", observed=True)
        rows.append({})
        for run, part in parts:
            rows[-1] |= whole_rows(selection, str(run), part)
    drawn: dict[Any, tuple[Picture, ...] | str] = {}
    keys = ["run_a", "run_b", "image_id"]
    for (run_a, run_b, image_id), part in chosen.groupby(keys, observed=True):
        stores = found.sides[0].stores[str(run_a)], found.sides[1].stores[str(run_b)]
        try:
            samples = [read_sample(store, str(image_id)) for store in stores]
        except BenchError as error:
            drawn |= dict.fromkeys(part.index, unavailable(error))
            continue
        for index, row in part.iterrows():
            mask_id = str(row["mask_id"])
            steps = int(row["step_a"]), int(row["step_b"])
            both = [
                rows[0][str(run_a), str(image_id), mask_id, steps[0]],
                rows[1][str(run_b), str(image_id), mask_id, steps[1]],
            ]
            drawn[index] = pictures(samples, both)
    ordered = [drawn[index] for index in chosen.sort_values("gap", ascending=False).index]
    return PairGroup(
        label,
        title,
        (found.a, found.b),
        tuple(PicturePair(*both) for both in ordered if not isinstance(both, str)),
        tuple(dict.fromkeys(said for said in ordered if isinstance(said, str))),
    )
