"""Two sets of runs on the masks that both have: what ``sam-bench compare`` says."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis import notes
from bench.analysis.selection import Selection, part, select, shown_titles
from bench.analysis.stats import (
    Float64Array,
    clustered_draws_together,
    holm,
    images_needed,
    p_value,
    percentile_bounds,
    win_rate,
)
from bench.analysis.table import SERIES, dataset_seed, overall
from bench.analysis.words import points
from bench.config.labels import distinct
from bench.protocol import all_choices
from bench.store.runs import RunStore
from bench.types import IOU, BenchError, Measure

EFFECT = 0.005
"""The difference of mIoU, in [0, 1], for which the number of images needed is told."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """``a`` minus ``b``, per prompt label and dataset, on the same masks.

    ``table`` has a row per prompt label and dataset, and one per label over all datasets where
    there are several (``dataset`` null, each dataset weighs the same): ``prompt, dataset, masks,
    images, miou_a, miou_b, delta, low, high, p, p_holm, win_rate, win_low, win_high,
    images_needed, left_out``. IoUs and differences are in [0, 1], bounds are 95 %, ``p_holm`` is
    corrected over the datasets of a label, ``images_needed`` is for a difference of half a point;
    null where one image tells nothing, and for a measure that is not shown in points. ``pairs`` has
    a row per label and common mask: ``label, dataset, image_id, mask_id, iou_a, iou_b, step_a,
    step_b, run_a, run_b``. Where another measure than the IoU ``leads``, its names stand for
    ``iou`` and ``miou``. ``further`` has such a table for each further measure that was computed of
    all masks of both sides, over the common ones that it applies to on both. ``datasets`` maps a
    dataset's name to the title that is shown.
    """

    a: str
    b: str
    table: pd.DataFrame
    pairs: pd.DataFrame
    answer: tuple[str, ...]
    caption: str
    sides: tuple[Selection, Selection]
    datasets: Mapping[str, str]
    leads: Measure = IOU
    further: tuple[tuple[Measure, pd.DataFrame], ...] = ()


def compare(
    a: Sequence[RunStore],
    b: Sequence[RunStore],
    *,
    allow_mixed: bool = False,
    allow_partial: bool = False,
    samples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """The paired comparison of two sides, each the runs of one model under one protocol.

    A side of masks that were given and not asked for stands against every prompt of the other.

    Raises ``BenchError`` for a side that holds several models or protocols, for what ``select``
    refuses, where no mask is common, and, unless ``allow_mixed``, where the sides saw other data,
    followed another protocol or computed in another precision; the caption then says so.
    """
    (found,) = compare_all(
        [a, b], allow_mixed=allow_mixed, allow_partial=allow_partial, samples=samples, seed=seed
    )
    return found


def compare_all(
    sides: Sequence[Sequence[RunStore]],
    *,
    allow_mixed: bool = False,
    allow_partial: bool = False,
    samples: int = 10_000,
    seed: int = 0,
) -> list[Comparison]:
    """The first side against each of the others; a side has one name in all of them.

    Raises ``BenchError`` as ``compare`` does.
    """
    selections = [select(side, allow_partial=allow_partial) for side in sides]
    names, titles = _names(selections), shown_titles(selections, "dataset")
    return [
        _compared((selections[0], other), (names[0], name), titles, allow_mixed, samples, seed)
        for other, name in zip(selections[1:], names[1:], strict=True)
    ]


def _compared(
    sides: tuple[Selection, Selection],
    names: tuple[str, str],
    titles: Mapping[str, str],
    allow_mixed: bool,
    samples: int,
    seed: int,
) -> Comparison:
    sides, unasked = _facing(sides, names)
    mixed = list(_mixed(*sides))
    if mixed and not allow_mixed:
        raise BenchError(f"{names[0]} and {names[1]} can't be compared: {mixed[0]}; --allow-mixed")
    pairs = _pairs(*sides)
    leads, further = sides[0].leads, _common_measures(sides, pairs)

    def table_of(measure: Measure) -> pd.DataFrame:
        of = [f"{measure.name}_a", f"{measure.name}_b"]
        blocks = [
            _block(label, pairs[pairs["label"] == label], sides, measure, samples, seed)
            for label in sides[0].labels
            if pairs.loc[pairs["label"] == label, of].notna().all(axis=1).any()
        ]
        return pd.concat(blocks, ignore_index=True)

    table = table_of(leads)
    notes = [*unasked, *(f"Mixed: {reason}." for reason in mixed)]
    caption = " ".join([_caption(leads, samples), *notes, *dict.fromkeys(_side_notes(sides))])
    gaps = (pairs[f"{leads.name}_a"] - pairs[f"{leads.name}_b"]).groupby(pairs["label"])
    same = {str(label) for label, gap in gaps if not gap.any()}
    answer = tuple(_answer(table, *names, leads, titles, same))
    others = tuple((measure, table_of(measure)) for measure in further)
    return Comparison(*names, table, pairs, answer, caption, sides, titles, leads, others)


def _facing(
    sides: tuple[Selection, Selection], names: tuple[str, str]
) -> tuple[tuple[Selection, Selection], list[str]]:
    """The sides, one of masks that no prompt asked for put under the prompts of the other.

    Sides that have a prompt in common stay as they are. A sentence says what was done.
    """
    if set(sides[0].labels) & set(sides[1].labels):
        return sides, []
    for given, other in ((0, 1), (1, 0)):
        if len(sides[given].labels) == 1 and _was_given(sides[given]):
            facing = list(sides)
            facing[given] = _under(sides[given], sides[other])
            note = f"{names[given]} was given, not asked for: its masks stand against every prompt."
            return (facing[0], facing[1]), [note]
    return sides, []


def _was_given(side: Selection) -> bool:
    """Whether the rows are masks that no click, no box and no other cue asked for."""
    if not side.of_masks or side.rows["n_points"].any() or side.rows["has_box"].any():
        return False
    return bool(side.every.all(["cues"])["cues"].isna().all())


def _under(given: Selection, asked: Selection) -> Selection:
    """The rows of given masks once for each prompt label of the other side."""
    kind = pd.CategoricalDtype(sorted(asked.labels))
    copies = [
        given.rows.assign(label=pd.Categorical([label] * len(given.rows), dtype=kind))
        for label in asked.labels
    ]
    rows = pd.concat(copies, ignore_index=True)
    return replace(given, rows=rows, labels=asked.labels, steps=asked.steps)


def _common_measures(sides: tuple[Selection, Selection], pairs: pd.DataFrame) -> list[Measure]:
    """The further measures of all masks on both sides that apply to a common one on both."""
    runs = [
        (side, run) for side, of in zip(sides, ("run_a", "run_b"), strict=True)
        for run in pairs[of].unique()
    ]  # fmt: skip
    return [
        measure
        for measure in sides[0].further
        if all(measure.name in side.measured[run] for side, run in runs)
        and pairs[[f"{measure.name}_a", f"{measure.name}_b"]].notna().all(axis=1).any()
    ]


def _names(sides: Sequence[Selection]) -> list[str]:
    """How the sides are called: by title, by name where titles are equal, then by A and B."""
    choices = []
    for number, side in enumerate(sides):
        model = _model(side)
        title = side.titles("model")[model]
        choices.append((title, model, f"{title} ({chr(ord('A') + number)})"))
    return distinct(choices)


def _model(side: Selection) -> str:
    series = side.rows[SERIES].drop_duplicates()
    if len(series) > 1:
        named = ", ".join(f"{m} ({p})" for m, p in series.itertuples(index=False))
        raise BenchError(f"one side of a comparison holds {named}; name the runs of one of them")
    return str(series["model"].iloc[0])


_NUMERICS = ("dtype", "tf32", "compiled")


def _mixed(a: Selection, b: Selection) -> Iterator[str]:
    """Every reason why the two can't be compared as they are."""
    for dataset in sorted(set(a.rows["dataset"]) & set(b.rows["dataset"])):
        for what in ("dataset_fingerprint", "version"):
            seen = [_of_dataset(side, str(dataset), what) for side in (a, b)]
            if all(seen) and seen[0] != seen[1]:
                name = "data of fingerprint" if what == "dataset_fingerprint" else "version"
                left, right = (", ".join(sorted(each)) for each in seen)
                yield f"on {dataset} one saw {name} {left}, the other {right}"
        if said := notes.other_content(
            {name: store for side in (a, b) for name, store in _stores(side, str(dataset)).items()}
        ):
            yield f"on {dataset} {said}"
    protocols = [_protocols(side) for side in (a, b)]
    if protocols[0] != protocols[1]:
        left, right = (", ".join(sorted(each)) for each in protocols)
        yield f"one followed protocol {left}, the other {right}"
    theirs = {measure.name: measure for measure in b.further}
    for measure in a.further:
        if measure.name in theirs and measure.other_than(theirs[measure.name]):
            other = theirs[measure.name].origin
            yield f"in the column {measure.name} one holds {measure.origin}, the other {other}"
    for fact in _NUMERICS:
        values = [_facts(side, fact) for side in (a, b)]
        if all(values) and values[0] != values[1]:
            left, right = (", ".join(sorted(each)) for each in values)
            yield f"one computed with {fact} {left}, the other with {right}"


