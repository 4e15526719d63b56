"""Label maps in which every object has a value: a PNG or .npy per image; 0 is nothing.

Value v is the target ``<image_id>/<v>`` or ``<v>``, or the v-th of its image. Where two objects
overlap a label map has lost one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from bench.data.formats.labels import Box, find_boxes, masks_of_values
from bench.data.formats.pictures import LabelArray
from bench.tasks.given_masks.label_maps import (
    find_maps,
    read_map,
    refuse_levels,
    refuse_other_size,
)
from bench.tasks.given_masks.predictions import (
    Categories,
    Given,
    Predictions,
    refuse_categories,
    refuse_threshold,
)
from bench.types import Mask


def read(
    path: Path,
    image_ids: Sequence[str],
    threshold: int | None = None,
    categories: Categories | None = None,
) -> Predictions:
    """Each value of each image's label map; an image without a file is left out.

    Raises ``BenchError`` for values below 0, and where they nest as the levels of a soft mask do.
    """
    refuse_threshold(threshold, "labels")
    refuse_categories(categories, "labels")
    found = dict[str, list[Given]]()
    latest = lru_cache(maxsize=1)(_read_map)  # an image's values are asked for one by one
    for image_id, file in find_maps(path, image_ids).items():
        boxes = latest(file).boxes
        refuse_levels(file)
        found[image_id] = [
            Given(
                where=f"{file}, value {value}",
                mask=partial(_mask, latest, file, value),
                names=(f"{image_id}/{value}", str(value)),
                place=value,
            )
            for value in boxes
            if value != 0
        ]
    return found


@dataclass(frozen=True, slots=True)
class _Map:
    """A label map, (H, W) int32, and the box of each of its values."""

    labels: LabelArray
    boxes: Mapping[int, Box]


def _read_map(file: Path) -> _Map:
    labels = read_map(file)
    return _Map(labels, find_boxes(labels))


def _mask(
    read_file: Callable[[Path], _Map], file: Path, value: int, height: int, width: int
) -> Mask:
    found = read_file(file)
    refuse_other_size(found.labels, height, width)
    ((_, mask),) = masks_of_values(found.labels, skip=(), boxes={value: found.boxes[value]})
    return mask
