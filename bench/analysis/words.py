"""Numbers as tables and sentences say them."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from bench.types import Measure

DASH = "–"
"""What a cell shows where a number does not apply."""


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


def with_bounds(value: str, low: str, high: str) -> str:
    """A number and its interval in one cell; the number alone where there is no interval.

    >>> with_bounds("61.3", "58.0", "64.1"), with_bounds("61.3", "–", "–")
    ('61.3 (58.0–64.1)', '61.3')
    """
    return value if DASH in (low, high) else f"{value} ({low}–{high})"


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
