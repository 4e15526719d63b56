"""Two sets of runs on the masks that both have: what ``sam-bench compare`` says."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.comparing.sides import called, facing, unlike, without_unrelated
from bench.analysis.comparing.wording import P_NOTE, apart, same_numbers
from bench.analysis.looks import with_looks
from bench.analysis.selection import Selection, select, shown_titles
from bench.analysis.stats import (
    Averages,
    averages,
    clusters_needed,
    holm,
    mean_averages,
    win_rate,
)
from bench.analysis.stats.intervals import warn_of_draws
from bench.analysis.stats.pairing import MASK, differences_of, paired_rows
from bench.analysis.table import bounds, mean_of, overall
from bench.analysis.wording.words import SIZES, few_said, interval_said, points
from bench.store.runs import RunStore
from bench.types import IOU, BenchError, Measure

EFFECT = 0.005
"""The difference of mIoU, in [0, 1], for which the number of images needed is told."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A difference, and the share of masks on which the first side is better."""

    delta: Averages
    wins: Averages


@dataclass(frozen=True, slots=True)
class Comparison:
    """``a`` minus ``b``, per prompt label and dataset, on the same masks.

    ``table`` has a row per prompt label and dataset, and one per label over all datasets where
    there are several (``dataset`` null, each dataset weighs the same): ``prompt, dataset, masks,
    images, clusters, effective, largest`` (as in ``Table``), ``miou_a, miou_b, delta, low, high``,
    the difference over images (``delta_images, delta_images_low, delta_images_high``), whether
    these intervals are marked (``few, few_images``),
    ``p`` (``Averages.p``), ``p_holm, win_rate, win_low, win_high, images_needed, left_out``. IoUs
    and differences are in [0, 1], bounds are 95 %, ``p_holm`` is corrected over the datasets of a
    label, ``images_needed`` (clusters, where images belong together) is for a difference of half a
    point; null where nothing can be told, and for a measure that is not shown in points. ``pairs``
    has a row per label and common mask: ``label, dataset, image_id, mask_id, cluster, iou_a, iou_b,
    step_a, step_b, run_a, run_b``. ``datasets`` maps a dataset's name to the title that is shown.
    ``found`` has what the lines are made of, by (label, dataset), the mean's under the dataset "":
    the differences and the wins, see ``Averages``. ``over_images`` says whether both protocols take
    the mean over images; then ``miou`` and ``delta`` are such means. Where another measure than the
    IoU ``leads``, its names stand for ``iou`` and ``miou``. ``further`` has such a table for each
    further measure that was computed of all masks of both sides, over the common ones that it
    applies to on both.
    """

    a: str
    b: str
    table: pd.DataFrame
    pairs: pd.DataFrame
    answer: tuple[str, ...]
    caption: str
    sides: tuple[Selection, Selection]
    datasets: Mapping[str, str]
    found: Mapping[tuple[str, str], Pair]
    over_images: bool = False
    leads: Measure = IOU
    further: tuple[tuple[Measure, pd.DataFrame], ...] = ()


def compare(
    a: Sequence[RunStore],
    b: Sequence[RunStore],
    *,
    allow_mixed: bool = False,
    allow_partial: bool = False,
    labels: Mapping[str, str] | None = None,
    digits: int | None = None,
    samples: object = None,
    seed: object = None,
) -> Comparison:
    """The paired comparison of two sides, each the runs of one model under one protocol.

    A side of masks that were given and not asked for stands against every prompt of the other.

    Raises ``BenchError`` for a side that holds several models or protocols, for what ``select``
    refuses, where no mask is common, and, unless ``allow_mixed``, where the sides saw other data,
    followed another protocol or computed in another precision; the caption then says so.
    ``labels`` and ``digits`` are those of ``with_looks``, which raises as well.
    ``samples`` and ``seed``, which intervals needed in earlier releases, are taken and do nothing.
    """
    warn_of_draws(samples, seed)
    (found,) = compare_all(
        [a, b],
        allow_mixed=allow_mixed,
        allow_partial=allow_partial,
        labels=labels,
        digits=digits,
    )
    return found


def compare_all(
    sides: Sequence[Sequence[RunStore]],
    *,
    allow_mixed: bool = False,
    allow_partial: bool = False,
    labels: Mapping[str, str] | None = None,
    digits: int | None = None,
) -> list[Comparison]:
    """The first side against each of the others; a side has one name in all of them.

    An unfinished run that none of the other sides has the like of is left out, and noted. Raises
    ``BenchError`` as ``compare`` does.
    """
    found = [(side, ()) for side in sides] if allow_partial else without_unrelated(sides)
    selected = [_selected(side, said, allow_partial) for side, said in found]
    selections = with_looks(selected, labels or {}, digits, prompts=False)
    names, titles = called(selections), shown_titles(selections, "dataset")
    return [
        _compared((selections[0], other), (names[0], name), titles, allow_mixed)
        for other, name in zip(selections[1:], names[1:], strict=True)
    ]