def _stores(side: Selection, dataset: str) -> dict[str, RunStore]:
    runs = side.rows.loc[side.rows["dataset"] == dataset, "run"].unique()
    return {str(run): side.stores[str(run)] for run in runs}


def _of_dataset(side: Selection, dataset: str, what: str) -> set[str]:
    runs = side.rows.loc[side.rows["dataset"] == dataset, "run"].unique()
    headers = [side.headers[str(run)] for run in runs]
    found = [h.get(what) if what in h else part(h, "dataset").get(what) for h in headers]
    return {str(value) for value in found if value is not None}


def _protocols(side: Selection) -> set[str]:
    found = [part(header, "protocol") for header in side.headers.values()]
    choices = [dict(sorted(all_choices(part(p, "args")).items())) for p in found]
    return {
        f"{p.get('name')} version {p.get('version')} {chosen}"
        for p, chosen in zip(found, choices, strict=True)
    }


def _facts(side: Selection, fact: str) -> set[str]:
    found = [header.get("facts") or {} for header in side.headers.values()]
    return {str(facts[fact]) for facts in found if fact in facts}


_KEY = ["label", "dataset", "image_id", "mask_id"]


def _pairs(a: Selection, b: Selection) -> pd.DataFrame:
    if a.leads.name != b.leads.name:
        raise BenchError(
            f"one side measures {a.leads.title}, the other {b.leads.title}: they are runs of "
            "different tasks"
        )
    both = {m.name for m in a.further} & {m.name for m in b.further}
    columns = [*_KEY, a.leads.name, "step", "run", *sorted(both)]
    pairs: pd.DataFrame = a.rows[columns].merge(
        b.rows[columns], on=_KEY, suffixes=("_a", "_b"), validate="one_to_one"
    )
    if pairs.empty:
        raise BenchError("the two sides have no mask with the same prompt in common")
    return pairs


