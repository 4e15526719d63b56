"""Which line of a table is shown to be the best of its dataset and prompt: what stands in bold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd

from bench.analysis.stats import SHOWN, holm, mean_averages
from bench.analysis.stats.pairing import MASK, differences_of, paired_rows
from bench.types import ORACLE, Measure

Key: TypeAlias = tuple[str, str, str]
"""Dataset, "" for the mean over them, model and protocol of a line."""

Series: TypeAlias = tuple[str, str]
"""Model and protocol."""

BOLD = (
    "Bold: shown to be the best of its dataset{beside}, ahead of every other line there in a "
    "paired test on the masks that both have (p < 0.05 over masks and over images, corrected for "
    "the number of others by Holm's method, not for that of {tests}); what is not shown to differ "
    "is not bold."
)


def is_shown(p: float | None) -> bool:
    """Whether a p of ``p_of_best`` makes its line stand in bold."""
    return p is not None and p < SHOWN


def key_of(line: Mapping[Any, Any]) -> Key:
    """What a line of a table is known by at one prompt label."""
    dataset = "" if pd.isna(line["dataset"]) else str(line["dataset"])
    return dataset, str(line["model"]), str(line["protocol"])


def p_of_best(
    means: Mapping[Key, float], rows: pd.DataFrame, label: str, measure: Measure
) -> dict[Key, float | None]:
    """The best mean of each dataset, with the largest p of its differences to the others there.

    ``means`` and the rows that count are those of a prompt ``label``; ``rows`` have it, ``dataset,
    image_id, mask_id, cluster, model, protocol`` and the measure's value. The differences are
    paired (``Averages.p``), their p corrected for the number of others (Holm); 1 where on the masks
    that both have another one is ahead, none where a difference has none, where nothing stands
    beside it, and for the oracle.
    """
    several = len({key[1:] for key in means}) > 1
    sides = dict(_sides(rows, label, measure)) if several else {}
    found: dict[Key, float | None] = {}
    for dataset in {key[0] for key in means}:
        here = {key[1:]: mean for key, mean in means.items() if key[0] == dataset}
        top = (max if measure.better == "higher" else min)(here, key=here.__getitem__)
        p = None
        if len(here) > 1 and measure.name != ORACLE.name:
            others = [sides[series] for series in here if series != top]
            p = _largest_p(sides[top], others, dataset, measure)
        found[(dataset, top[0], top[1])] = p
    return found


def _sides(
    rows: pd.DataFrame, label: str, measure: Measure
) -> Iterator[tuple[Series, pd.DataFrame]]:
    if measure.name not in rows:  # the oracle's, which is not tested
        return
    needed = [*MASK, "cluster", measure.name]
    of_label = rows.loc[rows["label"] == label, ["model", "protocol", *needed]]
    for (model, protocol), own in of_label.groupby(["model", "protocol"], observed=True):
        yield (str(model), str(protocol)), own[needed]


def _largest_p(
    best: pd.DataFrame, others: Sequence[pd.DataFrame], dataset: str, measure: Measure
) -> float | None:
    found: list[float] = []
    for other in others:
        by_dataset = differences_of(paired_rows(best, other), measure)
        if dataset:
            each = by_dataset.get(dataset)
        else:  # a mean over other datasets than the line's says nothing of it
            everywhere = set(best["dataset"]) == set(other["dataset"]) == set(by_dataset)
            each = mean_averages(list(by_dataset.values())) if everywhere else None
        if each is None or each.p is None:
            return None
        found.append(each.p if measure.is_ahead(each.masks.mean) else 1.0)
    return max(p for p in holm(found) if p is not None)
