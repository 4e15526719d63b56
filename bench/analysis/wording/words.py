"""Numbers as tables and sentences say them."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from bench.analysis.stats.intervals import FEWEST, IN_A_MEAN
from bench.types import Measure

DASH = "–"
"""What a cell shows where a number does not apply."""


MARK = "*"
"""What stands behind an interval that may hold the truth less often than it says."""

INTERVAL = "95 % interval over images (jackknife, Student's t)"

FEW_NOTE = (
    "Fewer than 30 images (or fewer than 100 of very unequal size): the interval may hold the "
    "truth less often than 95 %."
)

SIZES = (
    "Behind the number of images, in brackets: how many of one size would carry as much, and the "
    "largest one's share of the masks; where images belong together, as frames of a video, that of "
    "what they belong to."
)


def interval_said(lines: pd.DataFrame, *lows: str) -> str:
    """What a caption says of its lines' intervals: that there are, and why some or all have none.

    ``lows`` are the columns of the lower bounds; ``clusters`` or ``images`` of a line tell why it
    has none, and ``dataset``, which is null for a mean of datasets.

    >>> lines = pd.DataFrame({"low": [None, None], "images": [2, 2]})
    >>> interval_said(lines, "low")
    'without an interval, which takes 3 images'
    >>> interval_said(lines.assign(images=4), "low")
    'without an interval, as the images agree exactly'
    """
    has = lines[list(lows)].notna().any(axis=1)
    if has.all():
        return f"with a {INTERVAL}"
    without = lines[~has]
    means = without["dataset"].isna() if "dataset" in lines else pd.Series(False, without.index)
    counts = next((without[name] for name in ("clusters", "images") if name in lines), None)
    reasons = []
    if counts is None or (few := ~means & (counts < FEWEST)).any():
        reasons.append(f"which takes {FEWEST} images")
    if counts is None or (~means & ~few).any():
        reasons.append("as the images agree exactly")
    if means.any():
        reasons.append(f"which a mean of datasets has where each has {IN_A_MEAN} images")
    why = ", or ".join(reasons)
    return f"with a {INTERVAL}, or without one, {why}" if has.any() else f"{_WITHOUT}, {why}"


_WITHOUT = "without an interval"


def few_said(lines: pd.DataFrame, *lows: str) -> str:
    """The sentence that explains the mark, where a line has a marked interval, a space before."""
    marked = lines["few"].astype(bool) & lines[list(lows)].notna().any(axis=1)
    return f" {MARK} {FEW_NOTE}" if marked.any() else ""


def points(value: float | None) -> str:
    """An IoU of [0, 1] in points with one decimal; a dash for none.

    >>> points(0.61349), points(None)
    ('61.3', '–')
    """
    return DASH if value is None or pd.isna(value) else f"{100 * value:.1f}"


def signed(value: float) -> str:
    """A difference of IoUs in points with its sign; a real minus.

    >>> signed(0.1424), signed(-0.031), signed(-0.0001)
    ('+14.2', '−3.1', '0.0')
    """
    shown = f"{100 * value:+.1f}".replace("-", "−")
    return "0.0" if shown in ("+0.0", "−0.0") else shown


def with_bounds(value: str, low: str, high: str, few: bool = False) -> str:
    """A number and its interval in one cell, marked; the number alone where there is no interval.

    >>> with_bounds("61.3", "58.0", "64.1", True), with_bounds("61.3", "–", "–", True)
    ('61.3 (58.0–64.1)*', '61.3')
    """
    return value if DASH in (low, high) else f"{value} ({low}–{high}){MARK * few}"


def definitions(measures: Iterable[Measure]) -> list[str]:
    """A sentence or more of what each measure is; those of a family once, behind all its titles.

    >>> share = "The share of masks whose IoU is at least N %."
    >>> titles = ("solved@80", "solved@90")
    >>> definitions([Measure(t[-2:], t[-2:], t, definition=share) for t in titles])
    ['solved@80, solved@90: The share of masks whose IoU is at least N %.']
    """
    titles: dict[str, list[str]] = {}
    for measure in measures:
        if measure.definition:
            titles.setdefault(measure.definition, []).append(measure.title)
    return [f"{', '.join(called)}: {definition}" for definition, called in titles.items()]


def counted(images: int, clusters: int, effective: float | None, largest: float | None) -> str:
    """How many images there are, and how much of the masks the largest one holds.

    >>> counted(12, 12, 6.02, 0.3), counted(900, 30, 21.3, 0.08), counted(3_000, 3_000, None, None)
    ('12 (6.0, 30 %)', '900 in 30 (21.3, 8 %)', '3,000')
    """
    number = f"{images:,}" if clusters == images else f"{images:,} in {clusters:,}"
    if effective is None or largest is None or pd.isna(effective) or pd.isna(largest):
        return number
    return f"{number} ({effective:,.1f}, {100 * largest:.0f} %)"
