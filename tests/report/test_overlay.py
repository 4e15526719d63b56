"""Where things lie in a picture, to the pixel."""

import numpy as np
import pytest

from bench.report.pictures import overlay
from bench.report.pictures.outlines import _drawn
from bench.report.pictures.overlay import Window, draw, draw_all, is_small, magnified
from bench.types import Mask, Prompt, Stroke
from bench.types.scribbles import ScribbleCue


def box_mask(shape, x0, y0, x1, y1):
    full = np.zeros(shape, bool)
    full[y0 : y1 + 1, x0 : x1 + 1] = True
    return Mask.from_dense(full)


def test_a_pixels_centre_lies_in_the_middle_of_its_square():
    view = Window(3, 2, 12, 7, 4.0)
    assert view.size == (40, 24)
    assert view.place(3, 2) == (1.5, 1.5)
    assert view.place(12, 7) == (37.5, 21.5)


@pytest.mark.parametrize(
    ("view", "small"),
    [
        (Window(10, 60, 59, 89, 1.0), True),  # 50 × 30 of 120 × 60
        (Window(10, 60, 69, 88, 1.0), True),
        (Window(10, 60, 69, 89, 1.0), False),  # 60 × 30 is a quarter
    ],
)
def test_a_window_of_less_than_a_quarter_is_small(view, small):
    assert is_small(view, (60, 120)) == small


def test_a_mask_is_magnified_pixel_by_pixel():
    dense = np.random.default_rng(0).random((12, 17)) < 0.4
    view = Window(4, 3, 11, 8, 3.0)
    expected = np.kron(dense[3:9, 4:12], np.ones((3, 3), bool))
    np.testing.assert_array_equal(magnified(Mask.from_dense(dense), view), expected)


def test_a_shrunk_mask_keeps_what_is_half_full_and_never_vanishes():
    view, shape = Window(0, 0, 39, 23, 0.25), (24, 40)
    assert magnified(box_mask(shape, 8, 4, 9, 7), view).nonzero() == ([1], [2])  # 8 of 16 pixels
    halves = magnified(box_mask(shape, 8, 4, 12, 7), view)  # 16 and 4 of 16
    assert [tuple(place) for place in np.argwhere(halves)] == [(1, 2)]
    assert np.argwhere(magnified(box_mask(shape, 13, 9, 13, 9), view)).tolist() == [[2, 3]]
    assert not magnified(Mask.from_dense(np.zeros(shape, bool)), view).any()


@pytest.mark.parametrize(
    ("label", "colour", "reach"), [(1, overlay.POSITIVE, 9), (0, overlay.NEGATIVE, 8)]
)
def test_a_click_is_drawn_around_its_place(label, colour, reach):
    view, shape = Window(0, 0, 69, 44, 4.0), (45, 70)
    grey = np.full((*shape, 3), 128, np.uint8)
    prompt = Prompt(np.array([[40, 25]], np.float32), np.array([label]))
    picture = draw(grey, view, Mask.from_dense(np.zeros(shape, bool)), None, prompt)
    across, down = (round(v) for v in view.place(40, 25))
    rows, columns = np.nonzero((picture == colour).all(axis=2))
    assert [rows.min(), rows.max()] == [down - reach, down + reach]
    assert [columns.min(), columns.max()] == [across - reach, across + reach]
    ring = (picture == 255).all(axis=2)
    assert ring[down - reach - 1].any()
    assert ring[down + reach + 1].any()
    assert not ring[: down - reach - 1].any()
    assert not ring[down + reach + 2 :].any()


@pytest.mark.parametrize(("label", "colour"), [(1, overlay.POSITIVE), (0, overlay.NEGATIVE)])
@pytest.mark.parametrize("points", [((40, 25),), ((10, 9), (40, 25))])
def test_a_stroke_is_seen_where_it_is_even_one_of_a_single_pixel(label, colour, points):
    view, shape = Window(0, 0, 69, 44, 4.0), (45, 70)
    prompt = Prompt(cues=[ScribbleCue((Stroke(points, label),))])
    grey = np.full((*shape, 3), 128, np.uint8)
    picture = draw(grey, view, Mask.from_dense(np.zeros(shape, bool)), None, prompt)
    for x, y in points:
        across, down = (round(v) for v in view.place(x, y))
        assert tuple(picture[down, across]) == colour
    (line,) = _drawn(prompt.shapes, view)["lines"]
    places = [list(view.place(x, y)) for x, y in points]
    assert line == [label, places if len(points) > 1 else 2 * places]


def test_outlines_of_large_masks_are_thicker():
    image = np.zeros((144, 256, 3), np.uint8)  # twice as large in the picture

    def across(side):
        row = draw_all(image, [box_mask((144, 256), 100, 40, 99 + side, 39 + side)])[80 + side]
        return int(row[:200].any(axis=1).sum() + row[200 : 200 + side].any(axis=1).sum())

    assert across(12) < across(13)
    assert across(13) == across(60)


def test_a_picture_has_the_best_quality_that_fits():
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    sizes = [len(overlay.encode(noise, most)) for most in (1 << 20, 25_000, 20_000, 1)]
    assert sizes[0] > 25_000 >= sizes[1] > 20_000 >= sizes[2] == sizes[3]
