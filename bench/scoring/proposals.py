"""Which proposal finds which target of a picture, as COCO's evaluation matches them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.types import BoolArray

IOUS = np.linspace(0.5, 0.95, 10)
"""The thresholds that recall is averaged over."""

SIZES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 10**10)}
"""COCO's areas in pixels, both ends included: one of exactly 32² is small and medium."""

_ALMOST_1 = 1 - 1e-10


def ranks(
    ious: npt.NDArray[np.float64], aside: BoolArray, crowds: BoolArray
) -> npt.NDArray[np.int64]:
    """The place (10, G) of the proposal that each target is matched with; D where it is missed.

    ``ious`` is (D, G), the proposals in their order, the best first; with a crowd it is the share
    of the proposal that lies inside. Targets ``aside`` (G,) don't count, and neither do ``crowds``
    (G,), which take any number of proposals. A proposal takes of the targets that are free the one
    of largest IoU, if that reaches the threshold, one that counts before those that don't; of equal
    IoUs the last in the order. So do the proposals in turn (Lin and others, COCO, as pycocotools).

    >>> ious = np.array([[0.6, 0.0], [0.9, 0.72]])
    >>> ranks(ious, np.zeros(2, bool), np.zeros(2, bool))[[0, 4, 9]].tolist()
    [[0, 1], [1, 2], [2, 2]]
    """
    proposals, targets = ious.shape
    found = np.full((len(IOUS), targets), proposals, dtype=np.int64)
    left_out = aside | crowds
    order = np.argsort(left_out, kind="stable")
    least = np.minimum(IOUS, _ALMOST_1)[:, None]
    reach = ious.max(initial=0.0, axis=1) >= IOUS[0]
    for place in np.flatnonzero(reach):
        row = ious[place][None]
        free = (found == proposals) | crowds
        fits = free & (row >= least)
        for chosen in (~left_out, left_out):
            among = fits & chosen
            values = np.where(among, row, -1.0)[:, order]
            # The last of equal ones: looked for from behind.
            best = order[values.shape[1] - 1 - values[:, ::-1].argmax(axis=1)]
            there = np.flatnonzero(among.any(axis=1))
            found[there, best[there]] = place
            fits[there] = False
    return found


def recalled(places: npt.NDArray[np.int64], first: int, proposals: int) -> npt.NDArray[np.float64]:
    """The share (G,) of thresholds at which one of the ``first`` proposals is a target's.

    ``places`` is (10, G), as ``ranks`` gives it for so many ``proposals``.
    """
    hit: npt.NDArray[np.float64] = (places < min(first, proposals)).mean(axis=0)
    return hit
