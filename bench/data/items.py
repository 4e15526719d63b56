"""One picture and its masks as Python holds them: arrays, Pillow's images, or a picture's path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.data.formats.pictures import read_picture, rgb_of
from bench.types import MAX_PIXELS, BenchError, BoolArray, ImageArray, Mask, Sample, Target

TAKEN = ("image", "masks", "id", "image_id", "categories", "iscrowd", "ignore")
"""What is looked at of an item that is a mapping, or of the mapping beside its image."""


def parts_of(item: object) -> dict[str, Any]:
    """What an item holds, by the names of ``TAKEN``, and whatever else it has.

    It is a mapping with ``image`` and ``masks``, a pair (image, masks), or a pair (image, mapping
    with ``masks``), as torchvision's detection datasets give. Raises ``BenchError``.
    """
    parts: dict[str, Any]
    if isinstance(item, Mapping):
        parts = {str(name): value for name, value in item.items()}
    elif isinstance(item, tuple | list) and len(item) == 2:
        image, beside = item
        # A COCO RLE is a mapping too, that of one mask.
        held = isinstance(beside, Mapping) and "counts" not in beside
        parts = {**({str(n): v for n, v in beside.items()} if held else {"masks": beside})}
        parts["image"] = image
    else:
        size = f" of {len(item)}" if isinstance(item, tuple | list) else ""
        raise BenchError(
            f"expected (image, masks) or a dict with both, found a {type(item).__name__}{size}"
        )
    if lacking := [name for name in ("image", "masks") if name not in parts]:
        raise BenchError(f"has no {' and no '.join(lacking)}: it has {', '.join(sorted(parts))}")
    return parts


def id_of(parts: Mapping[str, Any]) -> str | None:
    """The item's own id, ``id`` or ``image_id``, a text or a whole number; none if it has none."""
    said = parts.get("id", parts.get("image_id"))
    if said is None or isinstance(said, str):
        return said
    number = np.asarray(said)
    if number.size != 1 or number.dtype.kind not in "iu":
        raise BenchError(f"its id is a {type(said).__name__}, expected a text or a whole number")
    return str(int(number.reshape(())))


def sample_of(parts: Mapping[str, Any], image_id: str, max_pixels: int = MAX_PIXELS) -> Sample:
    """The item as a sample; raises ``BenchError`` that says what is wrong with it.

    ``categories`` and ``iscrowd`` have a value a mask, ``ignore`` is (H, W) bool.
    """
    image = picture_of(parts["image"], max_pixels)
    masks = [(f"{image_id}/{name}", mask) for name, mask in masks_of(parts["masks"])]
    categories = _each(parts, "categories", len(masks))
    crowds = _each(parts, "iscrowd", len(masks))
    targets = [
        Target(mask_id, mask, None if what is None else str(what), bool(crowd))
        for (mask_id, mask), what, crowd in zip(masks, categories, crowds, strict=True)
    ]
    ignore = None
    if parts.get("ignore") is not None:
        ignore = _bits(np.asarray(parts["ignore"]), "ignore")
    try:
        return Sample(image_id, image, targets, ignore)
    except ValueError as error:
        raise BenchError(str(error)) from None


def picture_of(image: object, max_pixels: int = MAX_PIXELS) -> ImageArray:
    """(H, W, 3) uint8 RGB of an array, also (3, H, W) as torch has them, a Pillow image or a path.

    Raises ``BenchError`` for anything else, floating-point values among it.
    """
    if isinstance(image, str | PathLike):
        return read_picture(Path(image), pixel_limit=max_pixels)
    if isinstance(image, Image.Image):
        try:
            return rgb_of(image)
        except (OSError, ValueError) as error:
            raise BenchError(f"its image can't be read: {error}") from None
    pixels = _array(image, "image")
    if pixels.ndim == 3 and pixels.shape[0] == 3 and pixels.shape[2] != 3:
        pixels = pixels.transpose(1, 2, 0)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise BenchError(
            f"its image is {pixels.shape} {pixels.dtype}, expected (H, W, 3) uint8 RGB, a Pillow "
            "image or a path"
        )
    if pixels.shape[0] * pixels.shape[1] > max_pixels:
        raise BenchError(f"its image has more than {max_pixels} pixels (runtime.max_pixels)")
    return np.ascontiguousarray(pixels)


def masks_of(masks: object) -> Iterator[tuple[str, Mask]]:
    """Each mask with a name that is unique in the item: its place, or its value in a label map.

    ``masks`` is bool (H, W), a stack (N, H, W) of bool or of 0 and 1, whole numbers (H, W) of which
    each but 0 is an object, a COCO RLE, or a list of bool (H, W) and RLEs. Raises ``BenchError``.
    """
    if isinstance(masks, Mapping):
        yield "000", _of_rle(masks)
        return
    if isinstance(masks, Sequence) and not isinstance(masks, str):
        for place, one in enumerate(masks):
            name = f"mask {place}"
            mask = (
                _of_rle(one)
                if isinstance(one, Mapping)
                else Mask.from_dense(_bits(_array(one, name), name))
            )
            yield f"{place:03d}", mask
        return
    array = _array(masks, "masks")
    if array.ndim == 2 and array.dtype.kind in "iu":
        values = np.unique(array)
        if values.size and values[0] < 0:
            raise BenchError(f"its label map holds {values[0]}, expected 0 for none and objects")
        for value in values[values != 0]:
            yield str(int(value)), Mask.from_dense(array == value)
    elif array.ndim == 3 or (array.ndim == 2 and array.dtype == np.bool_):
        stack = array if array.ndim == 3 else array[None]
        for place, one in enumerate(stack):
            yield f"{place:03d}", Mask.from_dense(_bits(one, "masks"))
    else:
        raise BenchError(
            f"its masks are {array.shape} {array.dtype}, expected bool (H, W), a stack (N, H, W), "
            "a label map (H, W) of whole numbers, COCO RLEs, or a list of masks"
        )


def _of_rle(rle: Mapping[str, Any]) -> Mask:
    try:
        return Mask.from_rle(rle)
    except (KeyError, TypeError, ValueError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise BenchError(f"a COCO RLE among its masks can't be read: {what}") from None


def _bits(array: npt.NDArray[Any], what: str) -> BoolArray:
    """(H, W) bool of bool, or of whole numbers that are 0 and 1."""
    plain = array.dtype == np.bool_ or (array.dtype.kind in "iu" and bool((array <= 1).all()))
    if array.ndim != 2 or not plain or (array.dtype.kind == "i" and (array < 0).any()):
        raise BenchError(f"its {what} is {array.shape} {array.dtype}, expected bool (H, W)")
    bits: BoolArray = array.astype(bool)
    return bits


def _array(value: object, what: str) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.asarray(value)
    except Exception as error:  # a tensor on an accelerator, say
        raise BenchError(f"its {what} can't be taken as an array: {error}") from None
    if array.dtype.kind not in "biuf":
        raise BenchError(f"its {what} is a {type(value).__name__}, expected an array")
    return array


def _each(parts: Mapping[str, Any], name: str, count: int) -> Sequence[Any]:
    """A value a mask, or none for each."""
    said = parts.get(name)
    if said is None:
        return [None] * count
    listed = said.tolist() if hasattr(said, "tolist") else said
    if isinstance(listed, str) or not isinstance(listed, Sequence) or len(listed) != count:
        raise BenchError(
            f"its {name} must be one for each of its {count} masks, found {said!r:.60}"
        )
    return listed
