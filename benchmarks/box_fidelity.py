"""Our average precision against pycocotools, faster-coco-eval and lvis-api, on random detections.

    python benchmarks/box_fidelity.py --seeds 4

Whole runs of `task=boxes` under `disk`, both passes, on random pictures: crowds, areas that the
file says otherwise than the masks, categories without a target, pictures without any, equal scores,
boxes beside the picture, detections beyond the most that count and of unknown categories; of
LVIS's kind also categories that nobody looked for in a picture, or that are not marked in full, and
targets that are to be ignored. The masks of the rows are handed to the others' evaluators; those of
detections that have no row are the whole picture, which would be noticed.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import faster_coco_eval as fast_coco_eval
import numpy as np
import pandas as pd
import result_files
from pictures import coco_files
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bench.analysis.sections.boxes import NUMBERS, boxes_section
from bench.analysis.selection import select
from bench.cli import main as sam_bench
from bench.store.runs import RunStore, find_runs, read_runs
from bench.types import BoolArray, Mask

if not hasattr(np, "float"):
    np.float = float  # type: ignore[attr-defined] # lvis-api is older than its removal
from lvis import LVIS, LVISEval, LVISResults

SHAPE = (130, 210)
CATEGORIES = {61: "oar", 3: "cup", 90: "ant", 17: "bus", 44: "fan", 5: "elk", 12: "never", 8: "dim"}
"""Of the last but one there is no target, of the last one none that counts in COCO's kind."""

IMAGE_IDS = (907, 12, 7, 100, 35, 8, 64, 1001)
MODEL = ["model=disk", "model.args.stride=3"]
"""On a coarse grid, so that the second pass changes its masks."""

LEAST = 60
"""Pixels below which targets are ignored in LVIS's kind."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What was written: a dataset and a detector's file in a folder."""

    folder: Path
    truth: Mapping[str, Any]
    boxes: Sequence[Mapping[str, Any]]


def blob(rng: np.random.Generator, radius: float) -> BoolArray:
    """An ellipse somewhere, a notch in some."""
    canvas = np.zeros(SHAPE, np.uint8)
    axes = np.maximum(rng.uniform(0.5, 1, 2) * radius, 2).astype(int)
    centre = [int(rng.uniform(2, side - 2)) for side in SHAPE[::-1]]
    cv2.ellipse(canvas, centre, axes.tolist(), rng.uniform(0, 180), 0, 360, 1, -1)
    if rng.random() < 0.3:
        canvas[centre[1] : centre[1] + 4, centre[0] :] = 0
    found: BoolArray = canvas.astype(bool)
    return found


def write_scene(folder: Path, seed: int, federated: bool) -> Scene:
    """Writes ``annotations.json``, ``images/`` and ``boxes.json``; of LVIS's kind or COCO's."""
    rng = np.random.default_rng([seed, federated])
    (folder / "images").mkdir(parents=True)
    sought = [number for number in CATEGORIES if number != 12]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for place, image_id in enumerate(IMAGE_IDS):
        name = f"{image_id:06d}.png"
        cv2.imwrite(str(folder / "images" / name), rng.integers(0, 256, (*SHAPE, 3), np.uint8))
        image = {"id": image_id, "file_name": name, "height": SHAPE[0], "width": SHAPE[1]}
        if federated:
            image["neg_category_ids"] = rng.choice([*CATEGORIES], 2, replace=False).tolist()
            image["not_exhaustive_category_ids"] = rng.choice(sought, 2, replace=False).tolist()
        images.append(image)
        own: list[dict[str, Any]] = []
        for _ in range(0 if place == 2 else int(rng.integers(4, 14))):
            mask = Mask.from_dense(blob(rng, rng.choice([6, 18, 45, 90])))
            x0, y0, x1, y1 = mask.box or (0, 0, 0, 0)
            category = int(rng.choice(sought))
            own.append(
                {
                    "id": 1000 - len(annotations) - len(own),
                    "image_id": image_id,
                    "category_id": category,
                    "area": float(mask.area * rng.uniform(0.8, 1.2)),
                    "bbox": [x0 + rng.uniform(-1, 1), y0, x1 - x0 + 1 + rng.random(), y1 - y0 + 1],
                    "segmentation": {"size": list(SHAPE), "counts": mask.to_rle()},
                    "iscrowd": int(not federated and (category == 8 or rng.random() < 0.15)),
                }
            )  # fmt: skip
        if own:
            own[0]["area"] = 1024.0  # small and medium
        annotations += own
        number = 450 if place == 4 else int(rng.integers(20, 60))
        crowded = place == 4
        for _ in range(number):
            boxes.append(_detection(rng, image_id, own, 61 if crowded and len(boxes) % 2 else None))
    truth = {
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name, "frequency": "fcr"[number % 3]}
            for number, name in CATEGORIES.items()
        ],
    }
    if federated:
        for annotation in annotations:
            del annotation["iscrowd"]
    shuffled = [boxes[place] for place in rng.permutation(len(boxes))]
    (folder / "annotations.json").write_text(json.dumps(truth))
    (folder / "boxes.json").write_text(json.dumps(shuffled))
    return Scene(folder, truth, shuffled)


