"""Several truths of one target: the score against each annotator, and how well people agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.every_row import clusters
from bench.analysis.section import Section
from bench.analysis.selection import Selection
from bench.analysis.stats import averages
from bench.analysis.table import bounds
from bench.analysis.wording.words import DASH, counted, few_said, interval_said, points, with_bounds

PEOPLE = "people"
"""What stands for a model in the line of how well annotators agree."""

NUMBERS = {"own": "own", "others": "others", "every": "mean", "best": "best"}
"""The columns of the table with what they are called."""

MOST_NAMED = 6
"""Beyond so many annotators their own columns stand in the table's file alone."""


def annotators_section(selection: Selection) -> Iterator[Section]:
    """The table of targets that several annotators drew; nothing where there are none.

    A line for each run and reported step, and one for the people of each dataset. Its lines:
    ``run, dataset, model, protocol, prompt``, ``masks, images, clusters, effective, largest, few``
    (as in ``bench.analysis.table.Table``), then with ``_low`` and ``_high``, all IoUs in [0, 1]:
    ``own`` (with the annotator whose mask the prompt was drawn from), ``others`` (the mean over the
    others), ``every`` (the mean over all) and ``best`` (the best of all); at last each annotator's
    own mean, ``annotator_<name>``. In the line of ``PEOPLE`` the target itself takes the place of
    the prediction: ``others`` and ``best`` are over the others alone, the rest doesn't apply.
    """
    if not selection.of_masks:
        return
    lines: list[dict[str, Any]] = []
    people: dict[str, dict[str, Any]] = {}
    lacking: dict[str, None] = {}
    for _, group in selection.rows.groupby(["run", "label"], observed=True, sort=False):
        rows = _with_truths(selection, group)
        if rows.empty:
            continue
        over_images = selection.over_images(group)
        lacking |= dict.fromkeys(_lacking(rows, len(group), selection))
        lines.append(_line(rows, _against_model(rows), over_images))
        ceiling = _line(rows, _against_people(rows), over_images)
        ceiling |= {"run": None, "model": PEOPLE, "prompt": DASH}
        people.setdefault(repr([ceiling[name] for name in ("dataset", "masks", "others")]), ceiling)
    if not lines:
        return
    frame = pd.DataFrame([*lines, *people.values()])
    frame["order"] = frame["dataset"].map({n: i for i, n in enumerate(frame["dataset"].unique())})
    frame = frame.sort_values("order", kind="stable", ignore_index=True).drop(columns="order")
    yield _shown(frame, selection, list(lacking))


def _with_truths(selection: Selection, group: pd.DataFrame) -> pd.DataFrame:
    """The rows of a run's step whose targets others drew too, with what the table needs."""
    columns = ["dataset", "model", "protocol", "cluster", "iou", "attributes"]
    columns += ["other_ious", "human_ious"]
    run = str(group["run"].iloc[0])
    if selection.every.of(run, ["other_ious"])["other_ious"].isna().all():
        empty: pd.DataFrame = group.iloc[:0]
        return empty
    rows: pd.DataFrame = selection.every.of(run, columns, among=group)
    rows = rows[rows["other_ious"].notna()].copy()
    rows["cluster"] = clusters(rows)
    rows["label"] = str(group["label"].iloc[0])
    return rows


def _lacking(rows: pd.DataFrame, masks: int, selection: Selection) -> Iterator[str]:
    """Who drew fewer than so many masks, a sentence each; nothing of more than ``MOST_NAMED``."""
    drew = Counter(name for others in rows["other_ious"] for name in others)
    if len(drew) > MOST_NAMED:
        return
    dataset = selection.titles("dataset")[str(rows["dataset"].iloc[0])]
    for name, number in sorted(drew.items()):
        if number < masks:
            yield f"{name} drew {number:,} of {masks:,} masks of {dataset}."


