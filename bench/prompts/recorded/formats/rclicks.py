"""RClicks: first clicks of many people on GrabCut, Berkeley, DAVIS, COCO-MVal and TETRIS.

Its ``clicks.csv`` has a row per click: ``dataset, full_stem, image_stem, object_stem, click_type,
model_type, device, x, y, w, h``. ``x`` and ``y`` are pixels of a picture of ``w`` × ``h``, brought
into it and to the size of the picture at hand as ``rclicks/clickmap.py`` brings them. Later clicks
(``click_type`` fn, fp) correct the masks of one model each and are left out: they answer what no
other model gave. The clicks of a mask are told apart by their order: ``pick`` chooses one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from bench.prompts.recorded.entry import Entry, check_inside, clicks_of
from bench.prompts.recorded.source import Source, named
from bench.types import BenchError, Prompt

_NEEDS = ("dataset", "full_stem", "click_type", "x", "y", "w", "h")


def claims(source: Source) -> bool:
    """Whether it is a table with columns of RClicks alone."""
    return "full_stem" in source.columns


def read(source: Source) -> Sequence[Entry]:
    """An entry per person and mask; ``source.part`` names the dataset where there are several."""
    if missing := [name for name in _NEEDS if name not in source.columns]:
        raise BenchError(
            f"{source.path}: no column {', '.join(missing)}; there are {named(source.columns, 16)}"
        )
    frame = source.table()
    datasets = sorted(set(frame["dataset"]))
    part = source.part or (datasets[0] if len(datasets) == 1 else None)
    if part not in datasets:
        raise BenchError(
            f"{source.path}: clicks of {', '.join(datasets)}: name the one that is meant with "
            f"prompts.recorded.args.part=…{'' if part is None else f', found {part!r}'}"
        )
    chosen = frame[(frame["dataset"] == part) & (frame["click_type"] == "first")]
    turns: dict[str, int] = {}
    found = []
    for number, row in zip(chosen.index, chosen.to_dict("records"), strict=True):
        stem = str(row["full_stem"])
        turns[stem] = turns.get(stem, 0) + 1
        found.append(_entry(source, int(number) + 1, row, turns[stem]))
    return found


def _entry(source: Source, number: int, row: Mapping[str, Any], turn: int) -> Entry:
    image, _, rest = str(row["full_stem"]).partition("_______")
    image = str(row.get("image_stem") or image)
    thing = str(row.get("object_stem") or rest or "")
    try:
        x, y, w, h = (float(row[name]) for name in ("x", "y", "w", "h"))
        if not (w >= 1 and h >= 1 and x == x and y == y and abs(x) + abs(y) + w + h < 1e9):
            raise ValueError(f"x, y, w, h are {x:g}, {y:g}, {w:g}, {h:g}")
    except ValueError as error:
        raise BenchError(f"{source.path}: row {number}: {error}") from None
    return Entry(
        where=f"row {number}",
        step=1,
        kinds=frozenset({"points"}),
        prompt=partial(_click, x, y, w, h),
        n_points=1,
        image=image,
        mask=f"{image}/{thing}" if thing else None,
        loose=True,
        by=f"{turn:09d}",
    )


def _click(x: float, y: float, w: float, h: float, height: int, width: int) -> Prompt:
    """One positive click, cut to the picture and scaled, rounded down where it is scaled."""
    if abs(w / h - width / height) > 0.02 * width / height:
        raise ValueError(f"clicked on {w:g}×{h:g} (W×H), this picture is {width}×{height}")
    x, y = min(max(x, 0), w - 1), min(max(y, 0), h - 1)
    if (w, h) != (width, height):
        x, y = int(x * width / w), int(y * height / h)
    return check_inside(Prompt(cues=[clicks_of([(x, y)], [1])]), height, width)
