"""Published ratings beside our own: Figs 11 and 18, and Table 8, of Segment Anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from bench.analysis.reference import published
from bench.analysis.section import Section
from bench.analysis.sections.ratings import rated, shown_ends, shown_p, signed_rating
from bench.analysis.wording.words import DASH
from bench.types import Step

_SLUGS = {step.slug: str(step) for step in (Step(1), Step(box=True))}
"""What published numbers call a way of asking → what tables do."""

_AGAINST = {"ritm_h32": "ritm", "sam_single_output": "single_output", "vitdet_h": "vitdet_h"}
"""A model → how the metrics of published differences name it."""


def published_rating_sections(means: pd.DataFrame, differences: pd.DataFrame) -> Iterator[Section]:
    """What was published of the ways of asking that ours has, ours beside it where there is one.

    ``means`` and ``differences`` are those of ``bench.analysis.sections.ratings``.
    """
    yield from _means(means)
    if len(differences):
        yield from _differences(differences)


def _means(means: pd.DataFrame) -> Iterator[Section]:
    table = published(metric="rating")
    halves = published(metric="rating_ci95_half")
    key = ["model", "dataset", "prompt", "source", "locator"]
    both = table.merge(halves[[*key, "value"]], on=key, how="left", suffixes=("", "_half"))
    both = both.assign(prompt=both["prompt"].map(_SLUGS))
    both = both[both["prompt"].isin(means["prompt"])].rename(columns={"value": "published"})
    names = ["dataset", "prompt", "model"]
    own = means[[*names, "title", "rating", "rating_low", "rating_high", "few"]]
    lines = both.merge(own, on=names, how="left")
    lines["difference"] = lines["rating"] - lines["published"]
    lines = _ours_first(lines, "rating", names)
    if lines.empty:
        return
    rows = tuple(
        (
            line["dataset"], line["prompt"],
            line["model"] if pd.isna(line["title"]) else line["title"],
            DASH if pd.isna(line["rating"]) else rated(line, "rating"),
            f"{line['published']:.1f}"
            + ("" if pd.isna(line["value_half"]) else f" ± {line['value_half']:.2f}"),
            DASH if pd.isna(line["difference"]) else signed_rating(line["difference"]),
            f"{line['source']}, {line['locator']}",
        )
        for line in lines.to_dict("records")
    )  # fmt: skip
    heads = ("dataset", "prompt", "model", "ours", "published", "difference", "source")
    note = (
        "What the Segment Anything paper prints of the same ways of asking, ± half of a 95 % "
        "interval. Other people rated other masks there, so that ours need not be the same."
    )
    kept = [*names, "rating", "rating_low", "rating_high", "published", "value_half",
            "difference", "source", "locator", "how_read", "note"]  # fmt: skip
    yield Section("published_ratings", "Published ratings", note, heads, rows, lines[kept], names=3)


def _differences(differences: pd.DataFrame) -> Iterator[Section]:
    asked = set(differences["prompt"])
    lines = [
        {**number, **_ours(differences, number)}
        for other in _AGAINST
        for number in _published_against(other)
        if number["prompt"] in asked
    ]
    if not lines:
        return
    frame = _ours_first(pd.DataFrame(lines), "delta", ["dataset", "prompt", "model_b"])
    rows = tuple(
        (
            line["dataset"], line["prompt"], line["model_a"], line["model_b"],
            shown_p(line["p"]), shown_ends(line["ci99_low"], line["ci99_high"]),
            shown_p(line["published_p"]),
            shown_ends(line["published_ci99_low"], line["published_ci99_high"]),
            f"{line['source']}, {line['locator']}",
        )
        for line in frame.to_dict("records")
    )  # fmt: skip
    heads = ("dataset", "prompt", "first", "second", "p", "99 %", "published p", "published 99 %",
             "source")  # fmt: skip
    note = "Segment Anything, Table 8: p of a paired t-test, 99 % of a paired bootstrap."
    yield Section(
        "published_differences", "Published differences", note, heads, rows, frame, names=4
    )


def _published_against(other: str) -> Iterator[dict[str, Any]]:
    """The published p and 99 % intervals of models against another one."""
    key = ["model", "dataset", "prompt"]
    p, low, high = (
        published(metric=f"delta_rating_vs_{_AGAINST[other]}_{name}").set_index(key)
        for name in ("p", "ci99_low", "ci99_high")
    )
    for line in p.reset_index().to_dict("records"):
        place = tuple(line[name] for name in key)
        yield {
            "dataset": line["dataset"], "prompt": _SLUGS.get(line["prompt"]),
            "model_a": line["model"], "model_b": other, "published_p": line["value"],
            "published_ci99_low": low.at[place, "value"],
            "published_ci99_high": high.at[place, "value"],
            "source": line["source"], "locator": line["locator"],
        }  # fmt: skip


def _ours(differences: pd.DataFrame, number: Mapping[str, Any]) -> dict[str, Any]:
    """Our difference of the same two models, whichever stands first in ours; nulls for none."""
    places = differences.set_index(["dataset", "prompt", "model_a", "model_b"])
    a, b = number["model_a"], number["model_b"]
    for first, second, sign in ((a, b, 1), (b, a, -1)):
        place = (number["dataset"], number["prompt"], first, second)
        if place in places.index:
            line = places.loc[place]
            low, high = sorted(sign * line[name] for name in ("ci99_low", "ci99_high"))
            return {"delta": sign * line["delta"], "p": line["p"], "ci99_low": low,
                    "ci99_high": high}  # fmt: skip
    return dict.fromkeys(("delta", "p", "ci99_low", "ci99_high"))


def _ours_first(lines: pd.DataFrame, ours: str, names: list[str]) -> pd.DataFrame:
    """Lines that have a number of ours first, then by their names."""
    ordered = lines.assign(lacking=lines[ours].isna()).sort_values(["lacking", *names])
    found: pd.DataFrame = ordered.drop(columns="lacking").reset_index(drop=True)
    return found
