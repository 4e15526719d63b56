"""What each reason costs, in points of mIoU: of one run, and between two models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.comparing.comparison import Comparison
from bench.analysis.reasons import REASONS, Codes
from bench.analysis.section import Section
from bench.analysis.selection import Selection
from bench.analysis.stats import Averages, averages, mean_averages, paired_averages
from bench.analysis.stats.intervals import FEWEST, Interval
from bench.analysis.table import Table, bounds
from bench.analysis.wording.titles import labels_of
from bench.analysis.wording.words import (
    DASH,
    MARK,
    few_said,
    interval_said,
    points,
    signed,
    with_bounds,
)

_SAID = "; ".join(f"{reason.title}: {reason.rule}" for reason in REASONS)
NOTE = (
    "Why masks are not better, from their rows alone: each has the first reason that holds of "
    f"these. {_SAID}. A reason costs the points of mIoU that its masks lack, so that all of them "
    "add up to 100 − mIoU"
)
ALL = "all"
"""The line of all reasons together."""

MOST_DOWN = 4
"""Of so many models at prompts each reason has a row; of more, so that a screen holds it, a column.
"""


def reasons_section(selection: Selection, table: Table, codes: Codes) -> Iterator[Section]:
    """What each reason costs after the first and the last reported step of each run.

    ``codes`` are those of ``bench.analysis.reasons``. Its lines: ``dataset, model, protocol,
    prompt`` (the label), ``reason, masks, share`` (of the masks), ``iou`` (their mean, over masks),
    ``cost, cost_low, cost_high`` in [0, 1], taken over images where the protocol does, ``few``,
    ``images``, and the ``clusters`` that the reason's masks lie in, of which an interval takes
    three; the line of the reason ``all`` has their sum. It shows a row a reason or, of more than
    ``MOST_DOWN`` models at prompts, a column.
    """
    if not selection.of_masks or not selection.leads.is_iou:
        return
    rows = selection.rows.assign(code=codes)
    order = {label: i for i, label in enumerate(selection.labels)}
    ends = {
        (run, label)
        for run, own in labels_of(selection.headers).items()
        for label in ((own[min(own)], own[max(own)]) if own else ())
    }
    keys = ["dataset", "label", "model", "protocol"]
    groups = sorted(
        rows.groupby(keys, observed=True),
        key=lambda item: (str(item[0][0]), order[str(item[0][1])], *map(str, item[0][2:])),
    )
    lines: list[dict[str, Any]] = []
    for (dataset, label, model, protocol), found in groups:
        run = str(found["run"].iloc[0])
        if (run, str(label)) in ends or not any(run == each for each, _ in ends):
            named = {"dataset": str(dataset), "model": str(model), "protocol": str(protocol)}
            over_images = selection.over_images(found)
            lines += (named | {"prompt": str(label)} | line for line in _lines(found, over_images))
    if not lines:
        return
    frame = pd.DataFrame(lines)
    left = ["dataset", "prompt", "model"]
    left += ["protocol"] if frame["protocol"].nunique() > 1 else []
    across = len(frame[left].drop_duplicates()) > MOST_DOWN
    heads, shown = (_across if across else _down)(lines, left, table)
    note = f"{NOTE}."
    if across:
        note += (
            " The cells are these points; their intervals and the numbers of masks: reasons.csv."
        )
    else:
        note = f"{NOTE}, {interval_said(frame, 'cost_low')}.{few_said(frame, 'cost_low')}"
    names = len(left) + (not across)
    note += _unknown(selection)
    yield Section("reasons", "Why", note, heads, shown, frame, names=names, printed=False)


_Texts = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]
"""Heads and rows."""

_TITLES = {reason.name: reason.title for reason in REASONS} | {ALL: ALL}


def _names(line: Mapping[str, Any], left: Sequence[str], table: Table) -> tuple[str, ...]:
    titles = {"dataset": table.datasets, "model": table.models}
    return tuple(titles[n][line[n]] if n in titles else line[n] for n in left)


def _down(lines: Sequence[Mapping[str, Any]], left: Sequence[str], table: Table) -> _Texts:
    """A row a reason, with what is known of it."""
    rows = []
    for line in lines:
        low, high = points(line["cost_low"]), points(line["cost_high"])
        cost = with_bounds(points(line["cost"]), low, high, line["few"])
        counts = f"{line['masks']:,}", points(line["share"]), points(line["iou"])
        rows.append((*_names(line, left, table), _TITLES[line["reason"]], cost, *counts))
    heads = (*left, "reason", "cost in points", "masks", "% of masks", "their mIoU")
    return heads, tuple(rows)


def _across(lines: Sequence[Mapping[str, Any]], left: Sequence[str], table: Table) -> _Texts:
    """A row a model at a prompt, with a column for what each reason costs there."""
    costs: dict[tuple[str, ...], dict[str, str]] = {}
    for line in lines:
        of_model = costs.setdefault(_names(line, left, table), {})
        of_model[line["reason"]] = points(line["cost"])
    there = [name for name in _TITLES if any(name in own for own in costs.values())]
    rows = tuple(
        (*names, *(own.get(reason, DASH) for reason in there)) for names, own in costs.items()
    )
    return (*left, *(_TITLES[reason] for reason in there)), rows


def _lines(rows: pd.DataFrame, over_images: bool) -> Iterator[dict[str, Any]]:
    lack = 1 - rows["iou"].to_numpy(np.float64)
    codes, clusters = rows["code"].to_numpy(), rows["cluster"]
    parts = [(r.name, codes == place) for place, r in enumerate(REASONS)]
    for name, own in [*parts, (ALL, np.ones(len(rows), dtype=bool))]:
        if own.any():
            cost = averages(np.where(own, lack, 0.0), rows["image_id"], clusters).of(over_images)
            among = clusters[own].nunique()
            known = bounds("cost", cost)
            if among < FEWEST:
                known |= {"cost_low": None, "cost_high": None}
            yield {
                "reason": name,
                "masks": int(own.sum()),
                "share": float(own.mean()),
                "iou": float(1 - lack[own].mean()),
                **known,
                "few": cost.few,
                "images": rows["image_id"].nunique(),
                "clusters": among,
            }


def _unknown(selection: Selection) -> str:
    """What to say of runs whose answers are not kept."""
    lacking = [
        run
        for run in selection.stores
        if selection.every.of(run, ["mask_rle"])["mask_rle"].isna().any()
    ]
    if not lacking:
        return ""
    return (
        f" {', '.join(lacking)} kept no masks, or not all: of those it is unknown where the answer "
        "lies, and only the other reasons are asked."
    )


def compared_reasons(
    found: Comparison, codes: Sequence[Codes], number: int = 0
) -> Iterator[Section]:
    """What each reason costs either side on the common masks, and the difference.

    ``codes`` are those of the rows of either side. Its lines: ``prompt, dataset`` (null for the
    mean over datasets), ``reason, masks_a, masks_b, cost_a, cost_b, delta, low, high, few, images``
    and ``clusters`` as in ``reasons_section``; costs and differences are in [0, 1], and a
    difference below 0 says that the first side loses less.
    """
    if not found.leads.is_iou or not found.sides[0].of_masks:
        return
    pairs = _with_codes(found, codes)
    lines: list[dict[str, Any]] = []
    codes_of = ["code_a", "code_b"]
    for label, of_label in pairs.groupby("label", sort=False, observed=True):
        names = [r.name for i, r in enumerate(REASONS) if (of_label[codes_of] == i).any(axis=None)]
        datasets = [(str(name), own) for name, own in of_label.groupby("dataset", observed=True)]
        for reason in (*names, ALL):
            each = [(name, own, *_paired(own, reason)) for name, own in datasets]
            own_lines = [_compared(own, line, delta, found.over_images) | {"dataset": name}
                         for name, own, line, delta in each]  # fmt: skip
            if len(own_lines) > 1:
                own_lines.append(_mean(own_lines, [delta for *_, delta in each], found.over_images))
            lines += ({"prompt": str(label), "reason": reason} | line for line in own_lines)
    frame = pd.DataFrame(lines)
    order = {name: i for i, name in enumerate(dict.fromkeys(frame["dataset"]))}
    frame = frame.assign(at=frame["dataset"].map(order).fillna(len(order)))
    labels = {name: i for i, name in enumerate(dict.fromkeys(frame["prompt"]))}
    frame = frame.assign(of=frame["prompt"].map(labels))
    frame = frame.sort_values(["of", "at"], kind="stable", ignore_index=True)
    first = ["prompt", "dataset", "reason"]
    frame = frame[[*first, *frame.columns.drop([*first, "of", "at"])]]
    titles = {reason.name: reason.title for reason in REASONS} | {ALL: ALL}
    shown = [
        (
            line["prompt"],
            "mean over datasets" if pd.isna(line["dataset"]) else found.datasets[line["dataset"]],
            titles[line["reason"]],
            f"{points(line['cost_a'])} ({line['masks_a']:,})",
            f"{points(line['cost_b'])} ({line['masks_b']:,})",
            _difference(line),
        )
        for line in frame.to_dict("records")
    ]
    heads = ("prompt", "dataset", "reason", f"{found.a} loses", f"{found.b} loses", "difference")
    note = (
        f"{NOTE}; behind, how many masks have it. On the masks that both have, the difference "
        f"{interval_said(frame, 'low')}; below 0 {found.a} loses less.{few_said(frame, 'low')}"
    )
    name = "reasons" if number == 0 else f"reasons_{number + 1}"
    title = f"Why {found.a} and {found.b} differ"
    yield Section(name, title, note, heads, tuple(shown), frame, names=3)


def _with_codes(found: Comparison, codes: Sequence[Codes]) -> pd.DataFrame:
    key, pairs = ["label", "dataset", "image_id", "mask_id"], found.pairs
    for side, own, suffix in zip(found.sides, codes, "ab", strict=True):
        told = side.rows[key].astype(str).assign(**{f"code_{suffix}": own})
        pairs = pairs.astype(dict.fromkeys(key, str)).merge(told, on=key, validate="one_to_one")
    return pairs


def _paired(rows: pd.DataFrame, reason: str) -> tuple[dict[str, Any], Averages]:
    """The costs of a reason on both sides, and their difference."""
    line: dict[str, Any] = {}
    costs = []
    for side in "ab":
        place = next((i for i, each in enumerate(REASONS) if each.name == reason), None)
        own = (
            rows[f"code_{side}"].to_numpy() == place
            if place is not None
            else np.ones(len(rows), bool)
        )
        costs.append(np.where(own, 1 - rows[f"iou_{side}"].to_numpy(np.float64), 0.0))
        line[f"masks_{side}"] = int(own.sum())
        line[f"own_{side}"] = own
        line[f"costs_{side}"] = costs[-1]
    return line, paired_averages(costs[0], costs[1], rows["image_id"], rows["cluster"])


def _compared(
    rows: pd.DataFrame, line: dict[str, Any], delta: Averages, over_images: bool
) -> dict[str, Any]:
    chosen = delta.of(over_images)
    means = {
        f"cost_{side}": float(
            line[f"costs_{side}"].mean()
            if not over_images
            else pd.Series(line[f"costs_{side}"]).groupby(rows["image_id"].to_numpy()).mean().mean()
        )
        for side in "ab"
    }
    counts = {name: line[name] for name in ("masks_a", "masks_b")}
    among = rows.loc[line["own_a"] | line["own_b"], "cluster"].nunique()
    return counts | means | _bounded(chosen, rows["image_id"].nunique(), among)


def _bounded(chosen: Interval, images: int, clusters: int) -> dict[str, Any]:
    told = clusters >= FEWEST
    return {
        "delta": chosen.mean,
        "low": chosen.low if told else None,
        "high": chosen.high if told else None,
        "few": chosen.few,
        "images": images,
        "clusters": clusters,
    }


def _mean(
    lines: Sequence[dict[str, Any]], deltas: Sequence[Averages], over_images: bool
) -> dict[str, Any]:
    chosen = mean_averages(deltas).of(over_images)
    return {
        "dataset": None,
        **{f"masks_{side}": sum(line[f"masks_{side}"] for line in lines) for side in "ab"},
        **{f"cost_{s}": float(np.mean([line[f"cost_{s}"] for line in lines])) for s in "ab"},
    } | _bounded(chosen, *(sum(line[name] for line in lines) for name in ("images", "clusters")))


def _difference(line: dict[Any, Any]) -> str:
    if pd.isna(line["low"]):
        return signed(line["delta"]) if pd.notna(line["delta"]) else DASH
    ends = f"{signed(line['low'])} to {signed(line['high'])}"
    return f"{signed(line['delta'])} ({ends}){MARK * bool(line['few'])}"
