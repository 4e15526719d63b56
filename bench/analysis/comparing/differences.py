"""What a report says first: differences on the same masks, and the answer in a sentence or two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.comparing.wording import apart, same_numbers
from bench.analysis.selection import Selection
from bench.analysis.stats import Averages, mean_averages
from bench.analysis.stats.pairing import MASK, differences_of, paired_rows
from bench.analysis.table import SERIES, Table, bounds, mean_of, oracle, overall
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

    ``datasets`` has a row per dataset: ``dataset, masks, images``, the means of both sides on these
    masks (``mean_a, mean_b``), ``delta, low, high``, the same over
    images (``delta_images, delta_images_low, delta_images_high``), ``p`` (``Averages.p``) and
    ``oracle_delta`` (the oracle of ``a`` minus ``b``'s selected masks; null without an oracle).
    ``mean`` averages over the datasets. IoUs are in [0, 1]; ``over_images`` says whether the
    protocols take the mean over images, ``left_out`` counts the masks that only one side has;
    ``same`` says that each mask has the same number on both sides.
    """

    a: Side
    b: Side
    datasets: pd.DataFrame
    mean: Averages
    over_images: bool
    left_out: int
    same: bool = False


def difference(selection: Selection, a: Side, b: Side) -> Difference:
    """The paired difference per dataset with its 95 % intervals.

    Datasets that only one side has are left out. Raises ``BenchError`` where no mask is common.
    """
    left, right = _side(selection, a), _side(selection, b)
    both = paired_rows(left, right)
    if both.empty:
        raise BenchError(f"{a.series[0]} with {a.label} and {b.series[0]} have no mask in common")
    over_images = all(selection.over_images(side) for side in (left, right))
    found = differences_of(both, selection.leads)
    lines: list[dict[str, object]] = []
    for dataset, pairs in both.groupby("dataset", observed=True):
        each = found[str(dataset)]
        chosen = each.of(over_images)
        lines.append(
            {
                "dataset": str(dataset),
                "masks": each.masks.n,
                "images": each.images.n,
                "mean_a": mean_of(pairs, f"{selection.leads.name}_a", over_images),
                "mean_b": mean_of(pairs, f"{selection.leads.name}_b", over_images),
                "delta": chosen.mean,
                "low": chosen.low,
                "high": chosen.high,
                **bounds("delta_images", each.images),
                "p": each.p,
                "oracle_delta": _oracle_delta(pairs, selection, over_images),
            }
        )
    shared = set(both["dataset"])
    sizes = [int(s["dataset"].isin(shared).sum()) for s in (left, right)]
    frame = pd.DataFrame(lines)
    numbers = frame.columns.difference(["dataset", "masks", "images"])
    frame[numbers] = frame[numbers].astype(float)
    same = same_numbers(both, selection.leads)
    left_out = sum(sizes) - 2 * len(both)
    mean = mean_averages(list(found.values())) if len(found) > 1 else next(iter(found.values()))
    return Difference(a, b, frame, mean, over_images, left_out, same)


def _oracle_delta(pairs: pd.DataFrame, selection: Selection, over_images: bool) -> float | None:
    if not selection.of_masks:
        return None
    of_a = {f"{c}_a": c for c in ("iou_oracle", "carried", "multimask")}
    best = oracle(pairs.rename(columns=of_a), over_images)
    theirs = mean_of(pairs, f"{selection.leads.name}_b", over_images)
    return None if best is None else best - theirs


def _side(selection: Selection, side: Side) -> pd.DataFrame:
    rows, value = selection.rows, selection.leads.name
    chosen = (rows["model"] == side.series[0]) & (rows["protocol"] == side.series[1])
    columns = [*MASK, "run", "cluster", value, "iou_oracle", "multimask", "carried"]
    found: pd.DataFrame = rows.loc[chosen & (rows["label"] == side.label), columns]
    return found


def ranking(table: Table, label: str) -> list[Series]:
    """The series that have the label, best mean over datasets first (their own mean if one)."""
    lines = table.lines[table.lines["prompt"] == label]
    own = lines[lines["dataset"].notna()].groupby(SERIES)[table.leads.mean].mean()
    ordered = own.sort_values(ascending=table.leads.better == "lower", kind="stable")
    return [(str(model), str(protocol)) for model, protocol in ordered.index]


