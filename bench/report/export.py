"""A run's prompts and masks as files that other tools read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.selection import none_scored
from bench.files.places import forget_leftovers
from bench.files.text import csv_cell, escaped
from bench.files.there import make_folder
from bench.store.runs import RunStore, read_runs, write_aside
from bench.types import BenchError

PROMPT_COLUMNS = (
    "image_id", "mask_id", "step", "height", "width", "n_points", "point_coords", "point_labels",
    "box", "multimask", "feedback", "cues",
)  # fmt: skip


def export_prompts(store: RunStore, path: Path) -> int:
    """Writes a run's prompts as CSV, a row per mask and step, and gives the number of rows.

    ``point_coords`` is JSON, ``[[x, y], …]``: pixel indices, all clicks so far in order;
    ``point_labels`` ``[1, 0, …]``, 1 for foreground; ``box`` ``[x0, y0, x1, y1]``, both corners
    included, or empty. ``multimask`` says whether several candidates were asked for, ``feedback``
    what came along from the step before: ``logits`` of the selected mask, or ``none``; ``cues``
    what else was asked, as ``bench.types.cues.cues_text`` writes it, or empty. An id that a
    spreadsheet would compute (``=1+1``) has an apostrophe before it. Raises ``BenchError`` for a
    run without a row and a file that can't be written.
    """
    columns = [name for name in PROMPT_COLUMNS if name not in ("image_id", "mask_id", "feedback")]
    rows = _rows(store, [name for name in columns if name != "step"])
    feedback = _protocol(store).get("feedback", "logits")
    sink = io.StringIO()
    writer = csv.DictWriter(sink, PROMPT_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows.to_dict("records"):
        points = [[float(x), float(y)] for x, y in row["point_coords"]]
        labels = [int(label) for label in row["point_labels"]]
        box = "" if row["box"] is None else json.dumps([float(side) for side in row["box"]])
        writer.writerow(
            {name: csv_cell(row[name]) for name in ("image_id", "mask_id")}
            | {name: row[name] for name in ("step", "height", "width")}
            | {
                "n_points": row["n_points"],
                "point_coords": json.dumps(points),
                "point_labels": json.dumps(labels),
                "box": box,
                "multimask": str(bool(row["multimask"])).lower(),
                "feedback": feedback if row["step"] > 1 else "none",
                "cues": "" if pd.isna(row["cues"]) else csv_cell(row["cues"]),
            }
        )
    make_folder(path.parent)
    forget_leftovers(path)
    write_aside(path, sink.getvalue().encode())
    return len(rows)


def export_coco(store: RunStore, path: Path, step: int | None = None) -> int:
    """Writes a run's masks as COCO results, an entry per mask, and gives their number.

    An entry has ``image_id, mask_id, category, segmentation`` (an RLE)``, score`` (the predicted
    IoU, null where there is none) and ``step``. Ids are numbers where the dataset's all are.
    ``step`` is by default the last reported one; a mask whose clicks ended before keeps its
    latest. Raises ``BenchError`` for a step that the run hasn't, a run without stored masks, and
    a file that can't be written.
    """
    rows = _rows(store, ["category", "height", "width", "predicted_ious", "selected", "mask_rle"])
    if rows["mask_rle"].isna().any():
        raise BenchError(f"{store.folder}: rows hold no masks (runtime.keep_masks=false)")
    if step is None:
        reported = [int(each) for each in store.header().get("report_steps") or {}]
        step = max(reported, default=int(rows["step"].max()))
    if step not in set(rows["step"]):
        steps = ", ".join(str(each) for each in sorted(set(rows["step"])))
        raise BenchError(f"{store.folder}: no step {step}; there are: {steps}")
    latest = rows[rows["step"] <= step].drop_duplicates(["image_id", "mask_id"], keep="last")
    numbers = {name: _are_numbers(latest[name]) for name in ("image_id", "mask_id")}
    entries = [
        {
            **{name: int(row[name]) if numbers[name] else row[name] for name in numbers},
            "category": None if pd.isna(row["category"]) else row["category"],
            "segmentation": {
                "size": [int(row["height"]), int(row["width"])],
                "counts": row["mask_rle"],
            },
            "score": _score(row),
            "step": int(row["step"]),
        }
        for row in latest.to_dict("records")
    ]
    text = ",\n".join(
        escaped(json.dumps(entry, ensure_ascii=False, allow_nan=False)) for entry in entries
    )
    make_folder(path.parent)
    forget_leftovers(path)
    write_aside(path, f"[\n{text}\n]\n".encode())
    return len(entries)


def _rows(store: RunStore, columns: Sequence[str]) -> pd.DataFrame:
    if "mask_rle" not in store.columns():
        raise BenchError(none_scored(store, store.header()))
    rows: pd.DataFrame = read_runs([store], columns)
    if rows.empty:
        raise BenchError(none_scored(store, store.header()))
    return rows


def _protocol(store: RunStore) -> Mapping[str, Any]:
    part = store.header().get("protocol")
    found: Mapping[str, Any] = (part.get("args") or {}) if isinstance(part, dict) else {}
    return found


def _score(row: Mapping[Any, Any]) -> float | None:
    scores, index = row["predicted_ious"], row["selected"]
    if scores is None or pd.isna(index) or len(scores) <= int(index):
        return None
    return float(scores[int(index)])


def _are_numbers(ids: pd.Series[str]) -> bool:
    """Whether every id is a whole number as COCO writes it, without a leading zero."""
    return all(i.isascii() and i.isdigit() and str(int(i)) == i for i in ids.unique())