def _block(
    label: str,
    pairs: pd.DataFrame,
    sides: tuple[Selection, Selection],
    measure: Measure,
    samples: int,
    seed: int,
) -> pd.DataFrame:
    """The lines of one prompt label: a line per dataset and, of several, their mean."""
    name, mean = measure.name, measure.mean
    sign = 1 if measure.better == "higher" else -1
    lines: list[dict[str, Any]] = []
    draws: list[Float64Array] = []
    for dataset, common in pairs.groupby("dataset"):
        found = common.dropna(subset=[f"{name}_a", f"{name}_b"])
        if found.empty:
            continue
        a, b = found[f"{name}_a"], found[f"{name}_b"]
        wins = win_rate(sign * a, sign * b)
        columns = np.stack([a, b, wins], axis=1)
        drawn = clustered_draws_together(
            columns, found["image_id"], samples=samples, seed=dataset_seed(seed, str(dataset))
        )
        drawn[:, 1] = drawn[:, 0] - drawn[:, 1]
        draws.append(drawn[:, 1:])
        delta = a - b
        sizes = [int(((s.rows["label"] == label) & (s.rows["dataset"] == dataset)).sum())
                 for s in sides]  # fmt: skip
        means = columns.mean(axis=0)
        lines.append(
            {
                "dataset": str(dataset),
                "masks": len(found),
                "images": found["image_id"].nunique(),
                f"{mean}_a": means[0],
                f"{mean}_b": means[1],
                "win_rate": means[2],
                "images_needed": images_needed(delta, found["image_id"], EFFECT)
                if measure.is_share
                else None,
                "left_out": sum(sizes) - 2 * len(common),
            }
            | _intervals(draws[-1])
        )
    for line, corrected in zip(lines, holm([line["p"] for line in lines]), strict=True):
        line["p_holm"] = corrected
    if len(lines) > 1:
        lines.append(_mean(lines, draws, mean))
    frame = pd.DataFrame(lines).assign(prompt=label)
    frame["delta"] = frame[f"{mean}_a"] - frame[f"{mean}_b"]
    types = dict.fromkeys(_BOUNDS, "Float64") | {"images_needed": "Int64"}
    shown = [*_BEFORE, f"{mean}_a", f"{mean}_b", *_BEHIND]
    block: pd.DataFrame = frame[shown].astype(types)
    return block