def _selected(side: Sequence[RunStore], said: Sequence[str], allow_partial: bool) -> Selection:
    """The runs of a side; ``said`` is noted of them."""
    selection = select(side, allow_partial=allow_partial)
    return replace(selection, notes=(*said, *selection.notes))


def _compared(
    sides: tuple[Selection, Selection],
    names: tuple[str, str],
    titles: Mapping[str, str],
    allow_mixed: bool,
) -> Comparison:
    sides, unasked = facing(sides, names)
    mixed = list(unlike(*sides))
    if mixed and not allow_mixed:
        raise BenchError(f"{names[0]} and {names[1]} can't be compared: {mixed[0]}; --allow-mixed")
    pairs = _pairs(*sides)
    leads, further = sides[0].leads, _common_measures(sides, pairs)
    over_images = all(side.over_images(side.rows) for side in sides)
    table, found = _table(pairs, sides, leads, over_images)
    notes = [*unasked, *(f"Mixed: {reason}." for reason in mixed)]
    caption = " ".join(
        [_caption(leads, table, over_images), *notes, *dict.fromkeys(_side_notes(sides))]
    )
    labels = pairs.groupby("label", observed=True)
    same = {str(label) for label, own in labels if same_numbers(own, leads)}
    answer = tuple(_answer(table, found, *names, leads, over_images, titles, same))
    others = tuple((each, _table(pairs, sides, each, over_images)[0]) for each in further)
    return Comparison(
        *names, table, pairs, answer, caption, sides, titles, found, over_images, leads, others
    )


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


_KEY = ["label", *MASK]


def _pairs(a: Selection, b: Selection) -> pd.DataFrame:
    if a.leads.name != b.leads.name:
        raise BenchError(
            f"one side measures {a.leads.title}, the other {b.leads.title}: they are runs of "
            "different tasks"
        )
    both = {m.name for m in a.further} & {m.name for m in b.further}
    columns = [*_KEY, "cluster", a.leads.name, "step", "run", *sorted(both)]
    pairs = paired_rows(a.rows[columns], b.rows[columns], _KEY)
    if pairs.empty:
        raise BenchError("the two sides have no mask with the same prompt in common")
    return pairs


def _table(
    pairs: pd.DataFrame,
    sides: tuple[Selection, Selection],
    measure: Measure,
    over_images: bool,
) -> tuple[pd.DataFrame, dict[tuple[str, str], Pair]]:
    """The lines of every prompt label, and what they are made of."""
    blocks: list[pd.DataFrame] = []
    found: dict[tuple[str, str], Pair] = {}
    for label in sides[0].labels:
        of_label = pairs[pairs["label"] == label]
        if of_label[[f"{measure.name}_a", f"{measure.name}_b"]].notna().all(axis=1).any():
            block, made = _block(label, of_label, sides, measure, over_images)
            blocks.append(block)
            found |= {(label, dataset): pair for dataset, pair in made.items()}
    return pd.concat(blocks, ignore_index=True), found


def _block(
    label: str,
    pairs: pd.DataFrame,
    sides: tuple[Selection, Selection],
    measure: Measure,
    over_images: bool,
) -> tuple[pd.DataFrame, dict[str, Pair]]:
    """The lines of one prompt label: a line per dataset and, of several, their mean."""
    name, mean = measure.name, measure.mean
    sign = 1 if measure.better == "higher" else -1
    deltas = differences_of(pairs, measure)
    lines: list[dict[str, Any]] = []
    made: dict[str, Pair] = {}
    for dataset, common in pairs.groupby("dataset", observed=True):
        found = common.dropna(subset=[f"{name}_a", f"{name}_b"])
        if found.empty:
            continue
        wins = win_rate(sign * found[f"{name}_a"], sign * found[f"{name}_b"])
        won = averages(wins, found["image_id"], found["cluster"])
        pair = made[str(dataset)] = Pair(deltas[str(dataset)], won)
        sizes = [int(((s.rows["label"] == label) & (s.rows["dataset"] == dataset)).sum())
                 for s in sides]  # fmt: skip
        lines.append(
            {
                "dataset": str(dataset),
                **{f"{mean}_{s}": mean_of(found, f"{name}_{s}", over_images) for s in "ab"},
                "images_needed": clusters_needed(pair.delta, EFFECT) if measure.is_share else None,
                "left_out": sum(sizes) - 2 * len(common),
            }
            | _numbers(pair, over_images)
        )
    for line, corrected in zip(lines, holm([line["p"] for line in lines]), strict=True):
        line["p_holm"] = corrected
    if len(lines) > 1:
        made[""] = Pair(
            mean_averages([each.delta for each in made.values()]),
            mean_averages([each.wins for each in made.values()]),
        )
        sums = {side: float(np.mean([line[f"{mean}_{side}"] for line in lines])) for side in "ab"}
        lines.append(
            {
                "dataset": None,
                **{f"{mean}_{side}": value for side, value in sums.items()},
                "images_needed": None,
                "left_out": sum(line["left_out"] for line in lines),
            }
            | _numbers(made[""], over_images)
        )
    frame = pd.DataFrame(lines).assign(prompt=label)
    types = dict.fromkeys(_BOUNDS, "Float64") | {"images_needed": "Int64"}
    shown = [*_BEFORE, f"{mean}_a", f"{mean}_b", *_BEHIND]
    block: pd.DataFrame = frame.reindex(columns=shown).astype(types)
    return block, made