def _against_model(rows: pd.DataFrame) -> dict[str, list[float]]:
    """The predictions' IoUs (N,) with the annotators, one by one and together."""
    found: dict[str, list[float]] = {name: [] for name in NUMBERS}
    for own, others in zip(rows["iou"], rows["other_ious"], strict=True):
        values = list(others.values())
        found["own"].append(own)
        found["others"].append(float(np.mean(values)))
        found["every"].append(float(np.mean([own, *values])))
        found["best"].append(max(own, *values))
    return found


def _against_people(rows: pd.DataFrame) -> dict[str, list[float]]:
    """The targets' own IoUs (N,) with the other annotators."""
    values = [list(each.values()) for each in rows["human_ious"]]
    return {"others": [float(np.mean(v)) for v in values], "best": [max(v) for v in values]}


def _line(
    rows: pd.DataFrame, values: Mapping[str, list[float]], over_images: bool
) -> dict[str, Any]:
    both = {n: averages(v, rows["image_id"], rows["cluster"]) for n, v in values.items()}
    sizes, leads = both["others"].masks, both["others"].of(over_images)
    first = rows.iloc[0]
    line: dict[str, Any] = {name: str(first[name]) for name in ("run", "dataset", "model")}
    line |= {"protocol": str(first["protocol"]), "prompt": str(first["label"])}
    line |= {"masks": len(rows), "images": rows["image_id"].nunique(), "clusters": sizes.clusters}
    line |= {"effective": sizes.effective, "largest": sizes.largest, "few": leads.few}
    for name in NUMBERS:
        if name in both:
            line |= bounds(name, both[name].of(over_images))
        else:
            line |= dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    if "own" in values:
        line |= _of_each(rows, over_images)
    return line


def _of_each(rows: pd.DataFrame, over_images: bool) -> dict[str, float]:
    """The mean IoU with each annotator, over the targets that he or she drew, by name."""
    told: dict[str, list[tuple[float, Any, Any]]] = {}
    for row in rows.to_dict("records"):
        own = (row["attributes"] or {}).get("annotator")
        named = dict(row["other_ious"]) | ({} if own is None else {own: row["iou"]})
        for name, value in named.items():
            told.setdefault(name, []).append((value, row["image_id"], row["cluster"]))
    means = {n: averages(*zip(*some, strict=True)).of(over_images).mean for n, some in told.items()}
    return {f"annotator_{name}": means[name] for name in sorted(means)}


def _shown(frame: pd.DataFrame, selection: Selection, lacking: Sequence[str]) -> Section:
    titles = selection.titles("dataset")
    models = selection.titles("model") | {PEOPLE: "people, one against the others"}
    several = frame["protocol"].nunique() > 1
    named = [name for name in frame if str(name).startswith("annotator_")]
    named = named if len(named) <= MOST_NAMED else []
    heads = ["dataset", "model", *(["protocol"] if several else []), "prompt", "masks", "images"]
    heads += [*NUMBERS.values(), *(str(name).removeprefix("annotator_") for name in named)]
    rows = []
    for line in frame.to_dict("records"):
        names = [titles[line["dataset"]], models[line["model"]]]
        names += [line["protocol"]] if several else []
        sizes = counted(*(line[n] for n in ("images", "clusters", "effective", "largest")))
        values = [_interval(line, name) for name in NUMBERS]
        single = [points(line[name]) for name in named]
        rows.append((*names, line["prompt"], f"{line['masks']:,}", sizes, *values, *single))
    lows = [f"{name}_low" for name in NUMBERS]
    note = (
        "Targets that several annotators drew; IoU in points (×100). Own: with the annotator from "
        "whose mask the prompt was drawn; others: the mean over the other annotators; mean: over "
        "all of them; best: with the one that fits best. The line of people holds each target "
        "against the other annotators' masks, with no model in it, and bounds what "
        f"“others” can be expected to reach, {interval_said(frame, *lows)}."
        f"{few_said(frame, *lows)}"
    )
    note = " ".join([note, *lacking])
    title = "Several annotators"
    shown = tuple(heads), tuple(rows)
    return Section("annotators", title, note, *shown, frame, names=3 + several)


def _interval(line: Mapping[Any, Any], name: str) -> str:
    value, low, high = (points(line[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return with_bounds(value, low, high, line["few"])
