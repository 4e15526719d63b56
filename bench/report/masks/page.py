"""What the mask page knows: every mask of every view in numbers, and pictures of some or all.

The scripts of the page (``templates/masks_*.js``) read it as JSON and draw lists and masks from it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from bench.analysis.reasons import REASONS
from bench.analysis.sections.slices import COCO_SIZES
from bench.config.settings import usual
from bench.report.bins import UNIT, whole
from bench.report.masks.pictures import BINS, drawn_masks, spread
from bench.report.masks.views import Source, View, results_of
from bench.report.pictures.gallery import ReadSample
from bench.types import BenchError

MOST_VALUES = 250_000
"""How many rows a page holds, at about 20 bytes each; of more it holds those of every n-th mask."""
MOST_PICTURES = 300
MOST_OUTLINES = 5_000
"""How many masks have pictures, and how many outlines these have in all, at about 1 kB each."""
IN_A_FILE = 8
"""How many masks' pictures lie in one file beside the page."""

Pictures: TypeAlias = int | str | None
"""How many masks get a picture; ``ALL`` of them, in files beside the page; none: as many as fit."""
ALL = "all"

_KEY = ["image_id", "mask_id"]


@dataclass(frozen=True, slots=True)
class MaskPage:
    """Plain values for the page's JSON, and the texts of files beside it, by their names."""

    plain: Mapping[str, Any]
    files: Mapping[str, str]


