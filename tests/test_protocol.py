from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from oddities import odd_masks

import bench.protocol
from bench.config.component import Component, load_class
from bench.config.composing import load_configs
from bench.config.folders import conf_dir, group_names
from bench.config.run_key import LATER
from bench.protocol import Protocol, all_choices
from bench.types import BenchError, Prompt, Target
from bench.types.mask import Mask

ONE = Prompt(np.zeros((1, 2), np.float32), np.ones(1, np.int64))
TWO = Prompt(np.zeros((2, 2), np.float32), np.ones(2, np.int64))
BOX = Prompt(box=np.zeros(4, np.float32))
BOX_AND_ONE = Prompt(ONE.points, ONE.labels, BOX.box)


@cache
def part(name: str) -> Component:
    return load_configs([f"protocol={name}", "model=disk"])[0].protocol


@pytest.mark.parametrize("name", group_names("protocol"))
def test_every_protocol_is_complete_and_explains_each_choice(name: str) -> None:
    yaml = part(name)
    protocol = load_class(yaml, bench.protocol)(**yaml.args)
    assert isinstance(protocol, Protocol)
    assert list(yaml.args) == list(yaml.about["choices"])
    assert set(yaml.args) == set(Protocol.__dataclass_fields__), "every choice is named"
    assert set(yaml.about["choices"]) == set(yaml.args), "every choice has its sentence"
    assert yaml.about["cite"]
    assert yaml.version


def test_the_default_is_sam() -> None:
    assert load_class(part("sam"), bench.protocol)(**part("sam").args) == Protocol()


def test_a_second_protocol_differs_by_data_alone() -> None:
    ours, theirs = part("sam"), part("segment_anything_fast")
    differing = {choice for choice in ours.args if ours.args[choice] != theirs.args[choice]}
    assert differing == {"first_click", "crowd"}
    assert ours.target == theirs.target
    assert (conf_dir() / "protocol" / "segment_anything_fast.yaml").is_file()


@pytest.mark.parametrize(
    ("rule", "several"),
    [
        ("first_click_only", [True, False, False, False]),
        ("always", [True] * 4),
        ("never", [False] * 4),
    ],
)
def test_several_candidates_are_asked_for_by_rule(rule: str, several: list[bool]) -> None:
    protocol = Protocol(multimask=rule)
    assert [protocol.asks_multimask(p) for p in (ONE, TWO, BOX, BOX_AND_ONE)] == several


def test_targets_that_do_not_count_are_counted() -> None:
    masks = odd_masks()
    targets = [
        Target("big", Mask.from_dense(masks["all"])),
        Target("crowd", Mask.from_dense(masks["parts"]), crowd=True),
        Target("small", Mask.from_dense(masks["pixel"])),
        Target("none", Mask.from_dense(masks["none"]), crowd=True),
    ]
    counted, skipped = Protocol(min_area=2).sort_out(targets)
    assert [t.mask_id for t in counted] == ["big"]
    assert skipped == {"crowd": 1, "empty": 1, "min_area": 1}
    counted, _ = Protocol(crowd="include").sort_out(targets)
    assert [t.mask_id for t in counted] == ["big", "crowd", "small"]


def test_the_smallest_area_may_be_that_of_the_file() -> None:
    mask = Mask.from_dense(odd_masks()["pixel"])
    targets = [
        Target("said", mask, file_area=0.5),
        Target("unsaid", mask),
        Target("large", mask, file_area=2.0),
    ]
    kept = {
        area: [t.mask_id for t in Protocol(min_area=1, area=area).sort_out(targets)[0]]
        for area in ("mask", "file")
    }
    assert kept == {"mask": ["said", "unsaid", "large"], "file": ["unsaid", "large"]}


def test_a_choice_that_came_later_is_what_was_done_before() -> None:
    later, choices = LATER["protocol"], Protocol.__dataclass_fields__
    assert later == {name: choices[name].default for name in later}
    assert list(choices)[-len(later) :] == list(later)
    for name in group_names("protocol"):
        args = part(name).args
        told = {n: value for n, value in args.items() if n not in later or value != later[n]}
        assert all_choices(told) == args


def test_the_mean_may_be_over_images() -> None:
    assert Protocol(average="image").average == "image"
    assert Protocol().average == "mask_dataset"


@pytest.mark.parametrize(
    "choice",
    ["feedback", "multimask", "select", "crowd", "empty_target", "average", "box", "area",
     "no_error"],
)  # fmt: skip
def test_an_unknown_choice_is_refused_with_the_known_ones(choice: str) -> None:
    with pytest.raises(BenchError, match=r"unknown .* rule 'nonsense'; (there are|did you mean) "):
        Protocol(**{choice: "nonsense"})  # type: ignore[arg-type]


@pytest.mark.parametrize("choice", ["min_error", "min_area"])
def test_a_number_that_is_none_is_refused(choice: str) -> None:
    with pytest.raises(BenchError, match=r"not be negative|1 pixel or more, found -1"):
        Protocol(**{choice: -1})  # type: ignore[arg-type]
