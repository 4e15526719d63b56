"""Steps are typed; their words are made at the end."""

from dataclasses import replace
from typing import Any

import pytest

from bench.types import Measure, Step


@pytest.mark.parametrize(
    ("step", "words", "slug"),
    [
        (Step(1), "1 point", "point_1"),
        (Step(9), "9 points", "point_9"),
        (Step(box=True), "box", "box"),
        (Step(1, box=True), "box + 1 point", "box_and_1_point"),
        (Step(2, box=True), "box + 2 points", "box_and_2_points"),
        (Step(box=True, name="noisy box"), "noisy box", None),
        (Step(2, box=True, name="noisy box"), "noisy box + 2 points", None),
        (Step(name="given masks"), "given masks", None),
        (Step(), "0 points", None),
    ],
)
def test_words_and_slugs(step: Step, words: str, slug: str | None) -> None:
    assert str(step) == words
    assert step.slug == slug
    assert Step.of_plain(step.plain()) == step
    assert step.only_clicks == (slug is not None and slug.startswith("point_"))


def test_a_measure_shows_its_unit_and_comes_back_from_a_header() -> None:
    pixels = Measure("far", "mean_far", "distance", "pixels", "lower", 2, "How far.")
    assert (pixels.shown(1234.5), pixels.signed(-0.004), pixels.signed(0.25)) == (
        "1,234.50", "0.00", "+0.25",
    )  # fmt: skip
    assert pixels.is_ahead(-1.0)
    assert not pixels.is_ahead(1.0)
    assert Measure.of_plain(pixels.plain() | {"of a later release": 1}) == pixels


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"unit": "furlong"}, "unit must be points or share or pixels or plain, found 'furlong'"),
        ({"better": "worse"}, "better must be higher or lower, found 'worse'"),
        ({"title": " "}, "title must be a text"),
        ({"digits": -1}, "digits must be a whole number from 0"),
        ({"digits": 1.5}, "digits must be a whole number from 0"),
    ],
)
def test_what_is_no_measure_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"measure 'far': {says}"):
        Measure(**({"name": "far", "mean": "far", "title": "far"} | wrong))


def test_measures_are_other_than_what_is_known_to_differ() -> None:
    known = Measure("far", "far", "far", address="mine.FAR", version="1")
    earlier = Measure("far", "far", "far off", digits=3)
    assert not known.other_than(earlier)
    for change in ({"address": "mine.NEAR"}, {"version": "2"}, {"unit": "pixels"}):
        assert known.other_than(replace(known, **change)), change
