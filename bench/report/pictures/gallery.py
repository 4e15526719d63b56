"""The worst, the median and the best masks of each dataset, model and prompt, as pictures.

The gallery knows no reader: pictures come through a function that the caller gives.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from PIL import Image

from bench.analysis.selection import Selection
from bench.report.pictures.overlay import (
    Window,
    draw,
    encode,
    is_small,
    overview,
    shared_window,
)
from bench.store.runs import RunStore, read_runs
from bench.types import BenchError, Mask, Prompt, Sample
from bench.types.categories import target_of
from bench.types.cues import prompt_of_row

ReadSample: TypeAlias = Callable[[RunStore, str], Sample]
"""Gives a run's image and targets by image id; raises ``BenchError`` where it can't."""

Key: TypeAlias = tuple[str, str, str, int]
"""What a picture is known by: run, image, mask and step."""

Row: TypeAlias = Mapping[Any, Any]

RANKS = ("worst", "median", "best")
_BUDGET = 432
"""About how many pictures a report may hold: 12 kB each keep the page below 8 MB."""
_COUNTS = (6, 4, 2)


@dataclass(frozen=True, slots=True)
class Picture:
    """One mask's picture: WebP bytes with their size in pixels, and what is known of the mask.

    It is of the row at ``step`` of a ``run``, by the name of its folder.
    ``iou`` and ``predicted_iou`` are in [0, 1], the latter none where the model gives none;
    ``view`` is the part of the image that it shows, and ``overview`` the whole image, small, where
    that is little of it.
    """

    run: str
    step: int
    mask_id: str
    image_id: str
    iou: float
    predicted_iou: float | None
    caption: str
    image: bytes
    width: int
    height: int
    view: Window
    overview: bytes | None


@dataclass(frozen=True, slots=True)
class Group:
    """The pictures of one dataset, series and label, by rank; ``notes`` say what is missing."""

    dataset: str
    model: str
    protocol: str
    label: str
    pictures: Mapping[str, tuple[Picture, ...]]
    notes: tuple[str, ...] = field(default=())


def gallery(
    selection: Selection, read_sample: ReadSample, *, count: int | None = None
) -> list[Group]:
    """The groups of a selection, ``count`` pictures each of worst, median and best.

    Without ``count`` it is 6, less where there are many groups. ``read_sample`` is asked image by
    image, for all runs one after another.
    Where an image cannot be read (``BenchError``) the group says so and goes on without it.
    """
    keys = ["dataset", "label", "model", "protocol"]
    order = {label: i for i, label in enumerate(selection.labels)}
    groups = sorted(selection.rows.groupby(keys), key=lambda item: _reading_order(item[0], order))
    fitting = [each for each in _COUNTS if 3 * each * len(groups) <= _BUDGET]
    wanted = count or next(iter(fitting), _COUNTS[-1])
    chosen = [pick(rows, wanted) for _, rows in groups]
    everything = pd.concat([rows for ranks in chosen for rows in ranks.values()])
    drawn = draw_rows(selection, everything, read_sample)
    return [
        _group(*(str(part) for part in key), ranks=ranks, drawn=drawn)
        for (key, _), ranks in zip(groups, chosen, strict=True)
    ]


def pick(rows: pd.DataFrame, count: int) -> dict[str, pd.DataFrame]:
    """The ``count`` rows each of worst, median and best IoU, no mask twice.

    One mask per image, as long as there are images; the median ones lie closest around the
    median. With few masks the ranks are filled in the order worst, best, median.
    """
    ordered = rows.sort_values(["iou", "image_id", "mask_id"], ignore_index=True)
    share = min(count, -(-len(ordered) // 3))
    worst = _spread(ordered, share)
    rest = ordered.drop(worst.index)
    best = _spread(rest.iloc[::-1], share)
    rest = rest.drop(best.index)
    middle = float(ordered["iou"].median())
    near = rest.assign(gap=(rest["iou"] - middle).abs()).sort_values("gap", kind="stable")
    median = _spread(near, share).drop(columns="gap").sort_values("iou", kind="stable")
    return {"worst": worst, "median": median, "best": best}


def _spread(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """The first ``count`` rows, those of another image before a second one of the same."""
    again = rows.groupby("image_id", sort=False).cumcount()
    first = again.sort_values(kind="stable").index[:count]
    found: pd.DataFrame = rows.loc[rows.index.isin(first)]
    return found


def _reading_order(key: Any, order: Mapping[str, int]) -> tuple[str, int, str, str]:
    dataset, label, model, protocol = key
    return str(dataset), order[label], str(model), str(protocol)


def _group(
    dataset: str,
    label: str,
    model: str,
    protocol: str,
    *,
    ranks: Mapping[str, pd.DataFrame],
    drawn: Mapping[Key, Picture | str],
) -> Group:
    pictures: dict[str, tuple[Picture, ...]] = {}
    notes: dict[str, None] = {}
    for rank, rows in ranks.items():
        found = [drawn[key] for key in _keys(rows)]
        pictures[rank] = tuple(p for p in found if isinstance(p, Picture))
        notes |= dict.fromkeys(p for p in found if isinstance(p, str))
    return Group(dataset, model, protocol, label, pictures, tuple(notes))


def _keys(rows: pd.DataFrame) -> list[Key]:
    columns = (rows[c] for c in ("run", "image_id", "mask_id", "step"))
    return [(str(r), str(i), str(m), int(s)) for r, i, m, s in zip(*columns, strict=True)]


COLUMNS = ("category", "height", "width", "point_coords", "point_labels", "box", "cues",
           "mask_rle", "iou", "predicted_ious", "selected")  # fmt: skip
"""What pictures need of rows."""


def draw_rows(
    selection: Selection, rows: pd.DataFrame, read_sample: ReadSample
) -> dict[Key, Picture | str]:
    """The picture of each row, or a sentence that says why there is none; image by image."""
    drawn: dict[Key, Picture | str] = {}
    by_image: dict[tuple[str, str, str], dict[Key, Row]] = {}
    for (dataset, run), of_run in rows.groupby(["dataset", "run"], observed=True):
        for key, row in whole_rows(selection, str(run), of_run).items():
            by_image.setdefault((str(dataset), row["image_id"], str(run)), {})[key] = row
    for (_, image_id, run), masks in sorted(by_image.items(), key=lambda item: item[0]):
        try:
            sample = read_sample(selection.stores[run], image_id)
        except BenchError as error:
            drawn |= dict.fromkeys(masks, unavailable(error))
            continue
        for key, row in masks.items():
            found = pictures([sample], [row])
            drawn[key] = found if isinstance(found, str) else found[0]
    return drawn


def whole_rows(selection: Selection, run: str, rows: pd.DataFrame) -> dict[Key, Row]:
    """What pictures need of some rows of a run, by (run, image, mask, step)."""
    full = selection.pictured(run, COLUMNS, rows[["image_id", "mask_id", "step"]])
    return dict(zip(_keys(full), full.to_dict("records"), strict=True))


def unavailable(why: object) -> str:
    """The sentence that stands where a picture is missing."""
    return f"Some pictures are not available: {why}"


def pictures(samples: Sequence[Sample], rows: Sequence[Row]) -> tuple[Picture, ...] | str:
    """One mask in several rows, each with the sample that its run saw, all cut out alike.

    A sentence where the pictures are not those of the rows, or differ in size.
    """
    targets = [target_of(sample, row["mask_id"]) for sample, row in zip(samples, rows, strict=True)]
    known = [target.mask for target in targets if target is not None]
    sizes = [(int(row["height"]), int(row["width"])) for row in rows]
    if len(known) < len(rows) or [sample.shape for sample in samples] != sizes:
        return unavailable("the data has changed since the run.")
    if len(set(sizes)) > 1:
        return unavailable("the runs saw pictures of different sizes.")
    predictions = [
        Mask.from_rle({"size": list(size), "counts": row["mask_rle"]})
        if isinstance(row["mask_rle"], str)
        else None
        for row, size in zip(rows, sizes, strict=True)
    ]
    prompts = [prompt_of_row(row) for row in rows]
    view = shared_window(sizes[0], [*known, *predictions], prompts)
    return tuple(
        _picture(sample, view, target, prediction, prompt, row)
        for sample, target, prediction, prompt, row in zip(
            samples, known, predictions, prompts, rows, strict=True
        )
    )


def picture_of(
    store: RunStore,
    mask_id: str,
    read_sample: ReadSample,
    *,
    step: int | None = None,
    image_id: str | None = None,
    candidate: int | None = None,
) -> Image.Image:
    """The picture of one mask of a run, in its latest row up to ``step``.

    ``candidate`` counts from 1; by default it is the one that the run chose. Raises ``BenchError``
    where there is no such row or candidate, or masks of that id in several images, for a step or a
    candidate that is no whole number from 1, and where the picture can't be had.
    """
    for name, number in {"step": step, "candidate": candidate}.items():
        whole = isinstance(number, Integral) and not isinstance(number, bool)
        if number is not None and not (whole and number >= 1):
            raise BenchError(f"{name} is a whole number from 1, found {number!r}")
    rows = read_runs([store], [*COLUMNS, "ious", "candidate_rles"])
    rows = rows[rows["mask_id"] == mask_id]
    if image_id is not None:
        rows = rows[rows["image_id"] == image_id]
    images = rows["image_id"].unique()
    if len(images) != 1:
        several = f"stands in {len(images)} images; say which" if len(images) else "is not there"
        raise BenchError(f"{store.folder}: mask {mask_id!r} {several}")
    if step is not None:
        rows = rows[rows["step"] <= step]
    if rows.empty:
        raise BenchError(f"{store.folder}: mask {mask_id!r} has no row up to step {step}")
    row: Row = rows.iloc[-1].to_dict()
    if candidate is not None:
        row = _of_candidate(row, candidate, store)
    found = pictures([read_sample(store, str(images[0]))], [row])
    if isinstance(found, str):
        raise BenchError(f"{store.folder}: {found}")
    return Image.open(io.BytesIO(found[0].image))


def _of_candidate(row: Row, number: int, store: RunStore) -> Row:
    """The row as if that candidate, from 1, were the chosen one."""
    count, place = len(row["ious"]), number - 1
    where = f"{store.folder}: mask {row['mask_id']!r}, step {row['step']}"
    if place >= count:
        raise BenchError(f"{where}: there is no candidate {number}, of {count}")
    if not isinstance(row["mask_rle"], str):
        raise BenchError(f"{where}: the run keeps no masks (runtime.keep_masks=false)")
    if row["candidate_rles"] is None and place != row["selected"]:
        raise BenchError(
            f"{where}: the run keeps the chosen candidate's mask alone, and candidate {number} is "
            "another; a run into another results folder with runtime.keep_candidates=true keeps all"
        )
    own = row["mask_rle"] if row["candidate_rles"] is None else row["candidate_rles"][place]
    return {**row, "mask_rle": own, "iou": row["ious"][place], "selected": place}


def _picture(
    sample: Sample,
    view: Window,
    target: Mask,
    prediction: Mask | None,
    prompt: Prompt,
    row: Row,
) -> Picture:
    shown = draw(sample.image, view, target, prediction, prompt)
    scores, chosen = row["predicted_ious"], row["selected"]
    known = scores is not None and len(scores) and pd.notna(chosen)
    predicted = float(scores[int(chosen)]) if known else None
    return Picture(
        run=row["run"],
        step=int(row["step"]),
        mask_id=row["mask_id"],
        image_id=row["image_id"],
        iou=float(row["iou"]),
        predicted_iou=None if predicted is None or np.isnan(predicted) else predicted,
        caption=_caption(row, prediction),
        image=encode(shown),
        width=shown.shape[1],
        height=shown.shape[0],
        view=view,
        overview=encode(overview(sample.image, view)) if is_small(view, sample.shape) else None,
    )


def _caption(row: Row, prediction: Mask | None) -> str:
    category = row["category"]
    name = category if isinstance(category, str) else "mask"
    if prediction is None:
        return f"{name}; the run kept no masks"
    return f"{name}; nothing predicted" if prediction.area == 0 else name
