"""Simulated scribbles: inside the target, the user's own hand, and points of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from oddities import odd_masks, random_blob
from whole_runs import configure

from bench.prompts.drawing import DRAW, centerline, contour, scribbled
from bench.prompts.scribble import Scribble
from bench.protocol import Protocol
from bench.run.plan import make_plan
from bench.types import BenchError, BoolArray, Mask, Prompt, ScribbleCue, Stroke, Target
from bench.types.cues import cues_text, prompt_of_row
from bench.types.scribbles import drawn, strokes_of, traced

MASKS = {name: dense for name, dense in odd_masks().items() if name != "none"}


@pytest.mark.parametrize("rule", DRAW)
@pytest.mark.parametrize("name", MASKS)
def test_a_scribble_lies_in_its_region_and_is_the_same_again(name: str, rule: str) -> None:
    dense = MASKS[name]
    mask = Mask.from_dense(dense)
    found = scribbled(mask, DRAW[rule], 1, np.random.default_rng(5))
    pixels = drawn(found, 1, *dense.shape)
    assert pixels.any()
    assert not (pixels & ~dense).any()
    assert found == scribbled(mask, DRAW[rule], 1, np.random.default_rng(5))


@pytest.mark.parametrize("rule", DRAW)
def test_another_seed_and_another_place_give_another_hand(rule: str) -> None:
    dense = np.zeros((400, 700), dtype=bool)
    cv2.ellipse(dense.view(np.uint8), (300, 150), (200, 80), 20, 0, 360, 1, cv2.FILLED)
    seen = {
        scribbled(Mask.from_dense(dense), DRAW[rule], 1, np.random.default_rng(n)) for n in range(6)
    }
    assert len(seen) == 6
    moved = Mask.from_dense(np.roll(dense, (140, 90), axis=(0, 1)))
    there = scribbled(moved, DRAW[rule], 1, np.random.default_rng(0))
    here = scribbled(Mask.from_dense(dense), DRAW[rule], 1, np.random.default_rng(0))
    shifted = [tuple((x + 90, y + 140) for x, y in each.points) for each in here]
    assert [each.points for each in there] == shifted


def test_a_centerline_is_thin_and_in_the_middle() -> None:
    region = np.zeros((30, 90), dtype=bool)
    region[10:21, 5:85] = True
    middle = centerline(region.copy(), np.random.default_rng(0))
    rows, columns = np.nonzero(middle)
    inner = (columns > 16) & (columns < 74)
    assert set(rows[inner]) <= {14, 15, 16}
    assert np.bincount(columns[inner])[17:74].max() == 1
    assert np.ptp(columns) > 60


def test_a_contour_follows_the_outline() -> None:
    region = np.zeros((128, 100), dtype=bool)
    cv2.circle(region.view(np.uint8), (50, 60), 34, 1, cv2.FILLED)
    for seed in range(8):
        y, x = np.nonzero(contour(region, np.random.default_rng(seed)))
        away = np.hypot(x - 50, y - 60)
        assert np.ptp(away) < 3
        assert away.min() > 5


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_a_contour_lies_at_the_level_that_was_drawn(seed: int, turned: bool) -> None:
    """Across a line a Gaussian falls to a share s of its peak at σ √(-2 ln s)."""
    region = np.zeros((70, 110), dtype=bool)
    region[33] = True
    sigma, level = (rng := np.random.default_rng(seed)).uniform(5, 20), rng.uniform(0.2, 0.9)
    away = min(16, int(sigma * np.sqrt(-2 * np.log(level))))  # the blur reaches no farther
    outline = contour(region.T if turned else region, np.random.default_rng(seed))
    outline = outline.T if turned else outline
    assert set(np.flatnonzero(outline[:, 55])) == {33 - away, 33 + away}


def thinned(region: BoolArray) -> BoolArray:
    """Zhang and Suen's two subiterations, pixel by pixel, on the set of those that are left."""
    ring = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    left = {(int(y), int(x)) for y, x in np.argwhere(region)}
    before = 0
    while before != len(left):
        before = len(left)
        for one, other in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))):
            gone = set()
            for y, x in left:
                p = [(y + dy, x + dx) in left for dy, dx in ring]  # P2 to P9, from the north on
                turns = sum(b and not a for a, b in zip(p, [*p[1:], p[0]], strict=True))
                kept = all(p[n] for n in one) or all(p[n] for n in other)
                if 2 <= sum(p) <= 6 and turns == 1 and not kept:
                    gone.add((y, x))
            left -= gone
    found = np.zeros_like(region)
    for y, x in left:
        found[y, x] = True
    return found


