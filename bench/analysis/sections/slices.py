"""Tables by group: size, category, an attribute, or the shape of the target.

Tables 2 and 6 of the SAM paper are of this form: a line per group, one click and three, ± 95 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import cv2
import numpy as np
import pandas as pd

from bench.analysis.section import Section
from bench.analysis.selection import Selection
from bench.analysis.stats import averages
from bench.analysis.table import numbers
from bench.analysis.wording.words import DASH, counted, few_said, interval_said, points, with_bounds
from bench.store.runs import RunStore
from bench.types import BenchError, Mask, Sample, Target
from bench.types.categories import target_of
from bench.types.errors import did_you_mean

ReadSample: TypeAlias = Callable[[RunStore, str], Sample]

_KEY = ["run", "image_id", "mask_id"]
COCO_SIZES = ((32**2, "small"), (96**2, "medium"), (float("inf"), "large"))
"""Below which area in pixels a mask is of which size."""
_THIRDS = ("smallest third", "middle third", "largest third")
_ATTRIBUTE = "attribute:"
_LONGEST = 60
"""Characters of a group's name in the name of a file, which has 255 bytes at most."""

UNKNOWN = "not given"
"""The group of the masks that lack what is asked for."""


def slice_section(selection: Selection, by: str, read_sample: ReadSample | None) -> Section:
    """The mIoU table by group of ``by``.

    ``by`` is ``area`` (COCO's small, medium and large: below 32², below 96² pixels, above),
    ``size`` (thirds of each dataset's areas), ``category``, ``attribute:NAME``, ``boundary``
    (thirds of each dataset's perimeter² / area of the target) or ``parts`` (its connected
    components, 8-connected: 1, 2, 3 or more); the last two read the targets with ``read_sample``.
    The lines: ``dataset, group, model, protocol, prompt``, and from ``masks`` to ``over_images``
    what ``bench.analysis.table.Table`` has, IoUs in [0, 1]. Raises ``BenchError`` for a key or an
    attribute that isn't there.
    """
    groups = _groups(selection, by, read_sample)
    rows = selection.rows.merge(groups, on=_KEY, validate="many_to_one")
    order = {label: i for i, label in enumerate(selection.labels)}
    lines: list[dict[str, Any]] = []
    for key, found in rows.groupby(["dataset", "group", "label", "model", "protocol"]):
        dataset, group, label, model, protocol = (str(part) for part in key)
        both = averages(found["iou"], found["image_id"], found["cluster"])
        lines.append(
            {
                "dataset": dataset, "group": group, "model": model, "protocol": protocol,
                "prompt": label,
            }
            | numbers(both, selection.leads, selection.over_images(found))
        )  # fmt: skip
    rank = _rank(groups["group"])
    lines.sort(key=lambda line: (line["dataset"], rank[line["group"]], order[line["prompt"]],
                                 line["model"], line["protocol"]))  # fmt: skip
    frame = pd.DataFrame(lines)
    several = frame["protocol"].nunique() > 1
    titles, models = selection.titles("dataset"), selection.titles("model")
    shown = []
    for line in lines:
        bounds = [DASH if line[b] is None else points(line[b]) for b in ("miou_low", "miou_high")]
        names = [titles[line["dataset"]], line["group"], line["prompt"], models[line["model"]]]
        names += [line["protocol"]] if several else []
        sizes = (line[name] for name in ("images", "clusters", "effective", "largest"))
        said = with_bounds(points(line["miou"]), bounds[0], bounds[1], line["few"])
        shown.append((*names, said, f"{line['masks']:,}", counted(*sizes)))
    heads = ["dataset", by.removeprefix("attribute:"), "prompt", "model"]
    heads += [*(["protocol"] if several else []), "mIoU", "masks", "images"]
    slug = "".join(c if c.isalnum() else "_" for c in by)[:_LONGEST]
    return Section(
        f"slices_{slug}",
        f"By {by.removeprefix('attribute:')}",
        f"mIoU in points {interval_said(frame, 'miou_low')}. Groups share images, so their "
        f"intervals are not independent.{few_said(frame, 'miou_low')}",
        tuple(heads),
        tuple(shown),
        frame,
        names=4 + several,
    )


def check_slice(by: str) -> None:
    """Raises ``BenchError`` for what no rows of masks can be sliced by."""
    if by not in _OF_ROWS and by not in _OF_TARGETS and not by.startswith(_ATTRIBUTE):
        hint = did_you_mean(by, [*_OF_ROWS, *_OF_TARGETS, "attribute:NAME"])
        raise BenchError(f"nothing to slice by is called {by!r}; {hint}")


def check_targets(by: str, targets: Iterable[Target]) -> None:
    """Raises ``BenchError`` where none of the targets has what they are to be sliced by."""
    check_slice(by)
    if by == "category" and all(target.category is None for target in targets):
        raise BenchError("--by category: the masks have no category")
    if by.startswith(_ATTRIBUTE):
        _check_attribute(by, (target.attributes for target in targets))