_BEFORE = ("prompt", "dataset", "masks", "images", "clusters", "effective", "largest")
_BEHIND = ("delta", "low", "high", "delta_images", "delta_images_low", "delta_images_high", "few",
           "few_images", "p", "p_holm", "win_rate", "win_low", "win_high", "images_needed",
           "left_out")  # fmt: skip
_BOUNDS = ("effective", "largest", "low", "high", "delta_images_low", "delta_images_high", "p",
           "p_holm", "win_low", "win_high")  # fmt: skip


def _numbers(pair: Pair, over_images: bool) -> dict[str, Any]:
    """What a line says of a difference and of the wins."""
    masks, delta, wins = pair.delta.masks, pair.delta.of(over_images), pair.wins.of(over_images)
    return {
        "masks": masks.n,
        "images": pair.delta.images.n,
        "clusters": masks.clusters,
        "effective": masks.effective,
        "largest": masks.largest,
        "delta": delta.mean,
        "low": delta.low,
        "high": delta.high,
        **bounds("delta_images", pair.delta.images),
        "few": delta.few,
        "few_images": pair.delta.images.few,
        "p": pair.delta.p,
        "win_rate": wins.mean,
        "win_low": wins.low,
        "win_high": wins.high,
    }


def _answer(
    table: pd.DataFrame,
    found: Mapping[tuple[str, str], Pair],
    a: str,
    b: str,
    leads: Measure,
    over_images: bool,
    titles: Mapping[str, str],
    same: Collection[str],
) -> Iterator[str]:
    """A sentence per prompt label: who leads, by how much, or how many images would tell.

    Under the labels ``same`` no mask has another number.
    """
    for label, lines in table.groupby("prompt", sort=False):
        line, own = overall(lines), lines["dataset"].dropna()
        where = f"over {len(own)} datasets" if len(own) > 1 else f"on {titles[own.item()]}"
        delta = found[str(label), "" if len(own) > 1 else str(own.item())].delta
        said = apart(delta, leads, over_images, f" {where}", label in same)
        if said.verdict is None:
            hint = _hint(lines, titles) if leads.is_iou and label not in same else ""
            yield f"{label}: {a} and {b} {said.unclear}.{hint}"
        else:
            ahead, behind = (a, b) if said.verdict == "ahead" else (b, a)
            yield (
                f"{label}: {ahead} leads {behind} {where} by {said.by}; {a} is better on "
                f"{points(line['win_rate'])} % of the masks."
            )


def _hint(lines: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """How many images half a point needs, on the dataset that needs most."""
    known = lines[lines["dataset"].notna()].dropna(subset=["images_needed"])
    if known.empty:
        return ""
    most = known.loc[known["images_needed"].astype(int).idxmax()]
    if most["images_needed"] <= most["clusters"]:
        return " Half a point would probably have been seen."
    needed = int(most["images_needed"])
    what = "images" if most["clusters"] == most["images"] else "clusters of images"
    return f" To see half a point, {titles[most['dataset']]} needs about {needed:,} {what}."


def _caption(leads: Measure, table: pd.DataFrame, over_images: bool) -> str:
    unit = f", in {leads.word}," if leads.word else ""
    average = ", over images' means," if over_images else ""
    lows = "low", "delta_images_low"
    return (
        f"{leads.title} and its difference{unit}{average} on the masks that both sides have, "
        f"{interval_said(table, *lows)}.{few_said(table, *lows)} {P_NOTE} It is corrected over "
        "datasets (Holm). Wins: the share of masks on which the first is better, ties count half. "
        f"{SIZES}"
    )


def _side_notes(sides: tuple[Selection, Selection]) -> list[str]:
    return [note for side in sides for note in side.notes]
