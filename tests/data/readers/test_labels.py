"""Every mask of a label image is what a look at the whole picture gives, at the cost of its box."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from bench.data.formats import labels as module
from bench.data.formats.labels import (
    components,
    find_boxes,
    masks_of_values,
    pixels_of_values,
)
from bench.types import BenchError, BoolArray, Mask

Labels = npt.NDArray[np.int32]


def drawn(kind: str, rng: np.random.Generator) -> Labels:
    """A label image that isn't square, with what the kind's name says."""
    height, width = int(rng.integers(1, 90)), int(rng.integers(1, 120))
    labels = np.zeros((height, width), dtype=np.int32)
    for value in rng.permutation(int(rng.integers(1, 25))) + 1:
        y, x = int(rng.integers(-8, height)), int(rng.integers(-8, width))
        h, w = int(rng.integers(1, 30)), int(rng.integers(1, 30))
        labels[max(0, y) : max(0, y + h), max(0, x) : max(0, x + w)] = value  # over the border too
    if kind == "no background":
        return labels + 1
    if kind == "noise":
        return rng.integers(0, 6, labels.shape).astype(np.int32)
    if kind == "below zero":
        return np.where(labels % 3 == 0, -labels - 1, labels)
    if kind == "far apart":
        return (labels * 104_729).astype(np.int32)
    if kind == "of 32 bits":
        names = rng.integers(-(2**31), 2**31 - 1, int(labels.max()) + 1).astype(np.int32)
        return names[labels]
    return labels


KINDS = ("plain", "no background", "noise", "below zero", "far apart", "of 32 bits")


@pytest.mark.parametrize("kind", KINDS)
def test_each_mask_is_the_pixels_of_its_value(kind: str) -> None:
    rng = np.random.default_rng(7)
    for _ in range(25):
        labels = drawn(kind, rng)
        skip = rng.choice(np.unique(labels), 1).tolist()
        found = list(masks_of_values(labels, skip=skip))
        kept = [value for value in np.unique(labels).tolist() if value not in skip]
        assert [value for value, _ in found] == kept
        for value, mask in found:
            plain = Mask.from_dense(labels == value)
            assert (mask.y0, mask.x0, mask.shape) == (plain.y0, plain.x0, plain.shape)
            assert np.array_equal(mask.bits, plain.bits)
            assert mask.bits.base is None  # it keeps no picture in memory
        boxes = find_boxes(labels)
        assert np.array_equal(pixels_of_values(labels, skip, boxes), np.isin(labels, skip))


def test_values_are_ranked_across_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE", 7)
    labels = drawn("of 32 bits", np.random.default_rng(3))
    for value, mask in masks_of_values(labels, skip=()):
        assert np.array_equal(mask.dense(), labels == value)


def test_the_parts_of_a_mask_are_in_the_order_of_their_first_pixels() -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        dense = rng.random((int(rng.integers(1, 40)), int(rng.integers(1, 60)))) < rng.uniform(0, 1)
        parts = components(Mask.from_dense(dense))
        _, numbers = cv2.connectedComponents(dense.astype(np.uint8), connectivity=8)
        numbers = np.asarray(numbers)
        first = dict.fromkeys(number for number in numbers.ravel().tolist() if number)
        assert len(parts) == len(first)
        for part, number in zip(parts, first, strict=True):
            assert np.array_equal(part.dense(), numbers == number)


def many(side: int) -> Labels:
    """A picture of squares of 5 pixels, 3 apart."""
    rows = np.arange(side)
    inside = (rows % 8 < 5)[:, None] & (rows % 8 < 5)[None, :]
    number = (rows // 8)[:, None] * (side // 8) + (rows // 8)[None, :] + 1
    return np.where(inside, number, 0).astype(np.int32)


@pytest.mark.parametrize(
    "made",
    [
        lambda labels: [mask for _, mask in masks_of_values(labels, skip=[0])],
        lambda labels: components(Mask.from_dense(labels > 0)),
    ],
    ids=["values", "parts"],
)
def test_the_cost_is_that_of_the_boxes(
    made: Callable[[Labels], list[Mask]], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    mask_in = module._mask

    def noted(bits: BoolArray, box: module.Box, shape: tuple[int, ...]) -> Mask:
        looked.append(bits.size)
        return mask_in(bits, box, shape)

    monkeypatch.setattr(module, "_mask", noted)
    masks = made(many(800))
    assert len(masks) == 10_000
    assert {mask.area for mask in masks} == {25}
    assert sum(looked) == 25 * 10_000


def test_scattered_values_are_refused_before_they_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = np.random.default_rng(1).integers(1, 40, (50, 60)).astype(np.int32)
    assert len(list(masks_of_values(labels, skip=[0]))) == 39
    monkeypatch.setattr(module, "MOST_BITS", 39 * 50 * 60 // 2)
    with pytest.raises(BenchError, match=r"39 objects are scattered .* values of their own"):
        next(iter(masks_of_values(labels, skip=[0])))


def test_room_is_that_of_the_boxes_wherever_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two objects in the far corner, of 2 × 3 and of 4 × 5 pixels."""
    labels = np.zeros((50, 70), dtype=np.int32)
    labels[30:32, 50:53], labels[45:49, 60:65] = 3, 8
    monkeypatch.setattr(module, "MOST_BITS", 2 * 3 + 4 * 5)
    assert [mask.area for _, mask in masks_of_values(labels, skip=[0])] == [6, 20]
    monkeypatch.setattr(module, "MOST_BITS", 2 * 3 + 4 * 5 - 1)
    with pytest.raises(BenchError, match="2 objects are scattered"):
        next(iter(masks_of_values(labels, skip=[0])))


def test_the_room_that_is_asked_for_and_held_is_said() -> None:
    boxes = [(slice(9, 90_009), slice(7, 100_007))] * 2
    with pytest.raises(BenchError, match=r"2 objects .* of 18 GB in all, beyond the 9 that are"):
        module._check_room(boxes)
