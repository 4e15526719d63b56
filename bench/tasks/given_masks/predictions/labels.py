"""Label maps: a PNG per image, ``<image_id>.png``, in which every object has a value; 0 is nothing.

Value v is the target ``<image_id>/<v>`` or ``<v>``, or the v-th of its image. Where two objects
overlap a label map has lost one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from bench.data.formats.files import is_hidden
from bench.data.formats.labels import Box, find_boxes, masks_of_values
from bench.data.formats.levels import levels_of
from bench.data.formats.pictures import LabelArray, read_labels, read_levels
from bench.data.formats.spellings import Known
from bench.tasks.given_masks.predictions import Given, Predictions, refuse_threshold
from bench.types import BenchError, Mask


def read(path: Path, image_ids: Sequence[str], threshold: int | None = None) -> Predictions:
    """Each value of each image's label map; an image without a file is left out.

    Raises ``BenchError`` for values below 0, and where they nest as the levels of a soft mask do.
    """
    refuse_threshold(threshold, "labels")
    if not path.is_dir():
        raise BenchError(f"{path}: label maps are a folder of <image_id>.png")
    known, found = Known(image_ids), dict[str, list[Given]]()
    latest = lru_cache(maxsize=1)(_read_map)  # an image's values are asked for one by one
    for file in sorted(path.rglob("*.png")):
        if is_hidden(file, path):
            continue
        name = file.relative_to(path).with_suffix("").as_posix()
        image_id = known.meant(name)
        if image_id is None:
            raise BenchError(f"{file}: no image {name!r} in the dataset")
        if image_id in found:
            raise BenchError(f"{file}: another label map is of image {image_id!r} too")
        _refuse_no_labels(latest(file).labels, file)
        found[image_id] = [
            Given(
                where=f"{file}, value {value}",
                mask=partial(_mask, latest, file, value),
                names=(f"{image_id}/{value}", str(value)),
                place=value,
            )
            for value in latest(file).boxes
            if value != 0
        ]
    known.say(path)
    if not found:
        raise BenchError(f"{path}: no PNG file of predictions")
    return found


@dataclass(frozen=True, slots=True)
class _Map:
    """A label map, (H, W) int32, and the box of each of its values."""

    labels: LabelArray
    boxes: Mapping[int, Box]


def _read_map(file: Path) -> _Map:
    labels = read_labels(file)
    return _Map(labels, find_boxes(labels))


def _refuse_no_labels(labels: LabelArray, file: Path) -> None:
    if labels.min() < 0:
        raise BenchError(
            f"{file}: the value {labels.min()} is below 0; a label map has 0 for nothing and a "
            "value above it for each mask"
        )
    levels = levels_of(read_levels(file))
    if levels.nested:
        raise BenchError(
            f"{file}: its {levels.words} nest as the edge of one soft mask does, they are no label "
            f"map; score it with --format masks --threshold {levels.half}"
        )


def _mask(
    read_file: Callable[[Path], _Map], file: Path, value: int, height: int, width: int
) -> Mask:
    found = read_file(file)
    labels = found.labels
    if labels.shape != (height, width):
        raise ValueError(
            f"the label map is of {labels.shape[0]}×{labels.shape[1]}, the image of "
            f"{height}×{width} (H×W)"
        )
    ((_, mask),) = masks_of_values(labels, skip=(), boxes={value: found.boxes[value]})
    return mask
