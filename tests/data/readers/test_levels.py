"""Levels of mask files: which are exact, and which lie as the edge of one mask does."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from bench.data.formats import levels as level_rules
from bench.data.formats.levels import levels_of

Grey = npt.NDArray[np.int32]
H, W = 60, 90


def disc(radius: int = 18) -> npt.NDArray[np.uint8]:
    rows, columns = np.mgrid[:H, :W]
    return (((rows - 30) ** 2 + (columns - 40) ** 2 < radius**2) * 255).astype(np.uint8)


def blurred(sigma: float) -> Grey:
    return np.asarray(cv2.GaussianBlur(disc(), (0, 0), sigma), dtype=np.int32)


def smaller() -> Grey:
    size = (W // 3, H // 3)
    return np.asarray(cv2.resize(disc(), size, interpolation=cv2.INTER_AREA), dtype=np.int32)


def slope() -> Grey:
    """A wide ramp in steps of 1, each of several columns: an object that fades out."""
    ramp = np.clip((np.arange(600) - 100) // 4, 0, 100)
    return np.repeat(np.int32(ramp)[None], 8, axis=0)


def tiles() -> Grey:
    """Labels that touch each other on every side, as superpixels do."""
    rows, columns = np.mgrid[:H, :W]
    return (rows // 6 * 15 + columns // 6).astype(np.int32)


def apart() -> Grey:
    labels = np.zeros((H, W), dtype=np.int32)
    for n in range(12):
        labels[5 + n % 3 * 18 : 18 + n % 3 * 18, 3 + n // 3 * 22 : 20 + n // 3 * 22] = 20 * n + 7
    return labels


def with_rims() -> Grey:
    """Objects in a rim of void, as Pascal VOC draws them."""
    labels = apart()
    grown = np.asarray(cv2.dilate((labels > 0).astype(np.uint8), np.ones((3, 3), np.uint8)))
    labels[(grown > 0) & (labels == 0)] = 255
    return labels


def nested_classes() -> Grey:
    """Core, rim and background: two or three values that nest are classes."""
    labels = (disc(18) > 0).astype(np.int32)
    labels[disc(16) > 0] = 2
    return labels


@pytest.mark.parametrize(
    "make", [lambda: blurred(1), lambda: blurred(5), smaller, slope, lambda: blurred(1) * 257]
)
def test_edges_nest(make: Callable[[], Grey]) -> None:
    assert levels_of(make()).nested


@pytest.mark.parametrize("make", [tiles, apart, with_rims, nested_classes])
def test_labels_do_not(make: Callable[[], Grey]) -> None:
    assert not levels_of(make()).nested


@pytest.mark.parametrize(("level", "nested"), [(51, True), (77, False), (179, False), (204, True)])
def test_much_in_the_middle_half_of_the_range_is_no_mask(level: int, nested: bool) -> None:
    """Beside a soft mask half of the picture has one level."""
    grey = np.hstack([blurred(1.5), np.full((H, W), level, dtype=np.int32)])
    assert (grey.min(), grey.max()) == (0, 255)
    assert levels_of(grey).nested == nested


@pytest.mark.parametrize(("more", "nested"), [(0, True), (1, False)])
def test_two_fifths_in_the_middle_half_may_be_a_mask_and_a_pixel_more_not(
    more: int, nested: bool
) -> None:
    soft, beside = blurred(1.5), np.zeros((H, W), dtype=np.int32)
    between = np.count_nonzero((soft > 255 / 4) & (soft < 255 * 3 / 4))
    beside.flat[: 2 * H * W * 2 // 5 - between + more] = 128
    assert levels_of(np.hstack([soft, beside])).nested == nested


def test_a_photo_is_no_mask() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (H, W), dtype=np.uint8)
    photo = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), dtype=np.int32)
    assert not levels_of(photo).nested


@pytest.mark.parametrize(
    ("values", "exact"),
    [
        ([0, 255], True), ([0, 1], True), ([0, 38], True), ([255], True), ([0], True),
        ([65535], True), ([12], False), ([12, 242], False), ([0, 128, 255], False),
    ],
)  # fmt: skip
def test_what_needs_no_threshold(values: list[int], exact: bool) -> None:
    levels = np.resize(np.array(values, dtype=np.int32), (4, 6))
    assert levels_of(levels).exact is exact


@pytest.mark.parametrize(
    ("values", "half"),
    [([0, 9, 252], 127), ([12, 242], 127), ([0, 40, 100], 50), ([0, 7, 65535], 32767)],
)
def test_half_of_the_range(values: list[int], half: int) -> None:
    assert levels_of(np.array([values], dtype=np.int32)).half == half


def test_a_large_file_is_looked_at_in_strips_with_the_same_result(monkeypatch):
    rng = np.random.default_rng(6)
    files = [rng.integers(-2, 70_000, (13, 9)), rng.integers(0, 6, (31, 40))]
    for size in (1.0, 2.5):
        blurred = cv2.GaussianBlur(np.float32(rng.random((43, 29)) > 0.7) * 255, (0, 0), size)
        files += [blurred, np.where(blurred > 90, blurred, 0), np.round(blurred / 40) * 40]
    whole = [levels_of(file.astype(np.int32)) for file in files]
    assert {levels.nested for levels in whole} == {True, False}
    for strip in (1, 7, 100):
        monkeypatch.setattr(level_rules, "_STRIP", strip)
        for file, levels in zip(files, whole, strict=True):
            found = levels_of(file.astype(np.int32))
            assert (list(found.counts.items()), found.nested) == (
                list(levels.counts.items()),
                levels.nested,
            )
