"""A rater's pages: blind, in the rater's order, once each; strangers get nothing."""

import io
import re
from http import HTTPStatus

import numpy as np
import pytest
from PIL import Image

from bench.report.rating.pages import NOTHING, Pages
from bench.report.rating.plan import Choices, plan
from bench.report.rating.views import PURPLE, VIEWS, YELLOW, draw_views
from bench.store.ratings import Ratings
from bench.types import BenchError, Mask, Prompt

NASTY = "<img src=x onerror=document.title='hit'>\x1b[31m"


@pytest.fixture
def study(bench):
    """Two models of which nothing may be seen, three pictures, boxes."""
    stores = [
        bench.run("shapes", model, "box", images=3, skill=skill, title=f"Title of {model}")
        for model, skill in (("secretive", 0.7), ("clandestine", 2.0))
    ]
    choices = Choices(masks=None, min_area=0, seed=2)
    return plan(stores, bench.read_sample, choices).study


@pytest.fixture
def ratings(tmp_path, study):
    return Ratings.create(tmp_path / "rating.sqlite", study)


@pytest.fixture
def pages(ratings, bench):
    return Pages(ratings, lambda target: bench.samples[target.dataset, target.image_id])


def followed(pages, reply):
    """The code of the job that a reply leads to; none for the start page."""
    assert reply.status == HTTPStatus.SEE_OTHER
    _, token, *code = reply.location.split("/")
    assert pages.ratings.rater_of(token)
    return code[0] if code else None


def test_each_job_comes_once_in_the_raters_order_and_none_is_left(pages, ratings):
    seen = {}
    for name in ("ann", "bo"):
        rater = ratings.add_rater(name)
        code, seen[name] = followed(pages, pages.following(rater.token)), []
        while code is not None:
            seen[name].append(code)
            value = str(1 + len(seen[name]) % 10)
            code = followed(pages, pages.rate(rater.token, code, {"value": value}))
        start = pages.start(rater.token).body.decode()
        assert f"All {len(seen[name])} masks are rated" in start
    codes = {job.code for job in ratings.jobs()}
    assert set(seen["ann"]) == set(seen["bo"]) == codes
    assert len(seen["ann"]) == len(seen["bo"]) == len(codes)
    assert seen["ann"] != seen["bo"]
    found = ratings.frame()
    by_code = {job.id: job.code for job in ratings.jobs()}
    for name, own in found.groupby("rater"):
        expected = {code: 1 + n % 10 for n, code in enumerate(seen[name], start=1)}
        assert {
            by_code[job]: v for job, v in zip(own["job"], own["value"], strict=True)
        } == expected


def test_nothing_that_a_rater_gets_tells_whose_a_mask_is(pages, ratings, bench):
    rater = ratings.add_rater("ann")
    telling = ["secretive", "clandestine", "Title of", "truth", "shapes", "leaf", "sam",
               "sqlite", str(bench.results)]  # fmt: skip
    sizes = {}
    for job in ratings.jobs():
        text = pages.job(rater.token, job.code).body.decode()
        shown = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", text, flags=re.DOTALL)
        assert not [word for word in telling if word in shown]
        target, _ = ratings.target_of(job.id)
        assert target.mask_id not in shown
        for name in VIEWS:
            with Image.open(io.BytesIO(pages.view(rater.token, job.code, name).body)) as picture:
                assert not picture.info
                key = (target.image_id, target.mask_id, name)
                sizes.setdefault(key, set()).add(picture.size)
    assert len(sizes) == 5 * len(ratings.jobs()) / 3
    assert all(len(each) == 1 for each in sizes.values()), "the frame is that of all sources"
    assert len({job.code for job in ratings.jobs()}) == len(ratings.jobs())
    assert all(re.fullmatch("[0-9a-f]{16}", job.code) for job in ratings.jobs())


def test_codes_of_one_study_are_not_those_of_another(ratings, study, tmp_path):
    other = Ratings.create(tmp_path / "other.sqlite", study)
    assert not {j.code for j in ratings.jobs()} & {j.code for j in other.jobs()}


