"""Average precision of detections, of all images' rows together: COCO's and LVIS's numbers.

It is no mean over images: detections of all images are ranked by their scores, category by
category, and precision is read off one curve each (Lin and others, COCO; Gupta and others, LVIS).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.analysis.every_row import clusters
from bench.analysis.section import Section
from bench.analysis.sections.pooled import pooled_cell, pooled_line, sizes_said
from bench.analysis.selection import Selection
from bench.analysis.stats.intervals import Interval, left_out_interval
from bench.analysis.wording.titles import labels_of
from bench.analysis.wording.words import few_said, interval_said, points
from bench.files.names import id_order
from bench.scoring.instances.average_precision import left_out_precisions
from bench.scoring.instances.matching import IOUS, within
from bench.types.rows.boxes import AREAS, FOUND

Array: TypeAlias = npt.NDArray[np.float64]

NUMBERS: Mapping[str, str] = {
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap_small": "small",
    "ap_medium": "medium",
    "ap_large": "large",
    "ap_rare": "rare",
    "ap_common": "common",
    "ap_frequent": "frequent",
    "box_ap": "box AP",
}
"""What a line has with an interval, called as in ``bench.analysis.reference``, and its heading."""

_FREQUENCIES = ("rare", "common", "frequent")
_BOX = "box"
_PARTS = (*AREAS, _BOX)
"""The endings of the columns ``hits_…`` and ``aside_…``."""

GROUPS = 100
"""The most parts that images are left out in, to see how far a number hangs on them."""


@dataclass(frozen=True, slots=True)
class Category:
    """The detections of one category, N with the best score first, and its M targets that count.

    ``hits`` and ``wrong`` are (10, N) bool by part, ``owners`` (N,) the clusters of the detections;
    ``sizes`` says by part which targets (M,) are of it, ``target_owners`` (M,) whose they are.
    """

    hits: Mapping[str, npt.NDArray[np.bool_]]
    wrong: Mapping[str, npt.NDArray[np.bool_]]
    owners: npt.NDArray[np.intp]
    sizes: Mapping[str, npt.NDArray[np.bool_]]
    target_owners: npt.NDArray[np.intp]
    frequency: str | None

    def precisions(self, part: str, group_of: npt.NDArray[np.intp], groups: int) -> Array:
        """The average precision (10, 1 + G) of a part: whole, and without each group of clusters.

        ``group_of`` (C,) is the group of each cluster; NaN where no target is of the part.
        """
        hits, wrong = self.hits[part], self.wrong[part]
        sought = group_of[self.target_owners[self.sizes[part]]]
        targets = len(sought) - np.bincount(sought, minlength=groups)
        counts = np.concatenate([[len(sought)], targets])
        return left_out_precisions(hits, wrong, counts, group_of[self.owners], np.arange(groups))


@dataclass(frozen=True, slots=True)
class Detected:
    """A run's detections and targets at one step, and how many images each cluster has (C,)."""

    categories: Sequence[Category]
    sizes: npt.NDArray[np.int64]
    images: int

    def numbers(self) -> dict[str, Interval | None]:
        """Each of ``NUMBERS`` with its interval; none where no category has it.

        Where there are more than ``GROUPS`` clusters, they are left out in as many parts, every
        hundredth together. A number that there is not without some part has no bounds.
        """
        groups = min(GROUPS, len(self.sizes))
        group_of = np.arange(len(self.sizes)) % groups
        counts = np.bincount(group_of, weights=self.sizes)
        found: dict[str, Interval | None] = {}
        for name, means in self._means(group_of, groups).items():
            whole, others = means[0], means[1:]
            if np.isnan(whole):
                found[name] = None
            else:
                missing = bool(np.isnan(others).any())
                found[name] = left_out_interval(
                    whole, [whole] * groups if missing else others, counts
                )
        return found

    def _means(self, group_of: npt.NDArray[np.intp], groups: int) -> dict[str, list[float]]:
        """Each number's mean over the categories that have it, whole and without each group."""
        values: dict[str, list[Array]] = {name: [] for name in NUMBERS}
        for category in self.categories:
            for part in _PARTS:
                found = category.precisions(part, group_of, groups)
                mean = found.mean(axis=0)
                if part != "all":
                    values["box_ap" if part == _BOX else f"ap_{part}"].append(mean)
                    continue
                values["ap"].append(mean)
                values["ap50"].append(found[0])
                values["ap75"].append(found[_AT_75])
                if category.frequency in _FREQUENCIES:
                    values[f"ap_{category.frequency}"].append(mean)
        return {name: _mean_of_known(each, groups + 1) for name, each in values.items()}


def _mean_of_known(values: Sequence[Array], columns: int) -> list[float]:
    """The mean of some rows (columns,) less their NaNs; NaN where a column has nothing else."""
    stacked = np.array(values, dtype=np.float64).reshape(len(values), columns)
    known = ~np.isnan(stacked)
    sums, counts = np.where(known, stacked, 0.0).sum(axis=0), known.sum(axis=0)
    means: list[float] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).tolist()
    return means


_AT_75 = int(np.argmin(np.abs(IOUS - 0.75)))

