from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from oddities import odd_masks, random_blob

from bench.prompts import depths, placement
from bench.types import BoolArray, FloatArray, Mask

RNG = np.random.default_rng(0)
NO_CLICKS = np.zeros((0, 2), dtype=np.float32)


def squared_distances(region: BoolArray) -> npt.NDArray[np.int64]:
    """Exact squared distances to the outside in whole numbers, written as plainly as can be."""
    padded = np.pad(region, 1)
    height, width = padded.shape
    far = height + width
    down = np.zeros(padded.shape, dtype=np.int64)
    rows = np.arange(height)[:, None]
    for column in range(width):
        zeros = np.flatnonzero(~padded[:, column])
        down[:, column] = np.abs(rows - zeros).min(axis=1, initial=far)
    columns = np.arange(width)
    across = (columns[:, None] - columns[None, :]) ** 2
    squares = (down[:, None, :] ** 2 + across[None]).min(axis=2)
    return squares[1:-1, 1:-1]


def plain_click(
    target: BoolArray, predicted: BoolArray, ignore: BoolArray, clicked: FloatArray
) -> tuple[int, int, int] | None:
    """The rule of RITM's clicker on the full image, written as plainly as can be: (x, y, label)."""
    depths = []
    for error in (target & ~predicted & ~ignore, predicted & ~target & ~ignore):
        depth = squared_distances(error)
        for x, y in clicked.astype(int):
            depth[y, x] = 0
        depths.append(depth)
    misses, extras = depths
    if misses.max() == 0 and extras.max() == 0:
        return None
    label = int(misses.max() > extras.max())
    winner = misses if label else extras
    places = np.argwhere(winner == winner.max())
    y, x = places[0]
    return int(x), int(y), label


def test_clicks_equal_a_plain_implementation_on_1000_random_masks() -> None:
    rng = np.random.default_rng(20)
    labels = []
    for trial in range(1000):
        height, width = int(rng.integers(3, 40)), int(rng.integers(3, 60))
        target, predicted = random_blob(rng, height, width), random_blob(rng, height, width)
        ignore = random_blob(rng, height, width) if trial % 4 == 0 else None
        clicks = rng.integers(0, (width, height), (trial % 5, 2)).astype(np.float32)
        found = placement.larger_error_distance_max(
            Mask.from_dense(target), Mask.from_dense(predicted), ignore, clicks, RNG
        )
        nowhere = np.zeros_like(target) if ignore is None else ignore
        expected = plain_click(target, predicted, nowhere, clicks)
        assert (found and (*found[0], found[1])) == expected
        labels.append(found and found[1])
    assert labels.count(1) > 100
    assert labels.count(0) > 100


def error_pair(rng: np.random.Generator, trial: int) -> tuple[BoolArray, BoolArray]:
    """A target and what a model might say of it: moved, grown, or another mask altogether."""
    noise = rng.normal(0, 1, (2, 97, 131)).astype(np.float32)
    smooth = [cv2.GaussianBlur(one, (0, 0), float(rng.uniform(0.5, 12))) for one in noise]
    target, other = (one > np.quantile(one, rng.uniform(0.2, 0.9)) for one in smooth)
    grown = cv2.dilate(target.view(np.uint8), np.ones((3, 3), np.uint8), iterations=1 + trial % 5)
    return target, (other, grown.astype(bool), np.roll(target, rng.integers(-5, 6, 2), (0, 1)))[
        trial % 3
    ]


