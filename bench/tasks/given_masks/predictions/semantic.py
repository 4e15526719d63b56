"""Semantic label maps, in which every category has a value: a PNG or .npy per image.

Each 8-connected part of a value is a mask. What a value is called, ``task.args.categories`` says;
without it by its number. 0 is nothing, unless it has a name, and so is any value without one where
there are names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

from bench.data.formats.labels import components, masks_of_values
from bench.data.formats.pictures import LabelArray
from bench.tasks.given_masks.label_maps import find_maps, read_map, refuse_other_size
from bench.tasks.given_masks.predictions import Categories, Given, Predictions, refuse_threshold
from bench.types import Mask


def read(
    path: Path,
    image_ids: Sequence[str],
    threshold: int | None = None,
    categories: Categories | None = None,
) -> Predictions:
    """The parts of each image's map; an image without a file is left out."""
    refuse_threshold(threshold, "semantic")
    found = dict[str, list[Given]]()
    skip = () if categories is not None and 0 in categories else (0,)
    # an image's parts are asked for one by one
    latest = lru_cache(maxsize=1)(partial(_read_parts, skip))
    for image_id, file in find_maps(path, image_ids).items():
        found[image_id] = [
            Given(
                where=f"{file}, value {value}, part {number}",
                mask=partial(_mask, latest, file, index),
                category=str(value) if categories is None else categories.get(value),
                value=value,
            )
            for index, (value, number, _) in enumerate(latest(file)[1])
        ]
    return found


_Parts = tuple[LabelArray, list[tuple[int, int, Mask]]]
"""A map, and of each part its value, its number among those of the value, from 1, and its mask."""


def _read_parts(skip: tuple[int, ...], file: Path) -> _Parts:
    labels = read_map(file)
    found = [
        (value, number, part)
        for value, mask in masks_of_values(labels, skip=skip)
        for number, part in enumerate(components(mask), start=1)
    ]
    return labels, found


def _mask(
    read_file: Callable[[Path], _Parts], file: Path, index: int, height: int, width: int
) -> Mask:
    labels, parts = read_file(file)
    refuse_other_size(labels, height, width)
    return parts[index][2]