def test_a_centerline_is_that_of_zhang_and_suen() -> None:
    rng = np.random.default_rng(4)
    blobs = [random_blob(rng, 31, 47) for _ in range(4)]
    for region in (*MASKS.values(), *blobs, rng.random((20, 33)) < 0.7):
        assert np.array_equal(centerline(region.copy(), rng), thinned(region))


def test_strokes_pass_exactly_the_pixels_they_were_traced_from() -> None:
    rng = np.random.default_rng(2)
    for dense in (*MASKS.values(), random_blob(rng, 31, 47), rng.random((20, 33)) < 0.3):
        strokes = traced(dense, 0)
        assert np.array_equal(drawn(strokes, 0, *dense.shape), dense)
        assert not drawn(strokes, 1, *dense.shape).any()


def test_corrections_go_where_more_is_wrong() -> None:
    dense = np.zeros((40, 60), dtype=bool)
    dense[5:30, 5:50] = True
    target = Target("m", Mask.from_dense(dense))
    each = Scribble("line", steps=3, protocol=Protocol())
    rng = np.random.default_rng
    first = each.next(target, None, None, None, rng(0))
    assert first is not None
    missed = Mask.from_dense(dense & (np.arange(60) < 20))
    second = each.next(target, None, missed, first, rng(1))
    assert second is not None
    assert strokes_of(second)[: len(strokes_of(first))] == strokes_of(first)
    added = strokes_of(second)[len(strokes_of(first)) :]
    assert {stroke.label for stroke in added} == {1}
    assert not (drawn(added, 1, 40, 60) & missed.dense()).any()
    extra = each.next(target, None, Mask.from_dense(np.ones_like(dense)), second, rng(2))
    assert extra is not None
    negative = drawn(strokes_of(extra), 0, 40, 60)
    assert negative.any()
    assert not (negative & dense).any()
    assert each.next(target, None, target.mask, first, rng(3)) is None
    ignore = ~dense
    assert each.next(target, ignore, Mask.from_dense(np.ones_like(dense)), first, rng(3)) is None


@pytest.mark.parametrize("sample", ["even", "middles"])
def test_models_without_strokes_get_points_of_them(sample: str) -> None:
    target = Target("m", Mask.from_dense(MASKS["hole"]))
    strokes = Scribble("contour", protocol=Protocol()).next(
        target, None, None, None, np.random.default_rng(3)
    )
    points = Scribble("contour", points=4, sample=sample, protocol=Protocol()).next(
        target, None, None, None, np.random.default_rng(3)
    )
    assert strokes is not None
    assert points is not None
    passed = {tuple(p) for s in strokes_of(strokes) for p in s.pixels().tolist()}
    assert points.kinds == {"points"}
    assert {tuple(map(int, place)) for place in points.points.tolist()} <= passed
    assert points.labels.tolist() == [1] * points.n_points
    assert points.n_points == min(4, len(passed) if sample == "even" else len(strokes_of(strokes)))


def test_a_scribble_is_kept_in_rows_and_drawn() -> None:
    cue = ScribbleCue((Stroke(((1.0, 2.0), (5.5, 7.0))), Stroke(((3.0, 3.0),), 0)))
    text = cues_text(Prompt(cues=[cue]))
    row = {"point_coords": [], "point_labels": [], "box": None, "cues": text}
    kept = prompt_of_row(row)
    assert kept == Prompt(cues=[cue])
    assert strokes_of(kept) == cue.strokes
    assert kept.shapes == list(cue.shapes())
    assert json.loads(str(text))[0]["kind"] == "scribble"


def test_a_model_that_takes_no_strokes_is_told_how_to_ask_instead(
    coco_folder: Callable[..., Path],
) -> None:
    folder = coco_folder(images=1, masks=1)
    with pytest.raises(BenchError, match=r"scribble too; prompts\.scribble\.args\.points=5 gives"):
        make_plan(configure(folder, "prompt=[scribble]"))
    instead = "prompts.scribble.args.points=5"
    assert make_plan(configure(folder, "prompt=[scribble]", instead)).work.todo