def _check_attribute(by: str, attributes: Iterable[Mapping[str, str] | None]) -> None:
    name = by.removeprefix(_ATTRIBUTE)
    known = {str(key) for each in attributes for key in (each or {})}
    if name not in known:
        hint = did_you_mean(name, known) if known else "the masks have no attributes"
        raise BenchError(f"no attribute is called {name!r}; {hint}")


def _groups(selection: Selection, by: str, read_sample: ReadSample | None) -> pd.DataFrame:
    """One row per run and mask: its key and ``group``."""
    check_slice(by)
    if not selection.of_masks:
        raise BenchError(f"--by {by}: the rows of these runs are no masks")
    wanted = ["dataset", "category", "attributes", "area"]
    rows = selection.every.all(wanted).drop_duplicates(_KEY)
    if by.startswith(_ATTRIBUTE):
        _check_attribute(by, rows["attributes"])
        name = by.removeprefix(_ATTRIBUTE)
        rows["group"] = rows["attributes"].map(lambda each: str((each or {}).get(name, UNKNOWN)))
    elif by in _OF_ROWS:
        rows["group"] = _OF_ROWS[by](rows)
    elif by in _OF_TARGETS:
        if read_sample is None:
            raise BenchError(f"--by {by} needs the dataset to be read again")
        rows["group"] = _of_targets(rows, selection, by, read_sample)
    groups: pd.DataFrame = rows[[*_KEY, "group"]]
    return groups


def _of_area(rows: pd.DataFrame) -> pd.Series[str]:
    return rows["area"].map(lambda area: next(name for limit, name in COCO_SIZES if area < limit))


def _of_category(rows: pd.DataFrame) -> pd.Series[str]:
    if rows["category"].isna().all():
        raise BenchError("--by category: the masks of these runs have no category")
    return rows["category"].fillna(UNKNOWN).astype(str)


def _of_size(rows: pd.DataFrame) -> pd.Series[str]:
    return _thirds(rows["area"], rows["dataset"])


def _thirds(values: pd.Series[Any], datasets: pd.Series[Any]) -> pd.Series[str]:
    """Which third of its dataset each value lies in; equal values lie in the same third."""
    share = values.groupby(datasets).rank(pct=True, method="average")
    thirds = np.minimum((3 * share.to_numpy() - 1e-9).astype(int), 2)
    return pd.Series([_THIRDS[third] for third in thirds], index=values.index)


def _of_targets(
    rows: pd.DataFrame, selection: Selection, by: str, read_sample: ReadSample
) -> pd.Series[str]:
    """The groups by the shape of the targets, each image read once per dataset."""
    seen: dict[tuple[str, str, str], float] = {}
    for (dataset, image_id), found in rows.groupby(["dataset", "image_id"]):
        sample = read_sample(selection.stores[str(found["run"].iloc[0])], str(image_id))
        for mask_id in map(str, found["mask_id"].unique()):
            if (target := target_of(sample, mask_id)) is not None:
                seen[str(dataset), str(image_id), mask_id] = _MEASURES[by](target.mask)
    keys = zip(rows["dataset"], rows["image_id"], rows["mask_id"], strict=True)
    try:
        values = pd.Series([seen[str(d), str(i), str(m)] for d, i, m in keys], index=rows.index)
    except KeyError as error:
        raise BenchError(f"--by {by}: the data has changed, no mask {error}") from error
    return _OF_TARGETS[by](values, rows["dataset"])


def complexity(mask: Mask) -> float:
    """Perimeter² / area of a mask, 4π (12.6) for a disc; the perimeter is that of its contours.

    Contours run through the centres of the border's pixels, holes included.
    """
    if not mask.bits.size:
        return 0.0
    bits = mask.bits.astype(np.uint8)
    contours, _ = cv2.findContours(bits, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    perimeter = sum(cv2.arcLength(contour, closed=True) for contour in contours)
    return float(perimeter**2 / max(1, mask.area))


def parts(mask: Mask) -> float:
    """The number of connected components, 8-connected."""
    if not mask.bits.size:
        return 0.0
    return float(cv2.connectedComponents(mask.bits.astype(np.uint8), connectivity=8)[0] - 1)


def _counted(values: pd.Series[Any], datasets: pd.Series[Any]) -> pd.Series[str]:
    return values.map(lambda n: "1 part" if n <= 1 else "2 parts" if n == 2 else "3 or more parts")


_OF_ROWS: Mapping[str, Callable[[pd.DataFrame], pd.Series[str]]] = {
    "area": _of_area,
    "size": _of_size,
    "category": _of_category,
}
_MEASURES: Mapping[str, Callable[[Mask], float]] = {"boundary": complexity, "parts": parts}
_OF_TARGETS: Mapping[str, Callable[[pd.Series[Any], pd.Series[Any]], pd.Series[str]]] = {
    "boundary": _thirds,
    "parts": _counted,
}


def _rank(groups: pd.Series[str]) -> dict[str, tuple[int, str]]:
    """The order in which groups are shown: small before large, else by name, unknown last."""
    known = [*_THIRDS, *(name for _, name in COCO_SIZES)]
    return {
        name: (known.index(name) if name in known else 99 + (name == UNKNOWN), name)
        for name in groups.unique()
    }
