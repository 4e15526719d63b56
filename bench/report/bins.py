"""In which bar or cell a value lies: one rule for figures and for the lists that they open.

Values are brought to whole parts of ``UNIT`` first, as the page holds them, so that a mask lies in
the bar whose list has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

UNIT = 100_000
"""What an IoU of 1 is written as in a page."""

BARS = 20
"""Bars of a histogram of IoUs, each of 5 points."""
CELLS = 25
"""Cells of a density along each side, each of 4 points."""
STEPS = 41
"""Bars of a histogram of differences, each of 5 points, the middle one around 0."""


def whole(values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Values as whole parts of ``UNIT``, cut off: so none gets into the next bar, or rounded twice.

    In points with one decimal, halves upwards, they are what a table shows of the values
    themselves; one part is added or taken where the page would round the other way.

    >>> whole([0.98249999, 0.9825, 0.98251, 0.29, 1.0]).tolist()
    [98249, 98249, 98251, 29000, 100000]
    >>> [f"{100 * value:.1f}" for value in (0.98249999, 0.9825, 0.98251)]
    ['98.2', '98.2', '98.3']
    """
    array = np.asarray(values, dtype=np.float64)
    found: npt.NDArray[np.int64] = np.floor(array * UNIT + 1e-6).astype(np.int64)
    close = np.isin(found % _TENTH, (_TENTH // 2 - 1, _TENTH // 2))
    for place in np.flatnonzero(close):
        tenths = round(10 * float(f"{100 * array.flat[place]:.1f}"))
        middle = _TENTH * tenths
        least, most = middle - _TENTH // 2, middle + _TENTH // 2 - 1
        found.flat[place] = min(max(int(found.flat[place]), least), most)
    return found


_TENTH = UNIT // 1000
"""A tenth of a point."""


def bar_of(values: npt.ArrayLike, bars: int) -> npt.NDArray[np.int64]:
    """Which of so many bars over [0, 1] each value lies in; 1 is in the last, 0 to it is no gap.

    >>> bar_of([0.0, 0.049, 0.05, 0.9999999, 1.0], 20).tolist()
    [0, 0, 1, 19, 19]
    """
    found: npt.NDArray[np.int64] = np.clip(whole(values) * bars // UNIT, 0, bars - 1)
    return found


def step_of(left: npt.ArrayLike, right: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Which bar of ``STEPS`` over [-102.5, 102.5] points ``left - right`` lies in.

    >>> step_of([0.5, 0.526, 1.0, 0.0], [0.5, 0.5, 0.0, 1.0]).tolist()
    [20, 21, 40, 0]
    """
    delta = whole(left) - whole(right)
    found: npt.NDArray[np.int64] = (delta + UNIT * STEPS // 40) // (UNIT // 20)
    return found


def bar_edges(bars: int) -> npt.NDArray[np.float64]:
    """The edges (bars + 1,) of the bars over [0, 1], in points."""
    edges: npt.NDArray[np.float64] = np.linspace(0, 100, bars + 1)
    return edges


def step_edges() -> npt.NDArray[np.float64]:
    """The edges (STEPS + 1,) of the bars of differences, in points."""
    edges: npt.NDArray[np.float64] = np.linspace(-2.5 * STEPS, 2.5 * STEPS, STEPS + 1)
    return edges


def counted(cells: npt.NDArray[np.int64], bars: int, weights: Any = None) -> npt.NDArray[Any]:
    """How many values, or how much weight, each of the bars has: (bars,)."""
    found: npt.NDArray[Any] = np.bincount(cells, weights=weights, minlength=bars)
    return found
