"""Label images: (H, W) int32 whatever whole numbers a file stores, and the mask of each value.

A number beyond int32 is refused: cut to 32 bits it would be another object's. Whatever is done
once a value is done in its box alone, so that 20,000 objects in a large picture cost little more
than one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bench.data.formats.pictures import LabelArray
from bench.types import BenchError, BoolArray, Mask

Box: TypeAlias = tuple[slice, slice]
"""The rows and columns of a value, both tight."""

MOST_BITS = 1 << 33
"""Bytes that the masks of one label image may take: each is kept as the bits of its box."""

_SMALL = 1 << 16
"""Values up to which, or up to the number of pixels, a table with a place for each is small."""

_LARGEST_TABLE = 1 << 20
_PIECE = 1 << 20
"""Pixels that are looked at together, so that what is made of them stays small."""


_RANGE = np.iinfo(np.int32)


def label_array(values: Any) -> LabelArray:
    """Whole numbers (H, W) of any width as int32.

    Raises ``ValueError`` for anything else, and for numbers that don't fit.

    >>> label_array(np.array([[0, 2**32 + 5]]))
    Traceback (most recent call last):
    ValueError: a label is -2147483648 to 2147483647, found 4294967301
    """
    found = np.asarray(values)
    if found.ndim != 2 or found.dtype.kind not in "iu":
        raise ValueError(f"labels are whole numbers (H, W), found {found.dtype} {found.shape}")
    for number in (found.min(initial=0), found.max(initial=0)):
        if not _RANGE.min <= int(number) <= _RANGE.max:
            raise ValueError(f"a label is {_RANGE.min} to {_RANGE.max}, found {number}")
    labels: LabelArray = found.astype(np.int32)
    return labels


def whole_numbers(values: Any) -> list[int]:
    """A list's or an array's numbers, each a whole one, be it stored as a float.

    Raises ``ValueError`` for anything else.
    """
    found = np.ravel(np.asarray(values))
    whole = found.dtype.kind in "iu" or (
        found.dtype.kind == "f" and bool(np.all(np.isfinite(found) & (found == np.trunc(found))))
    )
    if not whole:
        raise ValueError(f"whole numbers are expected, found {str(found)[:60]}")
    return [int(number) for number in found]


def find_boxes(labels: LabelArray) -> dict[int, Box]:
    """The box of every value of an (H, W) label image, by rising value.

    >>> find_boxes(np.array([[0, 0, 7], [0, -1, 7]], dtype=np.int32))[7]
    (slice(0, 2, None), slice(2, 3, None))
    """
    if labels.size == 0:
        return {}
    most = min(max(_SMALL, labels.size), _LARGEST_TABLE)
    if labels.min() < 0 or labels.max() > most:
        values, ranks = _ranked(labels)
        return dict(zip(values, ndimage.find_objects(ranks, len(values)), strict=True))
    found = {0: box} if (box := _box_of(labels == 0)) else {}
    boxes = ndimage.find_objects(labels, int(labels.max()))
    return found | {value: box for value, box in enumerate(boxes, start=1) if box}


def masks_of_values(
    labels: LabelArray, *, skip: Iterable[int], boxes: Mapping[int, Box] | None = None
) -> Iterator[tuple[int, Mask]]:
    """Each value of an (H, W) label image with its mask, by rising value, but for ``skip``.

    ``boxes`` are those of ``find_boxes``, where they are known. Raises ``BenchError`` for values
    so scattered that their masks would take gigabytes.
    """
    left_out = set(skip)
    found = find_boxes(labels) if boxes is None else boxes
    chosen = {value: box for value, box in found.items() if value not in left_out}
    _check_room(chosen.values())
    for value, box in chosen.items():
        yield value, _mask(labels[box] == value, box, labels.shape)


def pixels_of_values(
    labels: LabelArray, values: Iterable[int], boxes: Mapping[int, Box]
) -> BoolArray:
    """Where an (H, W) label image has one of the values, (H, W) bool."""
    pixels = np.zeros(labels.shape, dtype=bool)
    for value in set(values) & boxes.keys():
        pixels[boxes[value]] |= labels[boxes[value]] == value
    return pixels


def components(mask: Mask) -> list[Mask]:
    """The 8-connected parts of a mask, in the order of their first pixels, row by row."""
    if mask.bits.size == 0:  # OpenCV 5.0 crashes on an empty picture
        return []
    _, numbers = cv2.connectedComponents(mask.bits.astype(np.uint8), connectivity=8)
    parts = [part for _, part in masks_of_values(np.asarray(numbers), skip=[0])]
    parts.sort(key=lambda part: (part.y0, part.x0 + int(part.bits[0].argmax())))
    return [
        Mask(mask.height, mask.width, mask.y0 + part.y0, mask.x0 + part.x0, part.bits)
        for part in parts
    ]


def _mask(bits: BoolArray, box: Box, shape: tuple[int, ...]) -> Mask:
    return Mask(shape[0], shape[1], box[0].start, box[1].start, bits)


def _box_of(pixels: BoolArray) -> Box | None:
    rows, columns = (np.flatnonzero(pixels.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _check_room(boxes: Iterable[Box]) -> None:
    sizes = [(rows.stop - rows.start) * (columns.stop - columns.start) for rows, columns in boxes]
    if sum(sizes) > MOST_BITS:
        raise BenchError(
            f"the label image's {len(sizes)} objects are scattered over boxes of "
            f"{sum(sizes) / 1e9:.0f} GB in all, beyond the {MOST_BITS / 1e9:.0f} that are held: is "
            "it a label image? Objects that lie apart want values of their own, or a smaller "
            "picture"
        )


def _ranked(labels: LabelArray) -> tuple[list[int], npt.NDArray[np.int32]]:
    """The values, sorted, and each pixel's place among them from 1, (H, W)."""
    flat = labels.ravel()
    each = [np.unique(values) for _, values, _ in _runs(flat)]
    values = np.unique(np.concatenate(each))
    ranks = np.empty(flat.size, dtype=np.int32)
    for piece, written, lengths in _runs(flat):
        ranks[piece] = np.repeat(np.searchsorted(values, written) + 1, lengths)
    return values.tolist(), ranks.reshape(labels.shape)


def _runs(
    flat: LabelArray,
) -> Iterator[tuple[slice, LabelArray, npt.NDArray[np.int64]]]:
    """The runs of equal values, piece by piece: where the piece lies, its values and lengths."""
    for start in range(0, flat.size, _PIECE):
        piece = flat[start : start + _PIECE]
        begun = np.flatnonzero(np.concatenate([[True], piece[1:] != piece[:-1]]))
        lengths = np.diff(begun, append=piece.size)
        yield slice(start, start + piece.size), piece[begun], lengths
