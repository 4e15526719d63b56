"""Labels as every reader has them: (H, W) int32, whatever whole numbers a file stores.

A number beyond int32 is refused: cut to 32 bits it would be another object's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.data.formats.pictures import LabelArray

_RANGE = np.iinfo(np.int32)


def label_array(values: Any) -> LabelArray:
    """Whole numbers (H, W) of any width as int32.

    Raises ``ValueError`` for anything else, and for numbers that don't fit.

    >>> label_array(np.array([[0, 2**32 + 5]]))
    Traceback (most recent call last):
    ValueError: a label is -2147483648 to 2147483647, found 4294967301
    """
    found = np.asarray(values)
    if found.ndim != 2 or found.dtype.kind not in "iu":
        raise ValueError(f"labels are whole numbers (H, W), found {found.dtype} {found.shape}")
    for number in (found.min(initial=0), found.max(initial=0)):
        if not _RANGE.min <= int(number) <= _RANGE.max:
            raise ValueError(f"a label is {_RANGE.min} to {_RANGE.max}, found {number}")
    labels: LabelArray = found.astype(np.int32)
    return labels


def whole_numbers(values: Any) -> list[int]:
    """A list's or an array's numbers, each a whole one, be it stored as a float.

    Raises ``ValueError`` for anything else.
    """
    found = np.ravel(np.asarray(values))
    whole = found.dtype.kind in "iu" or (
        found.dtype.kind == "f" and bool(np.all(np.isfinite(found) & (found == np.trunc(found))))
    )
    if not whole:
        raise ValueError(f"whole numbers are expected, found {str(found)[:60]}")
    return [int(number) for number in found]