_COLUMNS = (
    "dataset", "model", "protocol", "prompt", "cluster", "category", "attributes", "area",
    "file_area", "counts", "entry", "score",
    *(f"{kind}_{part}" for kind in ("hits", "aside") for part in _PARTS),
)  # fmt: skip


def detected(rows: pd.DataFrame) -> Detected:
    """The detections and targets of a run's rows at one step.

    Of equal scores those of the image that comes first go first, by its number where ids are
    numbers, and of an image's those that come first in the file: as in pycocotools.
    """
    images = sorted(rows["image_id"].unique(), key=id_order)
    place = rows["image_id"].map({image: number for number, image in enumerate(images)})
    owners, _ = pd.factorize(clusters(rows), sort=True)
    rows = rows.assign(place=place, owner=owners, category=rows["category"].fillna(""))
    sizes = rows.groupby("owner")["image_id"].nunique().to_numpy()
    targets = rows[rows["counts"].fillna(False).astype(bool)]
    found = rows[rows["entry"].notna() & rows["category"].isin(targets["category"].unique())]
    found = found.assign(rank=-found["score"]).sort_values(["category", "rank", "place", "entry"])
    of_category = dict(iter(found.groupby("category")))
    categories = [
        _category(of_category.get(name, found.iloc[:0]), some)
        for name, some in targets.groupby("category")
    ]
    return Detected(categories, sizes, len(images))


def _category(found: pd.DataFrame, targets: pd.DataFrame) -> Category:
    hits, wrong = {}, {}
    for part in _PARTS:
        hits[part] = _bits(found[f"hits_{part}"])
        wrong[part] = ~(hits[part] | _bits(found[f"aside_{part}"]))
    said, areas = targets["attributes"].iloc[0], targets["file_area"].fillna(targets["area"])
    return Category(
        hits,
        wrong,
        found["owner"].to_numpy(),
        {part: within(part, areas) for part in _PARTS},
        targets["owner"].to_numpy(),
        said.get("frequency"),
    )


def _bits(values: pd.Series[Any]) -> npt.NDArray[np.bool_]:
    """(10, N) bool of (N,) numbers whose bit t stands for threshold t."""
    numbers = values.to_numpy(dtype=np.int64)
    found: npt.NDArray[np.bool_] = (numbers >> np.arange(len(IOUS))[:, None] & 1).astype(bool)
    return found


def detected_of_runs(selection: Selection) -> Iterator[tuple[str, str, pd.DataFrame, Detected]]:
    """Each run and reported step of detections, with its label and its rows."""
    if selection.leads.name != FOUND.name:
        return
    shown = selection.rows[["run", "label"]].drop_duplicates()
    for run in sorted(selection.headers):
        rows = selection.every.of(run, list(_COLUMNS))
        own = labels_of(selection.headers)[run]
        for step, label in sorted(own.items()):
            if not ((shown["run"] == run) & (shown["label"] == label)).any():
                continue
            some = rows[rows["step"] == step]
            yield run, label, some, detected(some)


def boxes_section(selection: Selection) -> Iterator[Section]:
    """The table of average precision of the runs of detections; nothing where there is none.

    Its lines: ``run, dataset, model, protocol, prompt`` (the step's label), ``images, clusters``,
    then the keys of ``NUMBERS`` with ``_low`` and ``_high``, in [0, 1], null where no category has
    a target for them.
    """
    lines = [_line(*each) for each in detected_of_runs(selection)]
    if not lines:
        return
    frame = pd.DataFrame(lines)
    titles, models = selection.titles("dataset"), selection.titles("model")
    several = frame["protocol"].nunique() > 1
    there = [name for name in NUMBERS if frame[name].notna().any()]
    heads = ["dataset", "prompt", "model", *(["protocol"] if several else []), "images"]
    heads += [NUMBERS[name] for name in there]
    rows = []
    for line in lines:
        names = [titles[line["dataset"]], line["prompt"], models[line["model"]]]
        names += [line["protocol"]] if several else []
        alone = (points(line[name]) for name in there if name != "ap")
        rows.append((*names, sizes_said(line), pooled_cell(line, "ap"), *alone))
    many = ""
    if (frame["clusters"] > GROUPS).any():
        many = f" More than {GROUPS} images are left out in {GROUPS} parts."
    note = (
        "AP: average precision over IoU thresholds from 0.5 to 0.95, of masks, the mean over "
        "categories; AP50 and AP75: at one threshold; small is up to 32² pixels, large from 96² "
        "on; rare, common and frequent are LVIS's categories, where there are such; box AP: of the "
        "boxes that were asked. As pycocotools and lvis-api compute them. In points (×100), "
        f"{interval_said(frame, 'ap_low')}; those of the other numbers stand in boxes.csv."
        f"{many}{few_said(frame, 'ap_low')}"
    )
    yield Section(
        "boxes", "Average precision", note, tuple(heads), tuple(rows), frame, names=3 + several
    )


def _line(run: str, label: str, rows: pd.DataFrame, found: Detected) -> dict[str, Any]:
    shares = found.sizes / found.sizes.sum()
    clusters = {
        "clusters": len(found.sizes),
        "effective": 1 / float((shares**2).sum()),
        "largest": float(shares.max()),
    }
    return pooled_line(run, rows, label, "ap", found.numbers(), clusters)
