import numpy as np
import pytest
import torch

from bench.models.disk import Disk
from bench.types import BenchError, Frame, Prompt, Site

IMAGE = np.zeros((60, 101, 3), np.uint8)


def click(x, y, label=1, **more):
    points, labels = np.array([[x, y]], np.float32), np.array([label])
    return Prompt(points=points, labels=labels, **more)


def logits(prompt, multimask=False, image=IMAGE, **args):
    model = Disk(**args, site=Site())
    return model.predict(model.embed([image]), [prompt], multimask)


def test_a_disc_is_round_and_where_the_click_is():
    values = logits(click(70, 20), radius=0.2).logits[0, 0]
    y, x = np.mgrid[:60, :101]
    expected = 12 - np.hypot(x - 70, y - 20)  # a fifth of the short side
    np.testing.assert_allclose(values, expected, atol=1e-4)


def test_a_box_holds_an_ellipse():
    mask = logits(Prompt(box=np.array([10, 20, 69, 39], np.float32))).logits[0, 0].numpy() > 0
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert (rows[0], rows[-1]) == (20, 39)
    assert (columns[0], columns[-1]) == (10, 69)
    assert mask.sum() == pytest.approx(np.pi * 30 * 10, rel=0.02)


def test_three_radii():
    prediction = logits(click(50, 30), multimask=True)
    areas = (prediction.logits[0] > 0).sum((1, 2)).tolist()
    assert areas[0] < areas[1] < areas[2]
    assert torch.equal(prediction.logits[0, 1], logits(click(50, 30)).logits[0, 0])
    assert prediction.predicted_iou.argmax() == 1


def test_predicted_iou_depends_on_the_place():
    middle, rim = (logits(click(x, 30)).predicted_iou.item() for x in (50, 3))
    assert 0 < rim < middle < 1


def test_a_negative_click_cuts_a_hole():
    points = np.array([[50, 30], [53, 30]], np.float32)
    both = Prompt(points=points, labels=np.array([1, 0]))
    before, after = (logits(p).logits[0, 0] > 0 for p in (click(50, 30), both))
    assert before[30, 53]
    assert not after[30, 53]
    assert not (after & ~before).any()
    assert after.any()


def test_feedback_moves_the_edge_by_less_than_a_pixel():
    plain = logits(click(50, 30)).logits[0, 0]
    for sign in (1, -1):
        earlier = np.full((60, 101), sign * 50, np.float32)
        fed = logits(click(50, 30, mask_logits=earlier)).logits[0, 0]
        torch.testing.assert_close(fed, plain + sign * 0.5)


def test_feedback_alone_is_the_answer():
    earlier = np.random.default_rng(0).normal(size=(60, 101)).astype(np.float32)
    found = logits(Prompt(mask_logits=earlier)).logits[0, 0].numpy()
    np.testing.assert_array_equal(found, earlier)
    cut = logits(click(10, 10, 0, mask_logits=earlier)).logits[0, 0].numpy()
    assert cut[10, 10] < 0
    assert np.array_equal(cut[40:], earlier[40:])


def test_only_a_negative_click_answers_nothing():
    assert not (logits(click(10, 10, 0)).logits > 0).any()


@pytest.mark.parametrize("stride", [2, 3, 4])
@pytest.mark.parametrize("size", [(60, 101), (101, 60), (33, 40)])
def test_a_coarse_grid_comes_back_to_the_same_place(upscale, stride, size):
    image = np.zeros((*size, 3), np.uint8)
    for x, y in ((15, 12), (size[1] - 14, size[0] - 15)):
        fine = logits(click(x, y), image=image, radius=0.3).logits[0, 0]
        coarse = logits(click(x, y), image=image, radius=0.3, stride=stride)
        frame = coarse.frames[0]
        assert frame.canvas[0] == frame.canvas[1] == 2 * coarse.logits.shape[2]
        assert frame.content < frame.canvas
        found = upscale(coarse, 0)[0]
        # Bilinear values of a distance are out by the grid's spacing at the disc's own centre,
        # and at the image's rim by its extrapolation; elsewhere by very little.
        assert ((found > 0) ^ (fine > 0)).float().sum() <= 0.08 * (fine > 0).sum()
        assert abs(found - fine)[5:-5, 5:-5].mean() < 0.25


def test_identity_frame_for_stride_one():
    assert logits(click(1, 1)).frames == [Frame.identity((60, 101))]


@pytest.mark.parametrize("args", [{"stride": 0}, {"radius": 0.0}, {"radius": 1.5}])
def test_refuses_senseless_arguments(args):
    with pytest.raises(BenchError, match="Disk needs"):
        Disk.pin(args, Site())


def test_pins_its_defaults():
    assert Disk.pin({}, Site()) == {"stride": 1, "radius": 0.15}


def test_refuses_feedback_that_is_too_small():
    with pytest.raises(BenchError, match="60×101"):
        logits(click(1, 1, mask_logits=np.zeros((60, 100), np.float32)))
