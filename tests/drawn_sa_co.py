"""Drawn pictures, phrases and detections as files in SA-Co's layout, and readers that die once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
from drawn_concepts import Drawn
from PIL import Image
from pycocotools import mask as coco_mask

from bench.data.readers.coco_panoptic import CocoPanoptic
from bench.data.readers.sa_co import SaCo
from bench.store.runs import find_runs, read_runs
from bench.types import Sample


def rle(mask: np.ndarray) -> dict[str, Any]:
    """The run lengths of an (H, W) mask as JSON has them."""
    encoded: Any = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(mask.shape), "counts": encoded["counts"].decode()}


def write_sa_co(folder: Path, drawn: Drawn) -> Path:
    """``person_N.json``, ``pictures/`` and ``found.json``, the detections."""
    (folder / "pictures").mkdir(parents=True)
    for name, (height, width) in drawn.sizes.items():
        rng = np.random.default_rng(height * width)
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / name)
    images = [
        {"id": int(pair), "file_name": picture, "text_input": text, "is_instance_exhaustive": 1}
        | dict(zip(("height", "width"), drawn.sizes[picture], strict=True))
        for pair, (picture, text) in drawn.pairs.items()
    ]
    for number, truth in enumerate(drawn.annotators):
        found = [(pair, one) for pair, some in truth.items() for one in some]
        annotations = [
            {
                "id": own,
                "image_id": int(pair),
                "segmentation": rle(one.mask),
                "iscrowd": int(one.crowd),
                "category_id": 1,
            }
            for own, (pair, one) in enumerate(found, start=1)
        ]
        categories = [{"id": 1, "name": "object"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / f"person_{number}.json").write_text(json.dumps(content))
    detections = [
        {"image_id": int(pair), "category_id": 1, "score": one.score, "segmentation": rle(one.mask)}
        for pair, some in drawn.guesses.items()
        for one in some
    ]
    (folder / "found.json").write_text(json.dumps(detections))
    return folder


def sa_co_words(folder: Path, annotators: int, results: str = "results") -> list[str]:
    """The dataset as words of the command line."""
    files = ",".join(f"{folder}/person_{number}.json" for number in range(annotators))
    return [
        "dataset=sa_co", "dataset.name=drawn", f"dataset.args.annotations=[{files}]",
        f"dataset.args.images={folder}/pictures", f"runtime.results={folder}/{results}",
        "runtime.device=cpu", "runtime.workers=1",
    ]  # fmt: skip


def die_once() -> None:
    """Ends the process as ``kill -9`` does, once: as soon as the folder ``DIES`` has a part.

    It is a folder of results; a file ``died`` in it says that it was done. In a run of several
    processes (``DIES_IN`` is "worker") the one that drives them lives.
    """
    results = Path(os.environ.get("DIES", "/nowhere"))
    if os.environ.get("DIES_IN") == "worker" and parent_process() is None:
        return
    died = results / "died"
    if not died.exists() and next(results.rglob("parts/*.parquet"), None) is not None:
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class DeadlySaCo(SaCo):
    """Dies as it reads an image, see ``die_once``."""

    def read(self, image_id: str) -> Sample:
        die_once()
        return super().read(image_id)


class DeadlyPanoptic(CocoPanoptic):
    """Dies as it reads an image, see ``die_once``."""

    def read(self, image_id: str) -> Sample:
        die_once()
        return super().read(image_id)


def killed_and_gone_on(
    folder: Path, words: Sequence[str], processes: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of a run below ``whole``, and of one below ``results`` that was killed on its way.

    With one process the command dies and is given again; with two a worker does.
    """
    results = folder / "results"
    paths = os.pathsep.join(path for path in sys.path if path)
    where = "driver" if processes == 1 else "worker"
    environment = os.environ | {"PYTHONPATH": paths, "DIES": str(results), "DIES_IN": where}
    devices = f"runtime.devices=[{','.join(['cpu'] * processes)}]" if processes > 1 else None
    more = ["runtime.allow_modules=[drawn_sa_co]", "runtime.part_images=1"]
    command = [sys.executable, "-m", "bench", *words, *more, *filter(None, [devices])]

    def given() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False, timeout=300
        )

    first = given()
    assert (results / "died").exists(), first.stderr
    assert first.returncode == (-signal.SIGKILL if processes == 1 else 0), first.stderr
    if processes == 1:
        rows = sum(parquet.read_metadata(each).num_rows for each in results.rglob("*.parquet"))
        second = given()
        assert second.returncode == 0, second.stderr
    whole, killed = (
        read_runs(find_runs(folder / name, ["*"])).drop(columns="run")
        for name in ("whole", "results")
    )
    if processes == 1:
        assert 0 < rows < len(whole), "it was killed on its way"
    return whole, killed