def mask_page(
    views: Sequence[View],
    titles: Mapping[str, str],
    read_sample: ReadSample | None,
    *,
    pictures: Pictures = None,
    first: Iterable[tuple[str, str, str]] = (),
    start: Mapping[str, str] | None = None,
) -> MaskPage:
    """The page of the masks of some views, the same for the same runs.

    ``titles`` are those of datasets; ``first`` are the masks (dataset, image, mask) that get a
    picture before all others; ``start`` are the filters that a page is opened with. Without
    ``read_sample`` there are no pictures. ``plain`` has

    * ``bins, unit, sizes``: the bars of a histogram, what an IoU of 1 is written as, and up to
      which area a mask is of which size;
    * ``every``: 1, or n where only every n-th mask of each dataset is held, and those of ``first``;
    * ``datasets``: ``title``; ``images``, the ids; per mask ``image`` (an index into these),
      ``mask`` (the id), ``area`` in pixels and ``category`` (an index into ``categories``);
    * ``runs``, by address: ``name`` (the folder's), ``results`` (where it lies), ``series``,
      ``prompt`` and ``dataset`` (an index);
    * ``views``: ``dataset, series, label, run`` (an address), ``step``, and per mask ``iou`` and
      ``predicted``, null where it has none, and ``reason``, an index into ``reasons``;
      ``carried`` has the step of those masks that needed no
      further prompt, by index;
    * ``pictures``: ``"<dataset>:<mask>"`` (indices) → what ``draw_steps`` gives; ``files`` has the
      number of each mask's file where they lie beside the page;
    * ``notes``: sentences on pictures that are missing.
    """
    check_pictures(pictures)
    wanted = list(dict.fromkeys(first))
    every = max(1, -(-sum(len(view.rows) for view in views) // MOST_VALUES))
    plain: dict[str, Any] = {
        "bins": BINS,
        "unit": UNIT,
        "sizes": [[limit if np.isfinite(limit) else None, name] for limit, name in COCO_SIZES],
        "every": every,
        "in_a_file": IN_A_FILE,
        "reasons": [{"name": r.name, "title": r.title, "rule": r.rule} for r in REASONS],
        "start": dict(start or {}),
        "datasets": [],
        "runs": {},
        "views": [],
    }
    sets: list[_Set] = []
    for number, (name, found) in enumerate(groupby(views, key=lambda view: view.dataset)):
        own = list(found)
        held = _Set(own, _held(own, every, [(i, m) for d, i, m in wanted if d == name]))
        sets.append(held)
        plain["datasets"].append({"title": titles[name]} | _plain_masks(held))
        plain["runs"] |= {v.source.address: _plain_run(v, number) for v in own}
        plain["views"] += [_plain_view(view, held.masks, number) for view in own]
    shown: dict[str, Any] = {}
    files: dict[str, list[str]] = {}
    notes: dict[str, None] = {}
    for key, picture in _pictures(sets, wanted, read_sample, pictures):
        if isinstance(picture, str):
            notes[picture] = None
        elif pictures == ALL:
            files.setdefault(_file(key), []).append(f"{json.dumps(key)}:{_script_json(picture)}")
        else:
            shown[key] = picture
    plain |= {"pictures": shown, "notes": list(notes), "files": len(files)}
    texts = {
        f"{name}.js": f"takePictures({{{','.join(parts)}}});\n" for name, parts in files.items()
    }
    return MaskPage(plain, texts)


def check_pictures(asked: object) -> None:
    """Raises ``BenchError`` for what is no number of pictures, and not all of them."""
    number = isinstance(asked, int) and not isinstance(asked, bool) and asked >= 0
    if not (asked is None or asked == ALL or number):
        raise BenchError(f"pictures is a number of masks, or {ALL!r}; found {asked!r}")


@dataclass(frozen=True, slots=True)
class _Set:
    """The views of one dataset, and the masks of it that the page holds: ``image_id, mask_id``."""

    views: Sequence[View]
    masks: pd.DataFrame


def _held(views: Sequence[View], every: int, wanted: Sequence[tuple[str, str]]) -> pd.DataFrame:
    masks = pd.concat([view.rows[_KEY] for view in views]).drop_duplicates()
    masks = masks.sort_values(_KEY, ignore_index=True)
    if every > 1:
        keep = np.arange(len(masks)) % every == 0
        index = pd.MultiIndex.from_frame(masks)
        masks = masks[keep | index.isin(list(wanted))]
    held: pd.DataFrame = masks.reset_index(drop=True)
    return held


def _plain_masks(held: _Set) -> dict[str, Any]:
    codes, images = pd.factorize(held.masks["image_id"])
    facts = _facts(held)
    known, categories = pd.factorize(facts["category"], sort=True)
    return {
        "images": [str(image) for image in images],
        "image": codes.tolist(),
        "mask": held.masks["mask_id"].tolist(),
        "area": facts["area"].astype(int).tolist(),
        "categories": [str(name) for name in categories],
        "category": [None if code < 0 else code for code in known.tolist()],
    }


def _facts(held: _Set) -> pd.DataFrame:
    """The area and the category of each mask, from the runs that have it."""
    found = held.masks.assign(area=np.nan, category=None).set_index(_KEY)
    for view in held.views:
        if not found["area"].isna().any():
            break
        source = view.source
        rows = source.selection.every.of(source.run, ["area", "category"])
        rows = rows.drop_duplicates(_KEY).set_index(_KEY)[["area", "category"]]
        found = found.combine_first(rows.reindex(found.index))
    facts: pd.DataFrame = found.reindex(pd.MultiIndex.from_frame(held.masks)).reset_index()
    return facts


def _plain_run(view: View, dataset: int) -> dict[str, Any]:
    source, results = view.source, results_of(view.source)
    return {
        "name": source.run,
        "results": None if results == str(usual("results")) else results,
        "series": source.series,
        "prompt": source.prompt,
        "dataset": dataset,
    }


def _plain_view(view: View, masks: pd.DataFrame, dataset: int) -> dict[str, Any]:
    rows = view.rows[[*_KEY, "iou", "predicted_iou", "carried", "step", "reason"]]
    aligned = masks.merge(rows, on=_KEY, how="left")
    carried = aligned["carried"].fillna(False).astype(bool)
    return {
        "dataset": dataset,
        "series": view.series,
        "label": view.label,
        "run": view.source.address,
        "step": view.step,
        "iou": _whole(aligned["iou"]),
        "predicted": _whole(aligned["predicted_iou"]),
        "reason": aligned["reason"].fillna(0).astype(int).tolist(),
        "carried": {str(i): int(step) for i, step in aligned.loc[carried, "step"].items()},
    }


def _whole(values: pd.Series[Any]) -> list[int | None] | None:
    """Whole parts of ``UNIT``, null where there is none; null where no mask has one."""
    if values.isna().all():
        return None
    known = values.notna()
    found = whole(values.where(known, 0.0)).tolist()
    return [number if there else None for number, there in zip(found, known, strict=True)]


def _pictures(
    sets: Sequence[_Set],
    wanted: Sequence[tuple[str, str, str]],
    read_sample: ReadSample | None,
    asked: Pictures,
) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """The picture of each chosen mask, or why there is none, by its key in the page."""
    if read_sample is None:
        return
    for number, held in enumerate(sets):
        chosen = held.masks.index.tolist()
        if asked != ALL:
            own = [(i, m) for d, i, m in wanted if d == held.views[0].dataset]
            count = _count(held, len(sets), asked)
            if asked is None:  # a picture of the gallery leads to one, and so do some of each bar
                count = max(count, len(own) + count // 4)
            chosen = _chosen(held, own, count)
        for index, picture in drawn_masks(held.masks.loc[chosen], held.views, read_sample):
            yield f"{number}:{index}", picture


def _count(held: _Set, sets: int, asked: Pictures) -> int:
    """How many masks of a dataset get a picture."""
    if isinstance(asked, int):
        return -(-asked // sets)
    sources = {view.source.address: view.source for view in held.views}
    steps = dict.fromkeys(sources, 0)
    for view in held.views:
        steps[view.source.address] = max(steps[view.source.address], int(view.rows["step"].max()))
    outlines = sum(steps[address] * _drawn(source) for address, source in sources.items())
    return min(MOST_PICTURES // sets, MOST_OUTLINES // (max(1, outlines) * sets))


def _drawn(source: Source) -> int:
    """How many outlines a step of a run has: more than one where it keeps all candidates."""
    selection = source.selection
    if not selection.stores[source.run].keeps_candidates():
        return 1
    return math.ceil(selection.every.of(source.run, ["ious"])["ious"].map(len).mean())


def _chosen(held: _Set, wanted: Sequence[tuple[str, str]], count: int) -> list[int]:
    """Up to ``count`` masks: the ``wanted``, then some for each bar of a histogram."""
    place = {key: i for i, key in enumerate(held.masks.itertuples(index=False, name=None))}
    images = held.masks["image_id"].factorize()[0]
    ordered = [place[key] for key in wanted if key in place]
    ordered += spread(_aligned(held), images, count + len(ordered))
    return sorted(list(dict.fromkeys(ordered))[:count])


def _aligned(held: _Set) -> list[np.ndarray]:
    """The IoUs of each view, aligned with the masks, NaN where one has none."""
    return [
        held.masks.merge(view.rows[[*_KEY, "iou"]], on=_KEY, how="left")["iou"].to_numpy(np.float64)
        for view in held.views
    ]


def _file(key: str) -> str:
    dataset, mask = key.split(":")
    return f"pictures/{dataset}_{int(mask) // IN_A_FILE}"


def _script_json(value: Any) -> str:
    """JSON that no script ends at, whatever texts it holds."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
