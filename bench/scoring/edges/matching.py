"""Which edge pixels of a map are people's: a one-to-one matching of least cost.

The BSDS benchmark (Martin, Fowlkes and Malik, TPAMI 26(5), 2004, section 3) lets a pixel of a map
answer one boundary pixel within a reach. A pair costs its distance, in hundredths of a pixel, and a
pixel that finds none costs a hundred times the reach, so that as many pixels as can be are matched.
Here that optimum is found exactly. The published code looks for it among a few random ways to leave
a pixel alone, drawn anew at each call: it misses up to 3 in 10,000 matches, and its numbers move by
about 1 in 10,000 from call to call (``benchmarks/edge_fidelity.py``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from bench.types import BoolArray

REACH = 0.0075
"""How far a matched pixel may lie, as a share of the picture's diagonal."""

ALONE = 100.0
"""What a pixel without a partner costs, as a multiple of the reach."""

_PER_PIXEL = 100
"""Costs are whole hundredths of a pixel."""

Numbers = npt.NDArray[np.intp]


def reach_in(shape: tuple[int, int], share: float = REACH) -> float:
    """The reach in pixels in a picture of (H, W).

    >>> round(reach_in((321, 481)), 3)
    4.337
    """
    return share * float(np.hypot(*shape))


def matched(lines: BoolArray, truth: BoolArray, reach: float) -> tuple[BoolArray, BoolArray]:
    """Which pixels of two thin maps (H, W) are matched, each (H, W); as many in one as the other.

    >>> a, b = np.zeros((2, 3, 8), dtype=bool)
    >>> a[1, [0, 1, 6]] = b[2, [1, 7]] = True
    >>> found, met = matched(a, b, reach=1.5)
    >>> np.argwhere(found).tolist(), np.argwhere(met).tolist()
    ([[1, 1], [1, 6]], [[2, 1], [2, 7]])
    """
    both = [np.argwhere(each) for each in (lines, truth)]
    marks = [np.zeros(each.shape, dtype=bool) for each in (lines, truth)]
    if all(map(len, both)):
        near = cKDTree(both[0]).sparse_distance_matrix(
            cKDTree(both[1]), reach, output_type="coo_matrix"
        )
        if near.nnz:
            costs = np.rint(near.data * _PER_PIXEL)
            alone = np.ceil(ALONE * reach * _PER_PIXEL)
            pairs = _cheapest(near.row, near.col, costs, alone)
            for mark, pixels, chosen in zip(marks, both, pairs, strict=True):
                mark[tuple(pixels[chosen].T)] = True
    return marks[0], marks[1]


def _cheapest(
    a: Numbers, b: Numbers, costs: npt.NDArray[np.float64], alone: float
) -> tuple[Numbers, Numbers]:
    """The pairs of a matching of least cost: edge i joins ``a[i]`` and ``b[i]`` for ``costs[i]``.

    The fewer ones each have a partner of their own beside, that costs ``alone``: so a matching that
    leaves none of them over is one in which they may all stay alone. For a pixel more that stays
    alone on this side there is one more on the other, so its cost counts once.
    """
    (ones, i), (others, j) = (np.unique(each, return_inverse=True) for each in (a, b))
    swapped = len(ones) > len(others)
    if swapped:
        ones, others, i, j = others, ones, j, i
    few, many = len(ones), len(others)
    rows = np.concatenate([i, np.arange(few)])
    columns = np.concatenate([j, many + np.arange(few)])
    # One more for each, as a stored zero would be no edge.
    weights = np.concatenate([costs, np.full(few, alone)]) + 1
    graph = csr_array((weights, (rows, columns)), shape=(few, many + few))
    left, right = min_weight_full_bipartite_matching(graph)
    paired = right < many
    found = ones[left[paired]], others[right[paired]]
    return (found[1], found[0]) if swapped else found
