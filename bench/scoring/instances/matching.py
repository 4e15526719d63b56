"""Which prediction takes which target of a picture, as COCO's evaluation matches them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from bench.types import BoolArray

IOUS = np.linspace(0.5, 0.95, 10)
"""The thresholds that recall and precision are averaged over."""

SIZES: Mapping[str, tuple[float, float]] = {
    "small": (0, 32**2),
    "medium": (32**2, 96**2),
    "large": (96**2, 10**10),
}
"""COCO's areas in pixels, both ends included: one of exactly 32² is small and medium."""

_ALMOST_1 = 1 - 1e-10


def within(size: str, areas: npt.ArrayLike) -> BoolArray:
    """Which of the areas (N,) are of a size, a key of ``SIZES``; any other name takes them all."""
    low, high = SIZES.get(size, (0, 10**10))
    values = np.asarray(areas, dtype=np.float64)
    inside: BoolArray = (values >= low) & (values <= high)
    return inside


def matches(
    ious: npt.NDArray[np.float64], aside: BoolArray, crowds: BoolArray
) -> npt.NDArray[np.int64]:
    """The target (10, D) that each prediction takes at each threshold; -1 where it takes none.

    ``ious`` is (D, G), the predictions in their order, the best first; with a crowd it is the share
    of the prediction that lies inside. Targets ``aside`` (G,) don't count, and neither do
    ``crowds`` (G,), which are taken any number of times. A prediction takes of the targets that are
    free the one of largest IoU, if that reaches the threshold, one that counts before those that
    don't; of equal IoUs the last in the order. So do the predictions in turn (Lin and others, COCO,
    as pycocotools).

    >>> ious = np.array([[0.6, 0.0], [0.9, 0.72]])
    >>> matches(ious, np.zeros(2, bool), np.zeros(2, bool))[[0, 4, 9]].tolist()
    [[0, 1], [-1, 0], [-1, -1]]
    """
    predictions, targets = ious.shape
    taken = np.full((len(IOUS), predictions), -1, dtype=np.int64)
    free = np.ones((len(IOUS), targets), dtype=bool)
    left_out = aside | crowds
    order = np.argsort(left_out, kind="stable")
    least = np.minimum(IOUS, _ALMOST_1)[:, None]
    reach = ious.max(initial=0.0, axis=1) >= IOUS[0]
    for place in np.flatnonzero(reach):
        row = ious[place][None]
        fits = (free | crowds) & (row >= least)
        for chosen in (~left_out, left_out):
            among = fits & chosen
            values = np.where(among, row, -1.0)[:, order]
            # The last of equal ones: looked for from behind.
            best = order[targets - 1 - values[:, ::-1].argmax(axis=1)]
            there = np.flatnonzero(among.any(axis=1))
            taken[there, place] = best[there]
            free[there, best[there]] = False
            fits[there] = False
    return taken
