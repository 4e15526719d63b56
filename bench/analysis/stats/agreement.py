"""How far people who rated the same things agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Agreement:
    """What several ratings of the same things say of each other.

    ``things`` have at least two ratings, ``ratings`` in all. ``spread`` is the mean over the things
    of their ratings' standard deviation (N - 1), in units of the scale (Segment Anything, appendix
    E, has 0.83 of five raters in its pilot). ``within_one`` is the share of pairs of ratings of one
    thing that are at most 1 apart. ``alpha`` is Krippendorff's, for a scale of equal steps: 1 for
    raters who always agree, about 0 where they agree as by chance; none where all are equal.
    """

    things: int
    ratings: int
    spread: float
    within_one: float
    alpha: float | None


def agreement(things: Sequence[npt.ArrayLike]) -> Agreement | None:
    """That of the ratings of each thing; none where no thing has two.

    Krippendorff, Content Analysis, 2004, section 11.3: α = 1 - D_o / D_e with squared differences.

    >>> found = agreement([[1, 2], [4, 4], [9, 8], [3]])
    >>> found.things, round(found.spread, 3), found.within_one, round(found.alpha, 3)
    (3, 0.471, 1.0, 0.968)
    """
    several = [values for each in things if len(values := np.asarray(each, dtype=np.float64)) > 1]
    if not several:
        return None
    everything = np.concatenate(several)
    number = len(everything)
    squares = [float(np.square(each - each.mean()).sum()) for each in several]
    # Over ordered pairs of n values, the squared differences add up to 2n Σ(x - mean)².
    observed = sum(
        2 * len(each) * own / (len(each) - 1) for each, own in zip(several, squares, strict=True)
    )
    whole = float(np.square(everything - everything.mean()).sum())
    expected = 2 * number * whole / (number - 1)
    gaps = np.concatenate(
        [np.abs(each[:, None] - each)[np.triu_indices(len(each), 1)] for each in several]
    )
    return Agreement(
        things=len(several),
        ratings=number,
        spread=float(np.mean([each.std(ddof=1) for each in several])),
        within_one=float((gaps <= 1).mean()),
        alpha=None if expected == 0 else 1 - observed / expected,
    )
