import cv2
import numpy as np
import pytest

from bench.models.grabcut import GrabCut
from bench.types import BenchError, Frame, Prompt, Site

MODEL = GrabCut(site=Site())
BOX = np.array([10, 8, 70, 52], np.float32)


def prompt(points=(), labels=(), **more):
    return Prompt(
        points=np.array(points, np.float32).reshape(-1, 2),
        labels=np.array(labels, np.int64),
        **more,
    )


def segment(image, asked, model=MODEL):
    prediction = model.predict(model.embed([image]), [asked], False)
    assert prediction.frames == [Frame.identity(image.shape[:2])]
    assert set(np.unique(prediction.logits.numpy())) <= {-1.0, 1.0}
    return prediction.logits[0, 0].numpy() > 0


@pytest.fixture
def image(make_image):
    return make_image(60, 128, 1)  # a bright ellipse around (38, 30), 23 and 18 pixels far


@pytest.fixture
def truth():
    y, x = np.mgrid[:60, :128]
    return np.hypot((x - 0.3 * 128) / (0.18 * 128), (y - 30) / (0.3 * 60)) < 1


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize(
    "asked",
    [
        prompt(box=BOX),
        prompt([[38, 30]], [1]),
        prompt([[38, 30], [100, 30]], [1, 0]),
        prompt([[30, 25]], [1], box=BOX),
    ],
    ids=["box", "click", "clicks", "box_and_click"],
)
def test_finds_what_stands_out(image, truth, asked):
    assert iou(segment(image, asked), truth) > 0.95


def test_a_box_is_opencv_s_start_from_a_rectangle(image):
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    rect = (10, 8, 61, 45)  # x, y, width, height: both corners are inside
    cv2.grabCut(image[..., ::-1].copy(), mask, rect, *models, 5, cv2.GC_INIT_WITH_RECT)
    assert np.array_equal(segment(image, prompt(box=BOX)), (mask == 1) | (mask == 3))


def test_clicks_are_certain(image):
    found = segment(image, prompt([[38, 30], [45, 30], [110, 50]], [1, 0, 1]))
    assert found[30, 38]
    assert not found[30, 45]
    assert found[50, 110]


def test_nothing_outside_the_box(image):
    found = segment(image, prompt(box=np.array([30, 20, 45, 40], np.float32)))
    assert found.any()
    found[20:41, 30:46] = False
    assert not found.any()


def test_feedback_takes_the_place_of_the_reach(image, truth):
    earlier = np.where(truth, 3.0, -3.0).astype(np.float32)
    assert iou(segment(image, prompt([[38, 30]], [1], mask_logits=earlier)), truth) > 0.95


def test_the_same_prompt_gives_the_same_mask(make_image):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (50, 70, 3), dtype=np.uint8)
    asked = prompt([[20, 20]], [1])
    first = segment(noise, asked)
    cv2.setRNGSeed(99)
    segment(make_image(30, 40, 5), prompt(box=np.array([3, 3, 20, 20], np.float32)))
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        assert np.array_equal(segment(noise, asked), first)
    finally:
        cv2.setNumThreads(threads)


DEGENERATE = {
    "whole": (prompt(box=np.array([0, 0, 127, 59], np.float32)), 60 * 128),
    "beyond": (prompt(box=np.array([-9, -9, 500, 500], np.float32)), 60 * 128),
    "one_pixel": (prompt(box=np.array([38, 30, 38, 30], np.float32)), 1),
    "outside": (prompt(box=np.array([500, 500, 600, 600], np.float32)), 1),
    "inverted": (prompt(box=np.array([40, 30, 20, 10], np.float32)), 1),
    "negative_only": (prompt([[38, 30]], [0]), 0),
    "empty": (prompt(), 0),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_prompts_have_an_answer(image, name):
    asked, area = DEGENERATE[name]
    assert segment(image, asked).sum() == area


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (5, 1)])
@pytest.mark.parametrize("asked", [prompt([[0, 0]], [1]), prompt(box=np.zeros(4, np.float32))])
def test_tiny_images(size, asked):
    assert segment(np.zeros((*size, 3), np.uint8), asked)[0, 0]


def test_an_image_of_one_colour():
    flat = np.full((40, 50, 3), 128, np.uint8)
    assert segment(flat, prompt([[20, 20]], [1])).any()
    assert segment(flat, prompt(box=np.array([5, 5, 30, 30], np.float32))).any()


def test_clicks_outside_the_image(image):
    assert segment(image, prompt([[-40, 900]], [1])).shape == (60, 128)


def test_has_no_opinion_of_itself(image):
    prediction = MODEL.predict(MODEL.embed([image]), [prompt(box=BOX)], True)
    assert prediction.predicted_iou.tolist() == [[0.5]]


WHOLE = GrabCut(around=None, undecided=None, site=Site())


def test_nothing_is_looked_at_beyond_the_window(image):
    other = image.copy()
    other[:, 115:] = 255 - other[:, 115:]
    box = prompt(box=BOX)
    assert np.array_equal(segment(image, box), segment(other, box))
    click = prompt([[38, 30]], [1])  # a disc of 15 pixels, and as many around it
    assert np.array_equal(segment(image, click), segment(other, click))
    assert not segment(image, click)[:, 70:].any()


def test_a_large_window_is_shrunk_and_its_answer_is_of_the_image(make_image):
    big = make_image(300, 640, 1)
    y, x = np.mgrid[:300, :640]
    truth = np.hypot((x - 0.3 * 640) / (0.18 * 640), (y - 150) / (0.3 * 300)) < 1
    box = prompt(box=np.array([60, 45, 330, 255], np.float32))
    found = segment(big, box)
    assert found.shape == (300, 640)
    assert iou(found, truth) > 0.95
    assert iou(segment(big, box, GrabCut(undecided=None, site=Site())), truth) > 0.98
    dots = prompt([[192, 150], [200, 150]], [1, 0], box=box.box)
    seen = segment(big, dots)
    assert seen[150, 191]
    assert not seen[150, 203]


def test_without_a_window_it_is_opencv_s_answer_to_a_click(image):
    click = prompt([[38, 30]], [1])
    known = np.full(image.shape[:2], cv2.GC_PR_BGD, np.uint8)
    cv2.circle(known, (38, 30), 15, cv2.GC_PR_FGD, cv2.FILLED)
    cv2.circle(known, (38, 30), 2, cv2.GC_FGD, cv2.FILLED)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    whole = (0, 0, 0, 0)
    cv2.grabCut(image[..., ::-1].copy(), known, whole, *models, 5, cv2.GC_INIT_WITH_MASK)
    assert np.array_equal(segment(image, click, WHOLE), (known == 1) | (known == 3))


def test_pins_its_arguments():
    args = {"iterations": 5, "reach": 0.25, "dot": 3, "around": 0.5, "undecided": 16384}
    assert GrabCut.pin({"dot": 3}, Site()) == args
    with pytest.raises(BenchError, match="window needs around > 0 and undecided ≥ 256, or none"):
        GrabCut.pin({"undecided": 2}, Site())
    with pytest.raises(BenchError, match="GrabCut needs"):
        GrabCut.pin({"iterations": 0}, Site())
