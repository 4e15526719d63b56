"""SA-1B's own points: what its masks were made with, ``point_coords`` of each annotation.

A file ``sa_1.json`` or a folder of them, as ``bench.data.readers.sa_1b`` reads them. Points are
(x, y) pixel places, all foreground, and are one step (SlimSAM's evaluation asks with these).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.prompts.recorded.entry import Entry, clicks_of, prompt_of
from bench.prompts.recorded.source import Source
from bench.types import BenchError


def claims(source: Source) -> bool:
    """Whether its first JSON file has annotations of an image."""
    files = source.ending(".json")
    if not files:
        return False
    content = source.json(files[0])
    return isinstance(content, dict) and "annotations" in content and "image" in content


def read(source: Source) -> Sequence[Entry]:
    """An entry per annotation; its mask is "<the file's stem>/<the annotation's id>"."""
    found: list[Entry] = []
    for path in source.ending(".json"):
        content = source.json(path)
        annotations = content.get("annotations") if isinstance(content, dict) else None
        if not isinstance(annotations, list):
            raise BenchError(f"{path}: an SA-1B file has a list 'annotations'")
        found += [_entry(path, each) for each in annotations]
    return found


def _entry(path: Path, annotation: Any) -> Entry:
    number = annotation.get("id") if isinstance(annotation, dict) else None
    where = f"{path.name}, annotation {number}"
    try:
        points = np.array(annotation["point_coords"], dtype=np.float64)
        if number is None or points.ndim != 2 or points.shape[1] != 2 or not len(points):
            raise ValueError(f"its shape is {points.shape}")
        if not np.isfinite(points).all():
            raise ValueError("it holds NaN or infinity")
    except (KeyError, TypeError, ValueError) as error:
        raise BenchError(
            f"{path}: annotation {number}: 'point_coords' must be a list of [x, y], and 'id' its "
            f"number ({' '.join(str(error).split())})"
        ) from None
    cue = clicks_of(points.tolist(), [1] * len(points))
    return Entry(
        where=where,
        step=1,
        kinds=frozenset({"points"}),
        prompt=prompt_of([cue]),
        n_points=len(points),
        image=path.stem,
        mask=f"{path.stem}/{number}",
    )
