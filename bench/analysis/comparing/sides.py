"""The two sides of a comparison: how they are called, and why they may not be comparable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bench.analysis.selection import Selection, part
from bench.analysis.table import SERIES
from bench.analysis.wording import notes
from bench.analysis.wording.titles import label_of
from bench.config.labels import distinct
from bench.protocol import all_choices
from bench.store.runs import RunStore
from bench.types import BenchError


def without_unrelated(
    sides: Sequence[Sequence[RunStore]],
) -> list[tuple[list[RunStore], list[str]]]:
    """Each side less the unfinished runs that face no run of another side, and what to say of it.

    A side of unfinished runs alone stays as it is, and so does one that has its like on another
    side, on the same dataset with a step of the same name: that leaving it out would change what is
    compared is for the user to say.
    """
    headers = [{store.folder: store.header() for store in side} for side in sides]
    found = []
    for number, side in enumerate(sides):
        others = [h for n, each in enumerate(headers) if n != number for h in each.values()]
        kept, said = [], []
        for store in side:
            header = headers[number][store.folder]
            if header.get("status") == "complete" or any(_alike(header, o) for o in others):
                kept.append(store)
                continue
            progress = f"{header.get('images_done', '?')} of {header.get('images', '?')} images"
            named = notes.short(store.folder.name, header)
            said.append(f"{named} is left out: it is unfinished ({progress}), and faces no run.")
        found.append((kept, said) if kept else (list(side), []))
    return found


def _alike(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two runs, by their headers, have a dataset and a reported step in common."""
    steps = [
        {label_of(said) for said in (header.get("report_steps") or {}).values()}
        for header in (a, b)
    ]
    return part(a, "dataset").get("name") == part(b, "dataset").get("name") and (
        bool(steps[0] & steps[1]) or not all(steps)
    )


def called(sides: Sequence[Selection]) -> list[str]:
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


_NUMERICS = ("dtype", "tf32", "compiled", "int8")


def unlike(a: Selection, b: Selection) -> Iterator[str]:
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


def facing(
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