@pytest.mark.parametrize("token", ["", "x", NASTY, "next"])
def test_a_wrong_token_gets_nothing_and_says_nothing(pages, ratings, token):
    ratings.add_rater("ann")
    code = ratings.jobs()[0].code
    for reply in (
        pages.start(token), pages.following(token), pages.job(token, code),
        pages.view(token, code, "mask"), pages.rate(token, code, {"value": "7"}),
    ):  # fmt: skip
        assert reply == NOTHING
    assert ratings.frame().empty


def test_what_is_no_job_or_no_number_is_refused(pages, ratings):
    rater = ratings.add_rater("ann")
    code = ratings.jobs()[0].code
    assert pages.job(rater.token, NASTY) == NOTHING
    assert pages.rate(rater.token, "0" * 16, {"value": "7"}) == NOTHING
    assert pages.view(rater.token, code, "../mask") == NOTHING
    for value in ("0", "11", "7.5", "", "٧", "7 ", NASTY):
        reply = pages.rate(rater.token, code, {"value": value})
        assert reply.status == HTTPStatus.BAD_REQUEST
    assert pages.rate(rater.token, code, {}).status == HTTPStatus.BAD_REQUEST
    assert ratings.frame().empty
    assert not ratings.answers(rater.id)


def test_back_shows_the_former_rating_and_skipped_ones_come_again(pages, ratings):
    rater = ratings.add_rater("ann")
    first = followed(pages, pages.following(rater.token))
    second = followed(pages, pages.rate(rater.token, first, {"value": "4", "seconds": "2.5"}))
    page = pages.job(rater.token, second).body.decode()
    assert f'id="back" href="/{rater.token}/{first}"' in page
    before = pages.job(rater.token, first).body.decode()
    assert 'value="4" aria-pressed="true"' in before
    assert before.count('aria-pressed="false"') == 9
    assert 'name="skip"' not in before
    assert (
        followed(pages, pages.rate(rater.token, first, {"value": "6", "seconds": "nan"})) == second
    )
    code = followed(pages, pages.rate(rater.token, second, {"skip": "1"}))
    while code is not None:
        code = followed(pages, pages.rate(rater.token, code, {"value": "9"}))
    start = pages.start(rater.token).body.decode()
    assert f"{len(ratings.jobs()) - 1} of {len(ratings.jobs())} masks are rated, 1 skipped" in start
    assert f'href="/{rater.token}/{second}"' in start
    assert followed(pages, pages.rate(rater.token, second, {"value": "1"})) is None
    found = ratings.frame()
    assert len(found) == len(ratings.jobs())
    codes = {job.code: job.id for job in ratings.jobs()}
    line = found[found["job"] == codes[first]].iloc[0]
    assert (line["value"], line["changes"]) == (6, 1)


def test_turns_give_every_job_as_many_raters_as_asked(bench, tmp_path):
    stores = [bench.run("shapes", "m", "box", images=4)]
    study = plan(stores, bench.read_sample, Choices(masks=None, min_area=0, each=2)).study
    ratings = Ratings.create(tmp_path / "two.sqlite", study)
    pages = Pages(ratings, lambda target: bench.samples[target.dataset, target.image_id])
    raters = [ratings.add_rater(name) for name in ("yan", "ann", "bo")]
    for place, rater in enumerate([*raters, *raters]):
        code = followed(pages, pages.following(rater.token))
        while code is not None and (place >= 3 or len(ratings.answers(rater.id)) < 4):
            code = followed(pages, pages.rate(rater.token, code, {"value": "5"}))
        if place == 1:
            raters.append(ratings.add_rater("dora"))  # who joins in the middle
    for rater in raters:
        code = followed(pages, pages.following(rater.token))
        while code is not None:
            code = followed(pages, pages.rate(rater.token, code, {"value": "5"}))
    counts = ratings.counts()
    assert set(counts) == {job.id for job in ratings.jobs()}
    assert set(counts.values()) == {2}


