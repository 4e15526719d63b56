"""Lines of one pixel: thinning, and the boundaries between the labels of a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bench.types import BenchError, BoolArray


def thinned(lines: BoolArray) -> BoolArray:
    """The lines (H, W) made one pixel wide; what hangs together still does.

    Guo and Hall's parallel thinning (CACM 32(3), 1989), which the BSDS benchmark asks of its maps
    before they are matched. Raises ``BenchError`` where scikit-image is not installed.
    """
    try:
        from skimage.morphology import thin
    except ImportError as error:
        raise BenchError(
            "edges are thinned by scikit-image: pip install 'sam-bench[edges]'"
        ) from error
    found: BoolArray = thin(lines)  # type: ignore[no-untyped-call]
    return found


def boundaries_of(labels: npt.NDArray[np.integer[Any]]) -> BoolArray:
    """The thin boundaries (H, W) between the labels (H, W) of one person's segments.

    A pixel lies on one whose right, lower, or lower right neighbour has another label. Thinned,
    that is what the ``Boundaries`` of BSDS500's files hold, to the pixel.

    >>> boundaries_of(np.array([[1, 1, 2, 2], [1, 1, 2, 2]])).astype(int)
    array([[0, 1, 0, 0],
           [0, 1, 0, 0]])
    """
    differ = np.zeros(labels.shape, dtype=bool)
    differ[:-1] |= labels[:-1] != labels[1:]
    differ[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    differ[:-1, :-1] |= labels[:-1, :-1] != labels[1:, 1:]
    return thinned(differ)
