"""Two sides' rows on the masks that both have, mask by mask, and their differences by dataset."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.analysis.stats import Averages, paired_averages
from bench.types import Measure

MASK = ("dataset", "image_id", "mask_id")
"""What a mask is known by."""


def paired_rows(a: pd.DataFrame, b: pd.DataFrame, key: Sequence[str] = MASK) -> pd.DataFrame:
    """A row per mask that both have, by its ``key``; other columns end in ``_a`` and ``_b``.

    Both have ``cluster``, and so has the result: where one side's rows are of a release that knew
    of no clusters, it is the other side's. Raises ``MergeError`` for a mask that stands twice.
    """
    pairs: pd.DataFrame = a.merge(b, on=list(key), suffixes=("_a", "_b"), validate="one_to_one")
    left, right = (pairs.pop(f"cluster_{side}").astype(object) for side in "ab")
    pairs["cluster"] = left.where(left != pairs["image_id"], right)
    return pairs


def differences_of(pairs: pd.DataFrame, measure: Measure) -> dict[str, Averages]:
    """Of each dataset the measure of ``a`` minus that of ``b``, over masks and over images.

    Over the masks that it applies to on both sides.
    """
    name = measure.name
    known = pairs.dropna(subset=[f"{name}_a", f"{name}_b"])
    return {
        str(dataset): paired_averages(
            found[f"{name}_a"],
            found[f"{name}_b"],
            found["image_id"],
            found["cluster"],
            reach=measure.reach,
        )
        for dataset, found in known.groupby("dataset", observed=True)
    }
