"""People's ratings as tables: means, how they are spread, differences, agreement.

Every mean is over masks, a mask's rating being the mean of those that its raters gave. Differences
are paired: the same target's masks under two sources.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import pandas as pd

from bench.analysis.section import Section
from bench.analysis.stats.agreement import agreement
from bench.analysis.stats.intervals import Interval, Reach, apart, clustered_interval
from bench.analysis.stats.paired import paired_bootstrap, paired_t
from bench.analysis.table import bounds
from bench.analysis.wording.words import (
    DASH,
    counted,
    few_said,
    interval_said,
    with_bounds,
)
from bench.store.ratings import HIGHEST, LOWEST
from bench.types import BenchError

REACH: Reach = (float(LOWEST), float(HIGHEST))
SAMPLES, LEVEL = 10_000, 0.99
"""Of the paired bootstrap (Segment Anything, Table 8)."""

_BLOCK = ["dataset", "asked"]
_MASK = ["image_id", "mask_id"]


def mask_ratings(ratings: pd.DataFrame) -> pd.DataFrame:
    """A row per mask of each source: ``rating``, the mean over its raters, and their ``raters``.

    ``ratings`` is ``bench.store.ratings.Ratings.frame``; further columns are ``dataset, asked,
    model, title, truth, image_id, mask_id, cluster, job``. Raises ``BenchError`` where there is
    none.
    """
    if ratings.empty:
        raise BenchError("no mask is rated yet: open a rater's link, which `sam-bench rate` prints")
    keys = [*_BLOCK, "model", "title", "truth", *_MASK, "cluster", "job"]
    grouped = ratings.groupby(keys, sort=True)["value"]
    named = {"mean": "rating", "size": "raters"}
    found: pd.DataFrame = grouped.agg(["mean", "size"]).reset_index().rename(columns=named)
    return found


def rating_means(
    ratings: pd.DataFrame, planned: Mapping[tuple[str, str, str], int]
) -> pd.DataFrame:
    """A line per dataset, way of asking, and source, best first.

    ``planned`` says how many jobs there are of each. Columns ``dataset, prompt, model, title,
    truth, rating, rating_low, rating_high`` (1 to 10, a 95 % interval clustered by image),
    ``few, masks, planned, ratings, images, clusters, effective, largest``, ``share_1`` to
    ``share_10`` (of the ratings), and ``seconds``, the median a rating took.
    """
    masks, lines = mask_ratings(ratings), []
    for (dataset, asked, model), own in masks.groupby([*_BLOCK, "model"]):
        raw = ratings[ratings["job"].isin(own["job"])]
        found = clustered_interval(own["rating"], own["cluster"], reach=REACH)
        shares = raw["value"].value_counts(normalize=True)
        lines.append(
            {
                "dataset": dataset, "prompt": asked, "model": model,
                "title": own["title"].iloc[0], "truth": bool(own["truth"].iloc[0]),
                **bounds("rating", found), "few": found.few, "masks": len(own),
                "planned": planned[str(dataset), str(asked), str(model)], "ratings": len(raw),
                **_sizes(own, found), "seconds": float(raw["seconds"].median()),
                **{f"share_{n}": float(shares.get(n, 0.0)) for n in range(LOWEST, HIGHEST + 1)},
            }
        )  # fmt: skip
    frame: pd.DataFrame = pd.DataFrame(lines).sort_values(
        ["dataset", "prompt", "rating"], ascending=[True, True, False], ignore_index=True
    )
    return frame


def rating_differences(ratings: pd.DataFrame) -> pd.DataFrame:
    """A line per dataset, way of asking, and pair of sources, on the masks rated of both.

    The higher mean comes first. Columns ``dataset, prompt, a, b, model_a, model_b, delta, low,
    high`` (95 %, clustered by image), ``few, enough`` (clusters for a verdict), ``p`` (paired
    t-test, two-sided), ``ci99_low, ci99_high`` (paired bootstrap over masks), ``masks, images,
    clusters, effective, largest``.
    """
    lines = []
    for (dataset, asked), block in mask_ratings(ratings).groupby(_BLOCK):
        means = block.groupby("model")["rating"].mean().sort_values(ascending=False)
        for first, second in combinations(means.index, 2):
            sides = [block[block["model"] == model] for model in (first, second)]
            pairs = sides[0].merge(
                sides[1][[*_MASK, "rating", "title"]], on=_MASK, suffixes=("_a", "_b"),
                validate="one_to_one",
            )  # fmt: skip
            if pairs.empty:
                continue
            deltas = pairs["rating_a"] - pairs["rating_b"]
            found = clustered_interval(deltas, pairs["cluster"], reach=apart(REACH), lean=False)
            drawn = paired_bootstrap(deltas, samples=SAMPLES, level=LEVEL)
            low, high = (None, None) if drawn is None else drawn
            lines.append(
                {
                    "dataset": dataset, "prompt": asked, "a": pairs["title_a"].iloc[0],
                    "b": pairs["title_b"].iloc[0], "model_a": first, "model_b": second,
                    "delta": found.mean, "low": found.low, "high": found.high, "few": found.few,
                    "enough": found.enough, "p": paired_t(deltas), "ci99_low": low,
                    "ci99_high": high,
                    "masks": len(pairs), **_sizes(pairs, found),
                }
            )  # fmt: skip
    frame: pd.DataFrame = pd.DataFrame(lines)
    return frame


def rating_sections(
    ratings: pd.DataFrame, planned: Mapping[tuple[str, str, str], int]
) -> Iterator[Section]:
    """The tables of a study, in reading order; raises ``BenchError`` where nothing is rated."""
    means, differences = rating_means(ratings, planned), rating_differences(ratings)
    yield _means_section(means)
    yield _distribution_section(means)
    if len(differences):
        yield _differences_section(differences)
    yield from _agreement_section(ratings)
    yield _raters_section(ratings)


def _sizes(rows: pd.DataFrame, found: Interval) -> dict[str, Any]:
    return {
        "images": rows["image_id"].nunique(),
        "clusters": found.clusters,
        "effective": found.effective,
        "largest": found.largest,
    }


def _means_section(means: pd.DataFrame) -> Section:
    heads = ("dataset", "prompt", "model", "rating", "masks", "of", "ratings", "images", "seconds")
    rows = tuple(
        (
            line["dataset"], line["prompt"], line["title"], rated(line, "rating"),
            f"{line['masks']:,}", f"{line['planned']:,}", f"{line['ratings']:,}", _counted(line),
            _number(line["seconds"]),
        )
        for line in means.to_dict("records")
    )  # fmt: skip
    note = (
        "People's ratings from 1, no object, to 10, no visible fault, given blind. The mean over "
        "masks, a mask's rating being the mean of its raters', "
        f"{interval_said(means, 'rating_low')}; of so many masks that are to be rated. Seconds: "
        f"the median of the time that a page was in sight.{few_said(means, 'rating_low')}"
    )
    return Section("ratings", "Ratings", note, heads, rows, means, names=3)


def _distribution_section(means: pd.DataFrame) -> Section:
    values = [str(number) for number in range(LOWEST, HIGHEST + 1)]
    heads = ("dataset", "prompt", "model", *values)
    rows = tuple(
        (
            line["dataset"], line["prompt"], line["title"],
            *(f"{100 * line[f'share_{value}']:.0f} %" for value in values),
        )
        for line in means.to_dict("records")
    )  # fmt: skip
    names = ["dataset", "prompt", "model", "title", *(f"share_{value}" for value in values)]
    note = "The share of each number, of all ratings of a model's masks."
    return Section("distribution", "Distribution", note, heads, rows, means[names], names=3)


def _differences_section(lines: pd.DataFrame) -> Section:
    heads = ("dataset", "prompt", "first", "second", "difference", "p", "99 %", "masks", "images")
    rows = tuple(
        (
            line["dataset"], line["prompt"], line["a"], line["b"],
            _between(signed_rating, line["delta"], line["low"], line["high"], line["few"]),
            shown_p(line["p"]), shown_ends(line["ci99_low"], line["ci99_high"]),
            f"{line['masks']:,}", _counted(line),
        )
        for line in lines.to_dict("records")
    )  # fmt: skip
    note = (
        "The first's rating less the second's on the same targets, "
        f"{interval_said(lines, 'low')}. As the Segment Anything paper has it (Table 8): p of a "
        f"paired t-test over masks, two-sided, and the 99 % interval of {SAMPLES:,} samples of a "
        "paired bootstrap over masks; neither knows that masks of one image go together."
        f"{few_said(lines, 'low')}"
    )
    return Section("rating_differences", "Differences", note, heads, rows, lines, names=4)


def _agreement_section(ratings: pd.DataFrame) -> Iterator[Section]:
    lines: list[dict[str, Any]] = []
    for (dataset, asked), block in ratings.groupby(_BLOCK):
        found = agreement([each.to_numpy() for _, each in block.groupby("job")["value"]])
        if found is not None:
            lines.append(
                {
                    "dataset": dataset, "prompt": asked, "masks": found.things,
                    "ratings": found.ratings, "spread": found.spread,
                    "within_one": found.within_one, "alpha": found.alpha,
                }
            )  # fmt: skip
    if not lines:
        return
    rows = tuple(
        (
            line["dataset"], line["prompt"], f"{line['masks']:,}", f"{line['ratings']:,}",
            f"{line['spread']:.2f}", f"{100 * line['within_one']:.0f} %",
            DASH if line["alpha"] is None else f"{line['alpha']:.2f}".replace("-", "−"),
        )
        for line in lines
    )  # fmt: skip
    heads = ("dataset", "prompt", "masks", "ratings", "spread", "within 1", "alpha")
    note = (
        "Masks that several people rated. Spread: the mean of the standard deviations of a mask's "
        "ratings (0.83 of five raters in the pilot of the Segment Anything paper, appendix E). "
        "Within 1: of pairs of ratings of one mask, those at most 1 apart. Alpha: Krippendorff's, "
        "of a scale of equal steps; 1 where raters always agree, about 0 where as by chance."
    )
    yield Section("agreement", "Agreement", note, heads, rows, pd.DataFrame(lines), names=2)


def _raters_section(ratings: pd.DataFrame) -> Section:
    grouped = ratings.groupby("rater")
    lines = pd.DataFrame(
        {
            "ratings": grouped.size(),
            "mean": grouped["value"].mean(),
            "deviation": grouped["value"].std(),
            "seconds": grouped["seconds"].median(),
            "changed": grouped["changes"].agg(lambda changes: int((changes > 0).sum())),
        }
    ).reset_index()
    rows = tuple(
        (
            line["rater"], f"{line['ratings']:,}", f"{line['mean']:.2f}",
            _number(line["deviation"], 2), _number(line["seconds"]), f"{line['changed']:,}",
        )
        for line in lines.to_dict("records")
    )  # fmt: skip
    heads = ("rater", "ratings", "mean", "standard deviation", "seconds", "changed")
    note = "Each rater's numbers; seconds are the median, changed counts ratings that were revised."
    return Section("raters", "Raters", note, heads, rows, lines, names=1)


def _counted(line: Mapping[Any, Any]) -> str:
    return counted(*(line[name] for name in ("images", "clusters", "effective", "largest")))


def _number(value: float | None, digits: int = 1) -> str:
    return DASH if value is None or pd.isna(value) else f"{value:.{digits}f}"


def rated(line: Mapping[Any, Any], name: str) -> str:
    """A mean rating of a line with its interval."""
    low, high = (_number(line[f"{name}_{end}"], 2) for end in ("low", "high"))
    return with_bounds(_number(line[name], 2), low, high, bool(line["few"]))


def signed_rating(value: float) -> str:
    """A difference of ratings with its sign; a real minus."""
    shown = f"{value:+.2f}".replace("-", "−")
    return "0.00" if shown in ("+0.00", "−0.00") else shown


def shown_ends(low: float | None, high: float | None) -> str:
    """An interval of a difference; a dash for none."""
    known = low is not None and high is not None and not pd.isna(low)
    return f"{signed_rating(low)} to {signed_rating(high)}" if known else DASH  # type: ignore[arg-type]


def _between(show: Any, value: float, low: float | None, high: float | None, few: bool) -> str:
    if low is None or pd.isna(low):
        return str(show(value))
    return f"{show(value)} ({shown_ends(low, high)}){'*' * bool(few)}"


def shown_p(value: float | None) -> str:
    """A p as the paper prints it, with one digit where it is small.

    >>> [shown_p(value) for value in (0.25, 0.0123, 4e-69, 0.0, None)]
    ['0.25', '0.012', '4e-69', '<1e-300', '–']
    """
    if value is None or pd.isna(value):
        return DASH
    if value < 1e-300:
        return "<1e-300"
    return f"{value:.2g}" if value >= 0.001 else f"{value:.0e}"