_BEFORE = ("prompt", "dataset", "masks", "images")
_BEHIND = ("delta", "low", "high", "p", "p_holm", "win_rate", "win_low", "win_high",
           "images_needed", "left_out")  # fmt: skip
_BOUNDS = ("low", "high", "p", "p_holm", "win_low", "win_high")


def _intervals(draws: Float64Array) -> dict[str, float | None]:
    """Of the draws (samples, 2) of the difference and of the win rate."""
    low, high = percentile_bounds(draws[:, 0])
    win_low, win_high = percentile_bounds(draws[:, 1])
    p = p_value(draws[:, 0])
    return {"low": low, "high": high, "p": p, "win_low": win_low, "win_high": win_high}


def _mean(
    lines: Sequence[Mapping[str, Any]], draws: Sequence[Float64Array], mean: str
) -> dict[str, Any]:
    """The line over datasets: the i-th draws of independent datasets make a draw of the mean."""
    known = all(len(each) for each in draws)
    drawn = np.mean(draws, axis=0) if known else np.empty((0, 2))
    averages = {
        name: float(np.mean([line[name] for line in lines]))
        for name in (f"{mean}_a", f"{mean}_b", "win_rate")
    }
    sums = {name: sum(line[name] for line in lines) for name in ("masks", "images", "left_out")}
    return averages | sums | _intervals(drawn) | {"dataset": None, "images_needed": None}


def _answer(
    table: pd.DataFrame,
    a: str,
    b: str,
    leads: Measure,
    titles: Mapping[str, str],
    same: Collection[str],
) -> Iterator[str]:
    """A sentence per prompt label: who leads, by how much, or how many images would tell.

    Under the labels ``same`` no mask has another number.
    """
    signed, shown = leads.signed, leads.shown
    word = f" {leads.word}" if leads.word else ""
    for label, lines in table.groupby("prompt", sort=False):
        line = overall(lines)
        span = "" if pd.isna(line["low"]) else f" ({signed(line['low'])} to {signed(line['high'])})"
        own = lines["dataset"].dropna()
        where = f"over {len(own)} datasets" if len(own) > 1 else f"on {titles[own.item()]}"
        if label in same:
            yield f"{label}: {a} and {b} give the same numbers {where}."
        elif pd.isna(line["low"]):
            yield (
                f"{label}: {a} minus {b} is {signed(line['delta'])}{word} {where}, "
                "from too few images for an interval."
            )
        elif line["low"] <= 0 <= line["high"]:
            hint = _hint(lines, titles) if leads.is_iou else ""
            yield (
                f"{label}: {a} and {b} can't be told apart {where}: "
                f"{signed(line['delta'])}{word}{span}.{hint}"
            )
        else:
            ahead, behind = (a, b) if leads.is_ahead(line["delta"]) else (b, a)
            bounds = sorted((abs(line["low"]), abs(line["high"])))
            span = f" ({shown(bounds[0])} to {shown(bounds[1])})"
            yield (
                f"{label}: {ahead} leads {behind} {where} by {shown(abs(line['delta']))}"
                f"{word}{span}; {a} is better on {points(line['win_rate'])} % of the masks."
            )


def _hint(lines: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """How many images half a point needs, on the dataset that needs most."""
    known = lines[lines["dataset"].notna()].dropna(subset=["images_needed"])
    if known.empty:
        return ""
    most = known.loc[known["images_needed"].astype(int).idxmax()]
    if most["images_needed"] <= most["images"]:
        return " Half a point would have been seen."
    needed = int(most["images_needed"])
    return f" To see half a point, {titles[most['dataset']]} needs about {needed:,} images."


def _caption(leads: Measure, samples: int) -> str:
    unit = f", in {leads.word}," if leads.word else ""
    return (
        f"{leads.title} and its difference{unit} on the masks that both sides have; 95 % intervals "
        f"from {samples:,} bootstrap samples over images, the same images for both sides. p: "
        "two-sided, corrected over datasets (Holm). Wins: the share of masks on which A is "
        "better, ties count half."
    )


def _side_notes(sides: tuple[Selection, Selection]) -> list[str]:
    return [note for side in sides for note in side.notes]
