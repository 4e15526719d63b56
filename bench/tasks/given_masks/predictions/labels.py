"""Label maps: a PNG per image, ``<image_id>.png``, in which every object has a value; 0 is nothing.

Value v is the target ``<image_id>/<v>`` or ``<v>``, or the v-th of its image. Where two objects
overlap a label map has lost one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from bench.data.formats.pictures import LabelArray, read_labels
from bench.tasks.given_masks.predictions import Given, Predictions
from bench.types import BenchError, Mask


def read(path: Path, image_ids: Sequence[str]) -> Predictions:
    """Each value of each image's label map; an image without a file is left out."""
    if not path.is_dir():
        raise BenchError(f"{path}: label maps are a folder of <image_id>.png")
    known, found = set(image_ids), dict[str, list[Given]]()
    latest = lru_cache(maxsize=1)(read_labels)  # an image's values are asked for one by one
    for file in sorted(path.rglob("*.png")):
        image_id = file.relative_to(path).with_suffix("").as_posix()
        if image_id not in known:
            raise BenchError(f"{file}: no image {image_id!r} in the dataset")
        found[image_id] = [
            Given(
                where=f"{file}, value {value}",
                mask=partial(_mask, latest, file, value),
                names=(f"{image_id}/{value}", str(value)),
                place=value,
            )
            for value in np.unique(latest(file)).tolist()
            if value != 0
        ]
    if not found:
        raise BenchError(f"{path}: no PNG file of predictions")
    return found


def _mask(
    read_file: Callable[[Path], LabelArray], file: Path, value: int, height: int, width: int
) -> Mask:
    labels = read_file(file)
    if labels.shape != (height, width):
        raise ValueError(
            f"the label map is of {labels.shape[0]}×{labels.shape[1]}, the image of "
            f"{height}×{width} (H×W)"
        )
    return Mask.from_dense(labels == value)