def _detection(
    rng: np.random.Generator, image_id: int, own: Sequence[Mapping[str, Any]], category: int | None
) -> dict[str, Any]:
    """A box near a target, somewhere, or rarely beside the picture; scores are often equal."""
    if own and rng.random() < 0.7:
        target = own[int(rng.integers(len(own)))]
        x, y, w, h = target["bbox"]
        spread = 0.06 * rng.exponential(1.0)
        x, y = x + rng.normal(0, spread) * w, y + rng.normal(0, spread) * h
        w, h = max(1.0, w * rng.normal(1, spread)), max(1.0, h * rng.normal(1, spread))
        category = category or int(target["category_id"])
    else:
        w, h = rng.uniform(2, 120), rng.uniform(2, 90)
        x, y = rng.uniform(-5, SHAPE[1] - 2), rng.uniform(-5, SHAPE[0] - 2)
    if rng.random() < 0.03:
        x = SHAPE[1] + 3.0
    if category is None or rng.random() < 0.15:
        category = int(rng.choice([*CATEGORIES, 999]))
    box = [float(x), float(y), float(w), float(h)]
    score = float(np.round(rng.uniform(0.05, 1), 2))
    return {"image_id": image_id, "category_id": category, "bbox": box, "score": score}


def run(scene: Scene, *words: str, results: Path | None = None) -> RunStore:
    """A finished run of the scene's boxes under ``disk``; ``results`` beside the scene's folder."""
    results = results or scene.folder.parent / f"{scene.folder.name}_results"
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()) as said,
    ):
        status = sam_bench(
            ["run", "task=boxes", f"task.args.boxes={scene.folder}/boxes.json", *MODEL,
             "dataset=coco", *coco_files(scene.folder), f"runtime.results={results}", *words]
        )  # fmt: skip
    if status:
        raise RuntimeError(said.getvalue())
    (store,) = find_runs(results, ["*"])
    return store


def ours(store: RunStore) -> dict[int, dict[str, float]]:
    """Our numbers, in [0, 1], by step; NaN where there is none."""
    (section,) = boxes_section(select([store]))
    lines = section.lines.to_dict("records")
    return {
        step: {name: np.nan if line[name] is None else float(line[name]) for name in NUMBERS}
        for step, line in enumerate(lines, start=1)
    }


def results_of(scene: Scene, rows: pd.DataFrame, step: int) -> list[dict[str, Any]]:
    """All of the scene's detections with the masks of a step, as COCO's tools take them."""
    known = rows[(rows["step"] == step) & rows["entry"].notna()]
    masks = dict(zip(known["entry"].astype(int), known["mask_counts"], strict=True))
    whole = Mask.from_dense(np.ones(SHAPE, dtype=bool)).to_rle()
    return [
        {
            "image_id": box["image_id"],
            "category_id": box["category_id"],
            "score": box["score"],
            "segmentation": {"size": list(SHAPE), "counts": masks.get(number, whole)},
        }
        for number, box in enumerate(scene.boxes)
    ]


def by_coco(
    scene: Scene, results: Sequence[Any], kind: str, fast: bool = False
) -> dict[str, float]:
    """The numbers of pycocotools, or of faster-coco-eval; NaN where it has none."""
    with contextlib.redirect_stdout(io.StringIO()):
        if fast:
            truth = fast_coco_eval.COCO(copy.deepcopy(scene.truth))
            found = fast_coco_eval.COCOeval_faster(
                truth, truth.loadRes(copy.deepcopy(results)), kind
            )
        else:
            truth = COCO()
            truth.dataset = copy.deepcopy(scene.truth)
            truth.createIndex()
            found = COCOeval(truth, truth.loadRes(copy.deepcopy(results)), kind)
        found.evaluate()
        found.accumulate()
    precision = np.asarray(found.eval["precision"])[..., -1]
    if kind == "bbox":
        return {"box_ap": _mean(precision[..., 0])}
    return _named(precision)


