"""The category of a target in words."""

from __future__ import annotations

import numpy as np
import pytest
from oddities import random_blob

from bench.prompts.text import Text
from bench.protocol import Protocol
from bench.types import BenchError, Mask, Prompt, Target

RNG = np.random.default_rng(0)
SAM = Protocol()


def target(mask_id: str, category: str | None) -> Target:
    return Target(mask_id, Mask.from_dense(random_blob(RNG, 20, 31)), category)


def first(strategy: Text, asked: Target) -> Prompt | None:
    return strategy.next(asked, None, None, None, RNG)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "traffic_light"),
        ({"template": "a {category}, and a {category}"}, "a traffic_light, and a traffic_light"),
        ({"names": {"traffic_light": " traffic light "}}, "traffic light"),
        ({"template": "{category} {x} {0}", "names": {"other": "y"}}, "traffic_light {x} {0}"),
    ],
)
def test_the_category_is_said_by_the_template(args: dict, said: str) -> None:
    assert first(Text(**args, protocol=SAM), target("1", " traffic_light")) == Prompt(text=said)


@pytest.mark.parametrize("category", [None, "", "  \t"])
def test_a_target_without_a_category_has_no_prompt(category: str | None) -> None:
    strategy = Text(protocol=SAM)
    assert first(strategy, target("1", category)) is None
    asked = strategy.of_image("i", [target("1", category), target("2", "cat")])
    assert asked.mask_ids == {"2"}


def test_it_asks_once() -> None:
    strategy, one = Text(protocol=SAM), target("1", "cat")
    assert strategy.next(one, None, one.mask, Prompt(text="cat"), RNG) is None


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"template": "a photo"}, r"has a place for the category, \{category\}, found 'a photo'"),
        ({"template": ""}, "a place for the category"),
        ({"names": {"cat": " "}}, "names says nothing for the category 'cat'"),
    ],
)
def test_a_template_that_asks_nothing_is_refused(args: dict, why: str) -> None:
    with pytest.raises(BenchError, match=why):
        Text(**args, protocol=SAM)


def test_another_template_is_another_line_of_a_table() -> None:
    names = [str(Text(**args, protocol=SAM).report_steps[1])
             for args in ({}, {"template": "the {category}"})]  # fmt: skip
    assert names == ["text", "text “the {category}”"]


def test_under_union_a_category_of_counting_targets_is_asked_for_once() -> None:
    targets = [target("1", "cat"), target("2", "dog"), target("3", "cat"), target("4", None)]
    asked = Text(protocol=Protocol(text="union")).of_image("i", targets)
    counting = [targets[2], targets[3]]
    assert [each.mask_id for each in asked.targets(counting)] == ["i/all of cat"]
    (cat,) = asked.targets(counting)
    assert cat.mask.area == (targets[0].mask.dense() | targets[2].mask.dense()).sum()
    plain = Text(protocol=SAM).of_image("i", targets)
    assert [each.mask_id for each in plain.targets(targets)] == ["1", "2", "3"]
