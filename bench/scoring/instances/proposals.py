"""Which proposal finds which target of a picture, and how soon."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.scoring.instances.matching import matches
from bench.types import BoolArray


def ranks(
    ious: npt.NDArray[np.float64], aside: BoolArray, crowds: BoolArray
) -> npt.NDArray[np.int64]:
    """The place (10, G) of the proposal that each target is matched with; D where it is missed.

    The arguments are those of ``matches``: the IoU (D, G) of the proposals, the best first, and the
    targets that don't count.

    >>> ious = np.array([[0.6, 0.0], [0.9, 0.72]])
    >>> ranks(ious, np.zeros(2, bool), np.zeros(2, bool))[[0, 4, 9]].tolist()
    [[0, 1], [1, 2], [2, 2]]
    """
    proposals, targets = ious.shape
    taken = matches(ious, aside, crowds)
    found = np.full((len(taken), targets), proposals, dtype=np.int64)
    threshold, place = np.nonzero(taken >= 0)
    found[threshold, taken[threshold, place]] = place
    return found


def recalled(places: npt.NDArray[np.int64], first: int, proposals: int) -> npt.NDArray[np.float64]:
    """The share (G,) of thresholds at which one of the ``first`` proposals is a target's.

    ``places`` is (10, G), as ``ranks`` gives it for so many ``proposals``.
    """
    hit: npt.NDArray[np.float64] = (places < min(first, proposals)).mean(axis=0)
    return hit
