"""A PNG per mask: ``<mask_id>.png`` or ``<image_id>/<mask_id>.png``; what isn't 0 is foreground.

Where an image's id is the name of a folder, the files in it are that image's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.data.formats.pictures import read_levels
from bench.tasks.given_masks.predictions import Given, Predictions
from bench.types import BenchError, Mask


def read(path: Path, image_ids: Sequence[str]) -> Predictions:
    """The files of each image; those in no image's folder may be any image's, under ``""``."""
    if not path.is_dir():
        raise BenchError(f"{path}: masks are a folder of <mask_id>.png or <image_id>/<mask_id>.png")
    known, found = set(image_ids), dict[str, list[Given]]()
    for file in sorted(path.rglob("*.png")):
        name = file.relative_to(path).with_suffix("").as_posix()
        parts = name.split("/")
        owners = ["/".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]
        image_id = next((owner for owner in owners if owner in known), "")
        names = (name, name.removeprefix(f"{image_id}/")) if image_id else (name,)
        given = Given(where=str(file), mask=partial(_mask, file), names=names)
        found.setdefault(image_id, []).append(given)
    if not found:
        raise BenchError(f"{path}: no PNG file of predictions")
    return found


def _mask(file: Path, height: int, width: int) -> Mask:
    levels = read_levels(file)
    if levels.shape != (height, width):
        raise ValueError(
            f"the mask is of {levels.shape[0]}×{levels.shape[1]}, the image of "
            f"{height}×{width} (H×W)"
        )
    return Mask.from_dense(levels > 0)
