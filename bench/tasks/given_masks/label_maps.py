"""A folder of label maps as another tool writes them: ``<image_id>.png`` or ``<image_id>.npy``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.data.formats.files import is_hidden
from bench.data.formats.labels import label_array
from bench.data.formats.levels import levels_of
from bench.data.formats.pictures import LabelArray, read_labels, read_levels
from bench.data.formats.spellings import Known
from bench.files.arrays import read_array
from bench.types import MAX_PIXELS, BenchError

ENDINGS = (".png", ".npy")


def find_maps(path: Path, image_ids: Sequence[str]) -> Mapping[str, Path]:
    """The file of each image that has one, by its id, in the files' order.

    Raises ``BenchError`` for what is no folder, one without a file, a file of no image, and two of
    one image.
    """
    if not path.is_dir():
        raise BenchError(f"{path}: label maps are a folder of <image_id>.png or <image_id>.npy")
    known, found = Known(image_ids), dict[str, Path]()
    for file in sorted(each for each in path.rglob("*") if each.suffix.lower() in ENDINGS):
        if is_hidden(file, path) or not file.is_file():
            continue
        name = file.relative_to(path).with_suffix("").as_posix()
        image_id = known.meant(name)
        if image_id is None:
            raise BenchError(f"{file}: no image {name!r} in the dataset")
        if image_id in found:
            raise BenchError(
                f"{file}: another label map is of image {image_id!r} too, {found[image_id].name}"
            )
        found[image_id] = file
    known.say(path)
    if not found:
        raise BenchError(f"{path}: no PNG file of predictions, and no .npy")
    return found


def read_map(file: Path) -> LabelArray:
    """The map, (H, W) int32; an array may have a first axis of length 1.

    Raises ``BenchError`` for a damaged file, values below 0, a soft mask in place of labels, and an
    array of anything else than whole numbers.
    """
    labels = _read_array(file) if file.suffix.lower() == ".npy" else read_labels(file)
    if labels.min(initial=0) < 0:
        raise BenchError(
            f"{file}: the value {labels.min()} is below 0; a label map has 0 for nothing and a "
            "value above it for each mask"
        )
    return labels


def refuse_levels(file: Path) -> None:
    """Raises ``BenchError`` for a picture whose values nest as the levels of a soft mask do."""
    if file.suffix.lower() == ".npy":
        return
    levels = levels_of(read_levels(file))
    if levels.nested:
        raise BenchError(
            f"{file}: its {levels.words} nest as the edge of one soft mask does, they are no label "
            f"map; score it with --format masks --threshold {levels.half}"
        )


def refuse_other_size(labels: LabelArray, height: int, width: int) -> None:
    """Raises ``ValueError`` for a map that isn't of the image's size."""
    if labels.shape != (height, width):
        raise ValueError(
            f"the label map is of {labels.shape[0]}×{labels.shape[1]}, the image of "
            f"{height}×{width} (H×W)"
        )


def _read_array(file: Path) -> LabelArray:
    array = read_array(file)
    if array.size > MAX_PIXELS:
        raise BenchError(f"{file}: {array.size} values are no label map of one picture")
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    try:
        return label_array(array)
    except ValueError as error:
        hint = (
            "; of a network's scores (classes, H, W) write scores.argmax(0)"
            if array.dtype.kind == "f" or array.ndim == 3
            else ""
        )
        raise BenchError(f"{file}: {error}{hint}") from None
