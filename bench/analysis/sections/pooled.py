"""Numbers of all pictures' counts together, such as an F of sums: their intervals and their lines.

They are no means over rows, so an interval comes of leaving out each cluster of pictures in turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.analysis.stats.intervals import SHARES, Interval, Reach, left_out_interval
from bench.analysis.table import bounds
from bench.analysis.wording.words import DASH, counted, points, with_bounds


def pooled_intervals(
    whole: Mapping[str, float | None],
    without: Sequence[Mapping[str, float | None]],
    sizes: npt.ArrayLike,
    reaches: Mapping[str, Reach] | None = None,
) -> dict[str, Interval | None]:
    """Each number of ``whole`` with its interval; none where the number is.

    ``without`` (n,) are the numbers with each cluster left out, ``sizes`` (n,) how many pictures
    that one has; a number is from 0 to 1 unless ``reaches`` says otherwise. One that there is not
    without some cluster hangs on it, and has no bounds.
    """
    found: dict[str, Interval | None] = {}
    for name, value in whole.items():
        others = [number for each in without if (number := each[name]) is not None]
        if value is None:
            found[name] = None
            continue
        if len(others) < len(without):
            others = [value] * len(without)
        reach = (reaches or {}).get(name, SHARES)
        found[name] = left_out_interval(value, others, sizes, reach=reach)
    return found


def pooled_line(
    run: str,
    rows: pd.DataFrame,
    prompt: str,
    leads: str,
    numbers: Mapping[str, Interval | None],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """The line of a run's table: its names and numbers of pictures, ``more``, and each number.

    The clusters are those of the number ``leads``, which there is.
    """
    first, main = rows.iloc[0], numbers[leads]
    assert main is not None
    line: dict[str, Any] = {
        "run": run,
        "dataset": str(first["dataset"]),
        "model": str(first["model"]),
        "protocol": str(first["protocol"]),
        "prompt": prompt,
        "images": int(rows["image_id"].nunique()),
        "clusters": main.clusters,
        "effective": main.effective,
        "largest": main.largest,
        "few": main.few,
        **more,
    }
    for name, interval in numbers.items():
        none = dict.fromkeys((name, f"{name}_low", f"{name}_high"))
        line |= none if interval is None else bounds(name, interval)
    return line


def sizes_said(line: Mapping[str, Any]) -> str:
    """A line's number of pictures, as ``counted`` says it."""
    return counted(*(line[name] for name in ("images", "clusters", "effective", "largest")))


def pooled_cell(line: Mapping[str, Any], name: str, *, plain: bool = False) -> str:
    """A number of a line with its bounds: in points, or as it is with two decimals (``plain``).

    >>> line = {"r": -0.25, "r_low": -0.5, "r_high": 0.125, "few": True}
    >>> pooled_cell(line, "r", plain=True), pooled_cell(line | {"r": None}, "r")
    ('−0.25 (−0.50–0.12)*', '–')
    """

    def said(value: float) -> str:
        return (f"{value:.2f}" if plain else points(value)).replace("-", "−")

    if line[name] is None:
        return DASH
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    if low is None or high is None:
        return said(line[name])
    return with_bounds(said(line[name]), said(low), said(high), line["few"])


def as_numbers(
    values: Mapping[str, npt.NDArray[np.float64]],
) -> list[dict[str, float | None]]:
    """Numbers by name, each (n,), as n of them by name; none for NaN."""
    columns = {name: each.tolist() for name, each in values.items()}
    return [
        {name: None if np.isnan(value) else value for name, value in zip(columns, row, strict=True)}
        for row in zip(*columns.values(), strict=True)
    ]