def test_texts_of_others_are_text(pages, ratings):
    rater = ratings.add_rater(NASTY)
    page = pages.start(rater.token).body.decode()
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=" in page
    assert "\x1b" not in page


def test_a_picture_that_cannot_be_read_is_told_to_the_log_alone(ratings, caplog):
    rater = ratings.add_rater("ann")

    def read(target):
        raise BenchError(f"{target.run}: gone")

    reply = Pages(ratings, read).view(rater.token, ratings.jobs()[0].code, "mask")
    assert reply.status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert reply.body == b"This picture can't be shown."
    assert "gone" in caplog.text


def test_an_answer_that_cannot_be_written_is_said(pages, ratings, monkeypatch, caplog):
    rater = ratings.add_rater("ann")
    code = followed(pages, pages.following(rater.token))

    def full(*given):
        raise BenchError("secret/folder: database or disk is full")

    monkeypatch.setattr(ratings, "rate", full)
    reply = pages.rate(rater.token, code, {"value": "7"})
    assert reply.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert reply.body == b"Your answer was not saved. Go back and send it again."
    assert "disk is full" in caplog.text


def test_the_views_show_the_mask_where_it_is():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 120, (60, 90, 3), dtype=np.uint8)
    dense = np.zeros((60, 90), bool)
    dense[20:41, 30:71] = True
    dense[30, 40] = False
    other = np.zeros_like(dense)
    other[0:2, 0:2] = True
    mask, truth = Mask.from_dense(dense), Mask.from_dense(dense | other)
    large = draw_views(image, truth, [mask, truth], mask, Prompt(), 2000)
    assert large["mask"].shape == (427, 640, 3), "small pictures are brought up"
    small = draw_views(image, truth, [mask, truth], mask, Prompt(), 90)
    assert small["picture"].shape == image.shape
    assert np.array_equal(small["picture"], image)
    alone = small["mask"]
    assert np.array_equal((alone == YELLOW).all(axis=-1), dense)
    assert np.array_equal((alone == PURPLE).all(axis=-1), ~dense)
    assert np.array_equal((small["overlay"] != image).any(axis=-1), dense)
    assert (small["overlay"][dense][:, 0] >= image[dense][:, 0]).all()
    zoom, covered = small["zoom"], small["zoom_overlay"]
    assert zoom.shape == covered.shape
    assert max(zoom.shape) == 800
    changed = (zoom != covered).any(axis=-1)
    assert 0.05 < changed.mean() < 0.95


def test_the_prompt_is_drawn_in_blue_but_not_on_the_plain_zoom():
    image = np.full((50, 70, 3), 128, np.uint8)
    dense = np.zeros((50, 70), bool)
    dense[10:30, 20:50] = True
    mask = Mask.from_dense(dense)
    point = Prompt(np.array([[35.0, 20.0]], np.float32), np.array([1]))
    box = Prompt(box=np.array([20, 10, 49, 29], np.float32))
    for prompt in (point, box):
        views = draw_views(image, mask, [mask], mask, prompt, 2000)
        assert {name: _has_blue(view) for name, view in views.items()} == {
            name: name != "zoom" for name in VIEWS
        }
    bare = draw_views(image, mask, [mask], mask, Prompt(), 2000)
    assert not any(map(_has_blue, bare.values()))


def _has_blue(view):
    blue = (view[..., 2] > 200) & (view[..., 0] < 60) & (view[..., 1] < 130)
    return bool(blue.any())


def test_an_empty_mask_has_its_views_too():
    image = np.full((50, 70, 3), 128, np.uint8)
    dense = np.zeros((50, 70), bool)
    dense[10:30, 20:50] = True
    views = draw_views(image, Mask.from_dense(dense), [], Mask.empty(50, 70), Prompt(), 2000)
    assert np.array_equal(views["overlay"], views["picture"])
    assert (views["mask"] == PURPLE).all()
