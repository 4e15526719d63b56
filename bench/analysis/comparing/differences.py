"""What a report says first: differences on the same masks, and the answer in a sentence or two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.analysis.selection import Selection
from bench.analysis.stats import (
    Float64Array,
    Interval,
    clustered_draws,
    draws_interval,
    mean_interval,
)
from bench.analysis.table import SERIES, Table, dataset_seed, oracle, overall
from bench.types import BenchError, Measure, Step

Series = tuple[str, str]
"""A model and a protocol."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: a series at a prompt label."""

    series: Series
    label: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Side ``a`` minus side ``b`` on the masks that both have.

    ``datasets`` has a row per dataset: ``dataset, masks, images, delta, low, high`` and
    ``oracle_delta`` (the oracle of ``a`` minus ``b``'s selected masks; null without an oracle).
    ``mean`` averages over the datasets. IoUs are in [0, 1]; ``left_out`` counts the masks that
    only one side has; ``same`` says that each mask has the same number on both sides.
    """

    a: Side
    b: Side
    datasets: pd.DataFrame
    mean: Interval
    left_out: int
    same: bool = False


def difference(
    selection: Selection, a: Side, b: Side, *, samples: int = 10_000, seed: int = 0
) -> Difference:
    """The paired difference per dataset with 95 % intervals from a bootstrap over images.

    Datasets that only one side has are left out. Raises ``BenchError`` where no mask is common.
    """
    left, right = _side(selection, a), _side(selection, b)
    value = selection.leads.name
    key = ["dataset", "image_id", "mask_id"]
    both = left.merge(right, on=key, suffixes=("_a", "_b"), validate="one_to_one")
    if both.empty:
        raise BenchError(f"{a.series[0]} with {a.label} and {b.series[0]} have no mask in common")
    lines: list[dict[str, object]] = []
    intervals: list[Interval] = []
    draws: list[Float64Array] = []
    for dataset, pairs in both.groupby("dataset"):
        delta = pairs[f"{value}_a"] - pairs[f"{value}_b"]
        chance = dataset_seed(seed, str(dataset))
        draws.append(clustered_draws(delta, pairs["image_id"], samples=samples, seed=chance))
        interval = draws_interval(delta, pairs["image_id"], draws[-1])
        of_a = {f"{c}_a": c for c in ("iou_oracle", "carried", "multimask")}
        best = oracle(pairs.rename(columns=of_a)) if selection.of_masks else None
        lines.append(
            {
                "dataset": str(dataset),
                "masks": interval.n,
                "images": interval.clusters,
                "delta": interval.mean,
                "low": interval.low,
                "high": interval.high,
                "oracle_delta": None if best is None else best - float(pairs[f"{value}_b"].mean()),
            }
        )
        intervals.append(interval)
    shared = set(both["dataset"])
    sizes = [int(s["dataset"].isin(shared).sum()) for s in (left, right)]
    frame = pd.DataFrame(lines)
    numbers = ["delta", "low", "high", "oracle_delta"]
    frame[numbers] = frame[numbers].astype(float)
    same = bool((both[f"{value}_a"] == both[f"{value}_b"]).all())
    left_out = sum(sizes) - 2 * len(both)
    return Difference(a, b, frame, mean_interval(intervals, draws), left_out, same)


def _side(selection: Selection, side: Side) -> pd.DataFrame:
    rows, value = selection.rows, selection.leads.name
    chosen = (rows["model"] == side.series[0]) & (rows["protocol"] == side.series[1])
    columns = ["dataset", "image_id", "mask_id", value, "iou_oracle", "multimask", "carried"]
    found: pd.DataFrame = rows.loc[chosen & (rows["label"] == side.label), columns]
    return found


def ranking(table: Table, label: str) -> list[Series]:
    """The series that have the label, best mean over datasets first (their own mean if one)."""
    lines = table.lines[table.lines["prompt"] == label]
    own = lines[lines["dataset"].notna()].groupby(SERIES)[table.leads.mean].mean()
    ordered = own.sort_values(ascending=table.leads.better == "lower", kind="stable")
    return [(str(model), str(protocol)) for model, protocol in ordered.index]


def differences(
    selection: Selection, table: Table, *, samples: int = 10_000, seed: int = 0
) -> list[Difference]:
    """The best series against every other one, at the first label that two of them share."""
    for label in selection.labels:
        best, *others = ranking(table, label)
        if others:
            return [
                difference(
                    selection, Side(best, label), Side(other, label), samples=samples, seed=seed
                )
                for other in others
                if _share_a_mask(selection, Side(best, label), Side(other, label))
            ]
    return []


def _share_a_mask(selection: Selection, a: Side, b: Side) -> bool:
    key = ["dataset", "image_id", "mask_id"]
    return not _side(selection, a)[key].merge(_side(selection, b)[key], on=key).empty


def answer(
    selection: Selection,
    table: Table,
    compared: Sequence[Difference],
    *,
    samples: int = 10_000,
    seed: int = 0,
) -> list[str]:
    """The report in one to four sentences: the best model, then what more prompts bring."""
    return list(_sentences(selection, table, compared, samples, seed))


def _sentences(
    selection: Selection, table: Table, compared: Sequence[Difference], samples: int, seed: int
) -> Iterator[str]:
    first, leads = selection.labels[0], table.leads
    best = ranking(table, first)[0]
    name = table.series(*best)
    own = table.lines[
        (table.lines["prompt"] == first)
        & (table.lines["model"] == best[0])
        & (table.lines["protocol"] == best[1])
    ]
    line = overall(own)
    where = _where(table, sorted(own["dataset"].dropna()))
    bounds = (
        ""
        if pd.isna(line[f"{leads.mean}_low"])
        else f" (95 % interval {leads.shown(line[f'{leads.mean}_low'])} to "
        f"{leads.shown(line[f'{leads.mean}_high'])})"
    )
    value = f"{leads.shown(line[leads.mean])} {leads.title}"
    yield f"With {first}, {name} reaches {value}{bounds} {where}."
    if compared:
        closest = max(compared, key=lambda d: (-abs(d.mean.mean), d.b.series))
        yield _lead(closest, table)
    others = [label for label in selection.labels[1:] if best in ranking(table, label)]
    if others:
        gains = [
            difference(selection, Side(best, label), Side(best, first), samples=samples, seed=seed)
            for label in others
        ]
        # More points against fewer is what the paper asks; what does better still comes after.
        sign = 1 if leads.better == "higher" else -1
        clicks = [gain for gain in gains if selection.steps[gain.a.label].only_clicks]
        tops = [max(some, key=lambda g: sign * g.mean.mean) for some in (clicks, gains) if some]
        for top in tops if tops[0] is not tops[-1] else tops[:1]:
            yield _gain(top, name, selection.steps[top.a.label], leads)


def _where(table: Table, datasets: Sequence[str]) -> str:
    if len(datasets) == 1:
        return f"on {table.datasets[datasets[0]]}"
    return f"over {len(datasets)} datasets"


def _lead(found: Difference, table: Table) -> str:
    a, b = table.series(*found.a.series), table.series(*found.b.series)
    leads = table.leads
    lead, span = found.mean, _span(found.mean, leads)
    word = f" {leads.word}" if leads.word else ""
    if found.same:
        return f"On the same masks {a} and {b} give the same numbers."
    if _unclear(lead):
        return f"On the same masks it is level with {b}: {leads.signed(lead.mean)}{word}{span}."
    ahead, behind = (a, b) if leads.is_ahead(lead.mean) else (b, a)
    by = f"{leads.shown(abs(lead.mean))}{word}{span}"
    return f"On the same masks {ahead} leads {behind} by {by}."


def _gain(found: Difference, name: str, step: Step, leads: Measure) -> str:
    more, less = found.a.label, found.b.label
    change, span = found.mean, _span(found.mean, leads)
    word = f" {leads.word}" if leads.word else ""
    if found.same:
        return f"{less} and {more} give the same numbers with {name}."
    if _unclear(change):
        return f"{less} and {more} are level with {name}: {leads.signed(change.mean)}{word}{span}."
    by = f"{leads.shown(abs(change.mean))}{word}"
    if not leads.is_ahead(change.mean):
        worse = "less" if leads.better == "higher" else "more"
        return f"{name} does best with {less}: {more} gives {by} {worse}."
    verb = "beat" if step.only_clicks and step.points > 1 else "beats"
    gain = f"{more} {verb} {less} by {by} with {name}{span}."
    return gain[0].upper() + gain[1:]


def _unclear(interval: Interval) -> bool:
    return (
        interval.low is not None
        and interval.high is not None
        and (interval.low <= 0 <= interval.high)
    )


def _span(interval: Interval, leads: Measure) -> str:
    if interval.low is None or interval.high is None:
        return ""
    return f" ({leads.signed(interval.low)} to {leads.signed(interval.high)})"
