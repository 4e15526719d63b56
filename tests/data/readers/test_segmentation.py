"""The decoder of COCO segmentations, against hand-made masks and against pycocotools."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from bench.data.formats.segmentation import are_shares, decode_segmentation

from .making import HEIGHT, TRUTH, WIDTH, rle


@pytest.mark.parametrize("name", TRUTH)
def test_rle_lists_and_strings(name):
    mask = TRUTH[name]
    assert np.array_equal(decode_segmentation(rle(mask), HEIGHT, WIDTH).dense(), mask)
    counts = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"]
    for written in (counts, counts.decode()):
        found = decode_segmentation({"size": [HEIGHT, WIDTH], "counts": written}, HEIGHT, WIDTH)
        assert np.array_equal(found.dense(), mask)
        assert found.area == np.count_nonzero(mask)


def test_a_polygon_covers_the_pixels_between_its_corners():
    found = decode_segmentation([[2, 1, 7, 1, 7, 4, 2, 4]], HEIGHT, WIDTH).dense()
    expected = np.zeros((HEIGHT, WIDTH), dtype=bool)
    expected[1:4, 2:7] = True
    assert np.array_equal(found, expected)


def test_polygons_of_one_mask_are_united_also_where_they_overlap():
    parts = [[0, 0, 4, 0, 4, 2, 0, 2], [2, 1, 6, 1, 6, 3, 2, 3], [10, 7, 14, 7, 14, 9, 10, 9]]
    expected = np.zeros((HEIGHT, WIDTH), dtype=bool)
    expected[0:2, 0:4] = expected[1:3, 2:6] = expected[7:9, 10:14] = True
    assert np.array_equal(decode_segmentation(parts, HEIGHT, WIDTH).dense(), expected)


def test_a_polygon_beyond_the_border_is_cut_there():
    found = decode_segmentation([[10, -5, 30, -5, 30, 5, 10, 5]], HEIGHT, WIDTH)
    assert np.array_equal(found.dense(), TRUTH["border"])
    assert decode_segmentation([[20, 20, 30, 20, 30, 30]], HEIGHT, WIDTH).area == 0


@pytest.mark.parametrize(
    "nothing",
    [
        None,
        [],
        [[]],
        [[3, 3]],
        [[1, 1, 5, 5]],
        [[], [1, 1, 5, 5]],
        {"size": [9, 14], "counts": [126]},
    ],
)
def test_what_encloses_nothing_is_an_empty_mask(nothing):
    mask = decode_segmentation(nothing, HEIGHT, WIDTH)
    assert mask.shape == (HEIGHT, WIDTH)
    assert mask.area == 0
    assert mask.box is None


def test_two_points_are_no_box_beside_a_polygon():
    """pycocotools takes four numbers for a box x, y, w, h: 25 pixels that nobody drew."""
    found = decode_segmentation([[1, 1, 5, 5], [2, 1, 7, 1, 7, 4, 2, 4]], HEIGHT, WIDTH)
    assert found.area == 15


coordinate = st.one_of(
    st.integers(-6, 40).map(float),
    st.integers(-60, 400).map(lambda tenths: tenths / 10),
    st.floats(-6, 40, allow_nan=False),
)
polygon = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=9).map(
    lambda points: [value for point in points for value in point]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(polygon, min_size=1, max_size=3), st.integers(1, 30), st.integers(1, 37))
def test_polygons_are_those_of_pycocotools(polygons, height, width):
    assume(not are_shares(polygons))
    encoded = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    expected = coco_mask.decode(encoded).astype(bool)
    assert np.array_equal(decode_segmentation(polygons, height, width).dense(), expected)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 90),
    st.integers(1, 70),
    st.sampled_from([0.001, 0.03, 0.5, 0.97, 1.0]),
)
def test_rle_strings_are_those_of_pycocotools(seed, height, width, share):
    mask = np.random.default_rng(seed).random((height, width)) < share
    encoded = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    found = decode_segmentation(dict(encoded), height, width)
    assert np.array_equal(found.dense(), mask)
    assert found.to_rle() == encoded["counts"].decode()


def test_zero_runs_inside_a_list():
    counts = {"size": [2, 3], "counts": [0, 1, 0, 2, 1, 0, 2]}
    assert decode_segmentation(counts, 2, 3).dense().tolist() == [
        [True, True, False],
        [True, False, False],
    ]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("text", "found str"),
        (3, "found int"),
        ([1, 1, 5, 1, 5, 5], "is a list"),
        ([[[1, 1], [5, 1], [5, 5]]], "is a list"),
        ([["a", "b", "c", "d", "e", "f"]], "is a list"),
        ([[1, 1, 5, 1, 5, 5, 7]], "7 numbers"),
        ([[1, 1, 5, float("nan"), 5, 5]], "not finite"),
        ([[1, 1, 5, 1e9, 5, 5]], "beyond"),
        ({"size": [9, 14]}, "'counts'"),
        ({"size": [14, 9], "counts": [126]}, "14×9"),
        ({"size": [9, 14], "counts": [100, 20]}, "sum to 120"),
        ({"size": [9, 14], "counts": [127]}, "sum to 127"),
        ({"size": [9, 14], "counts": [130, -4]}, "negative"),
        ({"size": [9, 14], "counts": [1.5, 124.5]}, "whole numbers"),
        ({"size": [9, 14], "counts": "P"}, "damaged"),
        ({"size": [9, 14], "counts": "\x7f~"}, "damaged"),
        ({"size": [9, 14], "counts": "é"}, "runs"),
        ({"size": [9, 14], "counts": "oooooooooooooooo0"}, "damaged"),
        ({"size": [9, 14], "counts": str(b"1b0")}, r"write counts\.decode\(\)"),
        ([1, 1, 3, 1, 3, 2], r"one that is in no list: write \[\[x0"),
        ([[[1, 1, 3, 1, 3, 2]]], "take one pair of brackets off"),
        ("[[1, 1, 3, 1, 3, 2]]", "found str that holds one: write it without the quotes"),
        ({"size": [9, 14], "counts": "3"}, "sum to 3"),
    ],
)
def test_broken_segmentations_are_refused(broken, message):
    with pytest.raises(ValueError, match=message):
        decode_segmentation(broken, HEIGHT, WIDTH)


@pytest.mark.parametrize("pairs", [[[1, 1], [3, 1], [3, 2], [1, 2]], [(1, 1), (3.5, 1), (3, 2)]])
def test_pairs_are_no_polygons_without_a_pixel(pairs: object) -> None:
    with pytest.raises(ValueError, match=r"found [34] pairs \[x, y\]"):
        decode_segmentation(pairs, 4, 6)


@pytest.mark.parametrize(
    ("polygons", "area"),
    [
        ([[0, 0, 1, 0, 1, 1, 0, 1]], 1),  # whole pixels: the first one
        ([[0.2, 0.1, 0.9, 0.1, 1.5, 0.8]], 0),  # reaches beyond it
        ([[0.1, 0.1, 0.9, 0.1, 0.9, 0.9], [1, 1, 3, 1, 3, 3, 1, 3]], 4),  # a splinter of a whole
    ],
)
def test_small_polygons_in_the_corner_are_no_shares(polygons: object, area: int) -> None:
    assert decode_segmentation(polygons, 4, 6).area == area


def test_shares_of_the_size_are_no_pixels() -> None:
    with pytest.raises(ValueError, match="as shares"):
        decode_segmentation([[0.1, 0.1, 0.9, 0.1, 0.9, 0.9], [0, 0, 1, 0, 1, 1]], 4, 6)


def test_points_and_lines_among_polygons_stay_empty() -> None:
    assert decode_segmentation([[1, 1], [3, 1]], 4, 6).area == 0
    assert decode_segmentation([[1, 1, 3, 2]], 4, 6).area == 0
    assert decode_segmentation([[1, 1], [2, 2], [1, 1, 3, 1, 3, 2, 1, 2]], 4, 6).area == 2