@pytest.mark.parametrize("trials", [30, pytest.param(120, marks=pytest.mark.long)])
def test_a_rough_look_first_places_the_same_clicks(
    trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[bool] = []
    straight = depths._roughly_deepest

    def watched(*asked: Any) -> Any:
        found = straight(*asked)
        looked.append(found is not None)
        return found

    monkeypatch.setattr(depths, "_roughly_deepest", watched)
    rng = np.random.default_rng(trials)
    for trial in range(trials):
        target, predicted = error_pair(rng, trial)
        clicks = NO_CLICKS
        for _ in range(3):
            found = placement.larger_error_distance_max(
                Mask.from_dense(target), Mask.from_dense(predicted), None, clicks, RNG
            )
            expected = plain_click(target, predicted, np.zeros_like(target), clicks)
            assert (found and (*found[0], found[1])) == expected
            clicks = np.concatenate([clicks, np.array([found[0]], np.float32)]) if found else clicks
    assert sum(looked) > trials, "or this says nothing"
    assert not all(looked)


def test_first_click_equals_a_click_against_an_empty_prediction() -> None:
    rng = np.random.default_rng(21)
    for _ in range(300):
        target = random_blob(rng, 31, 47)
        place = placement.distance_max(Mask.from_dense(target), RNG)
        nothing = np.zeros_like(target)
        assert (*place, 1) == plain_click(target, nothing, nothing, NO_CLICKS)


def test_a_tie_between_missed_and_extra_pixels_gives_a_negative_click() -> None:
    target, predicted = np.zeros((9, 21), bool), np.zeros((9, 21), bool)
    target[2:7, 2:7] = predicted[2:7, 12:17] = True
    found = placement.larger_error_distance_max(
        Mask.from_dense(target), Mask.from_dense(predicted), None, NO_CLICKS, RNG
    )
    assert found == ((14, 4), 0)


def test_the_image_border_is_a_boundary() -> None:
    target = np.zeros((9, 30), bool)
    target[:, :7] = True
    assert placement.distance_max(Mask.from_dense(target), RNG) == (3, 3)


def test_nothing_is_clicked_where_nothing_is_wrong() -> None:
    mask = Mask.from_dense(odd_masks()["hole"])
    for name, rule in placement.NEXT.items():
        found = rule(mask, mask, None, NO_CLICKS, RNG)
        assert (found is None) == (name != "target_random")


def test_a_pixel_may_be_clicked_twice_under_the_rule_of_sam_2() -> None:
    target, predicted = odd_masks()["pixel"], odd_masks()["none"]
    clicked = np.array([[14, 3]], dtype=np.float32)
    masks = Mask.from_dense(target), Mask.from_dense(predicted)
    found = placement.larger_error_distance_max_repeatable(*masks, None, clicked, RNG)
    assert found == ((14, 3), 1)


def test_target_random_is_inside_and_positive_whatever_the_mask() -> None:
    target = odd_masks()["parts"]
    masks = Mask.from_dense(target), Mask.from_dense(odd_masks()["all"])
    places = set()
    for seed in range(40):
        found = placement.target_random(*masks, None, NO_CLICKS, np.random.default_rng(seed))
        assert found is not None
        (x, y), label = found
        assert target[y, x]
        assert label == 1
        places.add((x, y))
    assert len(places) > 10


def test_an_error_that_is_clicked_away_ends_the_clicks() -> None:
    target, predicted = odd_masks()["pixel"], odd_masks()["none"]
    clicked = np.array([[14, 3]], dtype=np.float32)
    masks = Mask.from_dense(target), Mask.from_dense(predicted)
    assert placement.larger_error_distance_max(*masks, None, clicked, RNG) is None


@pytest.mark.parametrize("rule", ["distance_max", "chessboard_max", "random", "center_of_mass"])
@pytest.mark.parametrize("name", [n for n in odd_masks() if n != "none"])
def test_a_first_click_lies_inside(rule: str, name: str) -> None:
    dense = odd_masks()[name]
    for seed in range(5):
        x, y = placement.FIRST[rule](Mask.from_dense(dense), np.random.default_rng(seed))
        assert dense[y, x]


def test_random_reaches_every_pixel_about_equally_often() -> None:
    dense = odd_masks()["parts"]
    rng = np.random.default_rng(5)
    hits = np.zeros(dense.shape, int)
    mask = Mask.from_dense(dense)
    for _ in range(21_000):
        x, y = placement.random(mask, rng)
        hits[y, x] += 1
    assert (hits[~dense] == 0).all()
    assert hits[dense].min() > 850
    assert hits[dense].max() < 1150


def test_error_random_labels_missed_pixels_positive() -> None:
    target, predicted = odd_masks()["hole"], odd_masks()["parts"]
    masks = Mask.from_dense(target), Mask.from_dense(predicted)
    rng = np.random.default_rng(6)
    seen = set()
    for _ in range(200):
        found = placement.error_random(*masks, None, NO_CLICKS, rng)
        assert found is not None
        (x, y), label = found
        assert target[y, x] != predicted[y, x]
        assert label == int(target[y, x])
        seen.add(label)
    assert seen == {0, 1}


def plain_center(dense: BoolArray) -> tuple[int, int]:
    """segment-anything-fast's point as its loops find it: (x, y)."""
    rows, columns = np.nonzero(dense)
    y, x = round(rows.mean()), round(columns.mean())
    if dense[y, x]:
        return x, y
    best, place = -1, (0, 0)
    for row, column in zip(rows, columns, strict=True):
        reach = []
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            steps, r, c = 0, row + dy, column + dx
            while 0 <= r < dense.shape[0] and 0 <= c < dense.shape[1] and dense[r, c]:
                steps, r, c = steps + 1, r + dy, c + dx
            reach.append(steps)
        if min(reach) > best:
            best, place = min(reach), (int(column), int(row))
        if best >= 20:
            break
    return place


def test_center_of_mass_equals_the_loops_of_segment_anything_fast() -> None:
    rng = np.random.default_rng(7)
    outside = 0
    for _ in range(200):
        dense = random_blob(rng, 41, 29)
        dense[8:30, 10:24] &= bool(rng.integers(2))
        if not dense.any():
            continue
        rows, columns = np.nonzero(dense)
        outside += not dense[round(rows.mean()), round(columns.mean())]
        found = placement.center_of_mass(Mask.from_dense(dense), RNG)
        assert found == plain_center(dense)
    assert outside > 20
    ring = np.ones((160, 200), bool)
    ring[60:100, 60:140] = False
    assert placement.center_of_mass(Mask.from_dense(ring), RNG) == plain_center(ring) == (20, 20)


def plain_chessboard(dense: BoolArray) -> tuple[int, int]:
    """Kornia's distances by convolution, as EdgeSAM takes their first maximum: (x, y)."""
    done = np.pad(~dense, 1, constant_values=True).astype(float)
    value = np.zeros_like(done)
    number = 0
    while not done.all():
        padded = np.pad(done, 1)
        near = np.zeros_like(done)
        for dy in range(3):
            for dx in range(3):
                away = np.exp(-np.hypot(dy - 1, dx - 1) / 0.35)
                near += away * padded[dy : dy + done.shape[0], dx : dx + done.shape[1]]
        reached = (near > 0) & (done == 0)
        value[reached] = 3 * number // 2 - 0.35 * np.log(near[reached])
        done[reached] = 1
        number += 1
    inside = value[1:-1, 1:-1].round(9)
    y, x = np.argwhere(inside == inside.max())[0]
    return int(x), int(y)


def test_chessboard_max_equals_the_convolutions_of_kornia() -> None:
    rng = np.random.default_rng(8)
    elsewhere = 0
    for _ in range(200):
        dense = random_blob(rng, 41, 29)
        found = placement.chessboard_max(Mask.from_dense(dense), RNG)
        assert found == plain_chessboard(dense)
        elsewhere += found != placement.distance_max(Mask.from_dense(dense), RNG)
    assert elsewhere > 20


def test_depths_past_1024_pixels_are_exact_whole_numbers() -> None:
    region = np.zeros((2121, 2190), bool)
    region[7:2108, 5:2182] = True  # 2101 × 2177: its middle row lies 1051 from both long sides
    assert depths.deepest(region) == depths.Depth(5 + 1050, 7 + 1050, 1051**2)
    middle = np.array([[5 + x, 7 + 1050] for x in range(1050, 1127)], dtype=np.float32)
    beside = depths.deepest(region, middle)
    assert beside == depths.Depth(5 + 1049, 7 + 1049, 1050**2)