def by_lvis(scene: Scene, results: Sequence[Any], kind: str) -> dict[str, float]:
    """The numbers of lvis-api; NaN where it has none."""
    content = copy.deepcopy(dict(scene.truth))
    for annotation in content["annotations"]:
        area = Mask.from_rle(annotation["segmentation"]).area
        annotation["ignore"] = int(area < LEAST)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its log
        path = Path(folder) / "truth.json"
        path.write_text(json.dumps(content))
        truth = LVIS(str(path))
        found = LVISEval(truth, LVISResults(truth, copy.deepcopy(list(results))), kind)
        found.evaluate()
        found.accumulate()
    logging.disable(logging.NOTSET)
    precision = np.asarray(found.eval["precision"])
    if kind == "bbox":
        return {"box_ap": _mean(precision[..., 0])}
    groups = zip(("rare", "common", "frequent"), found.freq_groups, strict=True)
    return _named(precision) | {
        f"ap_{name}": _mean(precision[:, :, places, 0]) for name, places in groups
    }


def _named(precision: np.ndarray) -> dict[str, float]:
    """Of (10, 101, K, 4) the numbers that both evaluators have."""
    sizes = ("ap", "ap_small", "ap_medium", "ap_large")
    found = {name: _mean(precision[..., place]) for place, name in enumerate(sizes)}
    return found | {"ap50": _mean(precision[0, ..., 0]), "ap75": _mean(precision[5, ..., 0])}


def _mean(values: np.ndarray) -> float:
    there = values[values > -1]
    return float(there.mean()) if there.size else np.nan


def differences(seed: int, folder: Path, federated: bool) -> dict[str, dict[str, float]]:
    """By evaluator the largest difference of each number from ours, over both steps; its seconds.

    ``KeyError`` where ours lack a number; infinite where one side has none.
    """
    scene = write_scene(folder / f"{seed}_{federated}", seed, federated)
    store = run(scene, *([f"protocol.args.min_area={LEAST}"] if federated else []))
    rows = read_runs([store])
    found: dict[str, dict[str, float]] = {}
    numbers = ours(store)
    boxes = [dict(box) for box in scene.boxes]
    for step, told in numbers.items():
        results = results_of(scene, rows, step)
        if federated:
            others = {"lvis-api": lambda s, r, k: by_lvis(s, r, k)}
        else:
            others = {
                "pycocotools": lambda s, r, k: by_coco(s, r, k),
                "faster-coco-eval": lambda s, r, k: by_coco(s, r, k, fast=True),
            }
        for name, evaluate in others.items():
            start = time.process_time()
            theirs = evaluate(scene, results, "segm") | evaluate(scene, boxes, "bbox")
            took = time.process_time() - start
            mine = found.setdefault(name, {"seconds": 0.0})
            mine["seconds"] += took
            for number, value in theirs.items():
                off = (
                    0.0 if np.isnan(value) and np.isnan(told[number]) else abs(value - told[number])
                )
                mine[number] = max(mine.get(number, 0.0), np.inf if np.isnan(off) else off)
            mine["least"] = min(mine.get("least", 1.0), theirs["ap"])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--name", default="box_fidelity", help="of the files in results")
    chosen = parser.parse_args(arguments)
    worst: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(chosen.seeds):
            for federated in (False, True):
                for name, offs in differences(seed, Path(folder), federated).items():
                    known = worst.setdefault(name, dict.fromkeys(offs, 0.0))
                    for number, off in offs.items():
                        known[number] = max(known[number], off)
    heads = list(NUMBERS)
    lines = ["# Average precision against other evaluators", ""]
    lines += [
        f"The largest difference over {chosen.seeds} random scenes, both passes, in points.",
        "",
    ]
    lines += [f"| evaluator | {' | '.join(NUMBERS.values())} |", "|---|" + "--:|" * len(heads)]
    for name, offs in worst.items():
        cells = [f"{100 * offs[n]:.1e}" if n in offs else "–" for n in heads]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    text = "\n".join(lines) + "\n"
    result_files.write(chosen.name, text, seeds=chosen.seeds, worst=worst)
    sys.stdout.write(text)
    return (
        0
        if all(off < 1e-9 for offs in worst.values() for n, off in offs.items() if n in heads)
        else 1
    )


if __name__ == "__main__":
    sys.exit(main())
