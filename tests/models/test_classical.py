"""Watershed and random walker: what their seeds give, strokes among them."""

import numpy as np
import pytest

from bench.models.random_walker import RandomWalker
from bench.models.seeds import BACKGROUND, FOREGROUND, seeds_of
from bench.models.watershed import Watershed
from bench.types import BenchError, Frame, Mask, Prompt, RegionCue, ScribbleCue, Site, Stroke
from bench.types.cues import PointsCue

H, W = 60, 128
STROKES = (Stroke(((30.0, 30.0), (46.0, 30.0))), Stroke(((80.0, 5.0), (110.0, 50.0)), 0))


def prompt(points=(), labels=(), box=None, strokes=()):
    asked = Prompt(
        points=np.array(points, np.float32).reshape(-1, 2),
        labels=np.array(labels, np.int64),
        box=None if box is None else np.array(box, np.float32),
    )
    return asked.having(ScribbleCue(strokes)) if strokes else asked


@pytest.fixture
def image(make_image):
    return make_image(H, W, 1)  # a bright ellipse around (38, 30), 23 and 18 pixels far


@pytest.fixture
def truth():
    y, x = np.mgrid[:H, :W]
    return np.hypot((x - 0.3 * W) / (0.18 * W), (y - 30) / (0.3 * H)) < 1


def segment(model, image, asked):
    prediction = model.predict(model.embed([image]), [asked], False)
    return prediction.logits[0, 0].numpy() > 0


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


ASKED = {
    "click": prompt([[38, 30]], [1]),
    "clicks": prompt([[38, 30], [100, 30]], [1, 0]),
    "box": prompt(box=[10, 8, 70, 52]),
    "box_and_click": prompt([[30, 25]], [1], box=[10, 8, 70, 52]),
    "scribble": prompt(strokes=STROKES),
    "box_and_scribble": prompt(box=[10, 8, 70, 52], strokes=STROKES[:1]),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("family", [Watershed, RandomWalker])
def test_finds_what_stands_out(image, truth, asked, family):
    assert iou(segment(family(site=Site()), image, asked), truth) > 0.85


def test_seeds_lie_where_the_prompt_says():
    seeds = seeds_of(prompt([[9, 4], [20, 8]], [1, 0], strokes=STROKES), (30, 64), (H, W), 0)
    assert (seeds[[0, -1]] == BACKGROUND).all()
    assert seeds[2, 4] == FOREGROUND
    assert seeds[4, 10] == BACKGROUND
    assert (seeds[15, 15:23] == FOREGROUND).all()
    assert seeds[14, 47] == BACKGROUND
    boxed = seeds_of(prompt(box=[10, 8, 70, 52]), (H, W), (H, W), 1)
    assert (boxed[:8] == BACKGROUND).all()
    assert boxed[30, 40] == FOREGROUND
    assert (boxed == FOREGROUND).sum() == 5
    assert (boxed[8:53, 10:71] != BACKGROUND).all()


def test_a_watershed_reaches_the_border_and_has_an_answer_to_everything(image):
    model = Watershed(site=Site())
    flat = np.full((20, 30, 3), 90, np.uint8)
    flat[:, :10] = 200
    found = segment(model, flat, prompt([[2, 8], [25, 8]], [1, 0], box=[0, 0, 29, 19]))
    assert found[:, :8].all()
    assert not found[:, 14:].any()
    for asked, area in (
        (prompt(), 0),
        (prompt([[38, 30]], [0]), 0),
        (prompt([[38, 30]], [1], box=[0, 0, W - 1, H - 1]), H * W),
    ):
        assert segment(model, image, asked).sum() == area
    assert segment(model, np.zeros((1, 1, 3), np.uint8), prompt([[0, 0]], [1])).shape == (1, 1)
    prediction = model.predict(model.embed([image]), [ASKED["click"]], True)
    assert prediction.frames == [Frame.identity((H, W))]
    assert prediction.predicted_iou.tolist() == [[0.5]]
    with pytest.raises(BenchError, match="the watershed needs blur ≥ 0 and dot ≥ 0"):
        Watershed(blur=-1, site=Site())


def test_cues_that_grabcut_takes_too(image, truth):
    from bench.models.grabcut import GrabCut

    model = GrabCut(site=Site())
    for asked in (ASKED["scribble"], Prompt(cues=[RegionCue(Mask.from_dense(truth))])):
        assert iou(segment(model, image, asked), truth) > 0.9
    negative = PointsCue(np.array([[45, 30]], np.float32), np.array([0]))
    both = Prompt(cues=[RegionCue(Mask.from_dense(truth)), negative])
    assert not segment(model, image, both)[30, 45]