def differences(selection: Selection, table: Table) -> list[Difference]:
    """The best series against every other one, at the first label that two of them share."""
    for label in selection.labels:
        best, *others = ranking(table, label)
        if others:
            return [
                difference(selection, Side(best, label), Side(other, label))
                for other in others
                if _share_a_mask(selection, Side(best, label), Side(other, label))
            ]
    return []


def _share_a_mask(selection: Selection, a: Side, b: Side) -> bool:
    key = list(MASK)
    return not _side(selection, a)[key].merge(_side(selection, b)[key], on=key).empty


def answer(selection: Selection, table: Table, compared: Sequence[Difference]) -> list[str]:
    """The report in one to four sentences: the best model, then what more prompts bring."""
    return list(_sentences(selection, table, compared))


def _sentences(selection: Selection, table: Table, compared: Sequence[Difference]) -> Iterator[str]:
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
    yield f"With {first}, {name} reaches {_reached(line, leads)} {where}."
    if compared:
        closest = max(compared, key=lambda d: (-abs(d.mean.of(d.over_images).mean), d.b.series))
        yield _lead(closest, table)
    others = [label for label in selection.labels[1:] if best in ranking(table, label)]
    if others:
        gains = [difference(selection, Side(best, label), Side(best, first)) for label in others]
        # More points against fewer is what the paper asks; what does better still comes after.
        sign = 1 if leads.better == "higher" else -1
        clicks = [gain for gain in gains if selection.steps[gain.a.label].only_clicks]
        tops = [
            max(some, key=lambda g: sign * g.mean.of(g.over_images).mean)
            for some in (clicks, gains)
            if some
        ]
        for top in tops if tops[0] is not tops[-1] else tops[:1]:
            yield _gain(top, name, selection.steps[top.a.label], leads)


def _reached(line: pd.Series[Any], leads: Measure) -> str:
    """A line's number with its interval; that over images first where it is what to look at."""
    over = f"{leads.mean}_images" if line["over_images"] else leads.mean
    said = f"{leads.shown(line[over])} {leads.title}"
    inside = _bounds(line, over, leads)
    few = ", of few images" if line["few_images" if line["over_images"] else "few"] else ""
    span = f" (95 % interval {inside}{few})" if inside else ""
    if over == leads.mean or line[over] == line[leads.mean]:
        return said + span
    other = _bounds(line, leads.mean, leads)
    masks = f"{leads.shown(line[leads.mean])}{f' ({other})' if other else ''} over masks"
    return f"{said} over images{span}, {masks},"


def _bounds(line: pd.Series[Any], name: str, leads: Measure) -> str:
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    return "" if pd.isna(low) else f"{leads.shown(low)} to {leads.shown(high)}"


def _where(table: Table, datasets: Sequence[str]) -> str:
    if len(datasets) == 1:
        return f"on {table.datasets[datasets[0]]}"
    return f"over {len(datasets)} datasets"


def _lead(found: Difference, table: Table) -> str:
    a, b = table.series(*found.a.series), table.series(*found.b.series)
    said = apart(found.mean, table.leads, found.over_images, same=found.same)
    if said.verdict is None:
        return f"On the same masks {a} and {b} {said.unclear}."
    ahead, behind = (a, b) if said.verdict == "ahead" else (b, a)
    return f"On the same masks {ahead} leads {behind} by {said.by}."


def _gain(found: Difference, name: str, step: Step, leads: Measure) -> str:
    more, less = found.a.label, found.b.label
    said = apart(found.mean, leads, found.over_images, f" with {name}", found.same)
    if said.verdict is None:
        sentence = f"{more} and {less} {said.unclear}."
    elif said.verdict == "behind":
        worse = "less" if leads.better == "higher" else "more"
        sentence = f"{name} does best with {less}: {more} gives {said.by} {worse}."
    else:
        verb = "beat" if step.only_clicks and step.points > 1 else "beats"
        sentence = f"{more} {verb} {less} by {said.by} with {name}."
    return sentence[0].upper() + sentence[1:]
