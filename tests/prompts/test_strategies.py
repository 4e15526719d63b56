"""Contracts of every prompt strategy that comes with the bench."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oddities import odd_masks
from outside.prompt import Strokes

from bench import prompts
from bench.config.component import load_class
from bench.config.composing import RunConfig, load_configs
from bench.config.folders import group_names
from bench.prompts import placement
from bench.prompts.box import Box, loosened_box
from bench.prompts.clicks import Clicks
from bench.protocol import Protocol
from bench.types import BenchError, Prompt, PromptStrategy, Step, Target
from bench.types.mask import Mask

OWN = {"strokes": Strokes}
"""A user's own, of a cue that the bench doesn't know."""

NAMES = [*group_names("prompt"), *OWN]

RECORDED = """mask,step,x,y,label,x0,y0,x1,y1
m,1,0,0,1,,,,
m,2,0,0,0,0,0,1,1
"""
"""What was recorded of the mask that every strategy is asked about."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    file = tmp_path_factory.mktemp("recorded") / "prompts.csv"
    file.write_text(RECORDED)
    words = [f"prompt=[{','.join(group_names('prompt'))}]", f"prompts.recorded.args.file={file}"]
    return load_configs([*words, "model=disk"])[0]


def strategy(config: RunConfig, name: str) -> PromptStrategy:
    if name in OWN:
        return OWN[name](protocol=Protocol())
    part = config.prompts[name]
    built: PromptStrategy = load_class(part, prompts)(**part.args, protocol=Protocol())
    return built


def walk(each: PromptStrategy, target: Target, seed: int) -> list[Prompt]:
    """All prompts of a strategy whose every mask comes out a little wrong, until it gives none."""
    wrong = np.roll(target.mask.dense(), (1, 3), axis=(0, 1))
    mask, prompt, prompts = None, None, []
    for step in range(each.steps):
        prompt = each.next(target, None, mask, prompt, np.random.default_rng((seed, step)))
        if prompt is None:
            break
        mask = Mask.from_dense(wrong)
        prompts.append(prompt)
    return prompts


@pytest.mark.parametrize("name", NAMES)
def test_prompts_are_a_pure_function_of_target_and_seed(config: RunConfig, name: str) -> None:
    each, target = strategy(config, name), Target("m", Mask.from_dense(odd_masks()["hole"]), "blob")
    first, again = walk(each, target, 4), walk(each, target, 4)
    assert first
    assert first == again


class Watched:
    """A generator that says whether it was asked for anything."""

    def __init__(self, seed: int) -> None:
        self.asked = False
        self._rng = np.random.default_rng(seed)

    def __getattr__(self, name: str) -> Any:
        self.asked = True
        return getattr(self._rng, name)


@pytest.mark.parametrize("rule", [*placement.FIRST.values(), *placement.NEXT.values()])
def test_a_rule_draws_where_it_is_said_to(rule: Callable[..., Any]) -> None:
    masks = [Mask.from_dense(odd_masks()[name]) for name in ("hole", "parts")]
    rng = Watched(3)
    if rule in placement.FIRST.values():
        rule(masks[0], rng)
    else:
        rule(*masks, None, np.zeros((0, 2), np.float32), rng)
    assert rng.asked == (rule in placement.DRAWING)


@pytest.mark.parametrize("name", NAMES)
def test_strategies_say_whether_they_draw_and_who_begins_alike(
    config: RunConfig, name: str
) -> None:
    each, target = strategy(config, name), Target("m", Mask.from_dense(odd_masks()["hole"]), "blob")
    wrong = Mask.from_dense(np.roll(target.mask.dense(), (1, 3), axis=(0, 1)))
    mask, prompt, asked, first = None, None, False, None
    for step in range(each.steps):
        rng = Watched(step)
        prompt = each.next(target, None, mask, prompt, rng)  # type: ignore[arg-type]
        first, mask, asked = first or prompt, wrong, asked or rng.asked
    assert getattr(each, "draws", True) or not asked
    for other_name in NAMES:
        other = strategy(config, other_name)
        if getattr(each, "opening", each) == getattr(other, "opening", other):
            assert other.next(target, None, None, None, np.random.default_rng(0)) == first


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_holds_what_the_strategy_says(config: RunConfig, name: str) -> None:
    each, target = strategy(config, name), Target("m", Mask.from_dense(odd_masks()["hole"]), "blob")
    for prompt in walk(each, target, 4):
        assert prompt.cues
        assert prompt.kinds <= each.prompt_kinds


@pytest.mark.parametrize("name", NAMES)
def test_each_step_of_clicks_adds_one_to_those_before(config: RunConfig, name: str) -> None:
    each, target = strategy(config, name), Target("m", Mask.from_dense(odd_masks()["hole"]), "blob")
    if not isinstance(each, Clicks | Box):
        pytest.skip("another kind: its steps need not be clicks")
    prompts = walk(each, target, 4)
    assert len(prompts) == each.steps
    for before, after in itertools.pairwise(prompts):
        assert after.n_points == before.n_points + 1
        assert np.array_equal(after.points[:-1], before.points)
        assert (after.box is None) == (before.box is None)


@pytest.mark.parametrize("name", NAMES)
def test_prompts_lie_in_the_image_and_first_clicks_in_the_target(
    config: RunConfig, name: str
) -> None:
    each = strategy(config, name)
    for key, dense in odd_masks().items():
        if key == "none":
            continue
        first = each.next(
            Target("m", Mask.from_dense(dense), "blob"), None, None, None, np.random.default_rng(9)
        )
        assert first is not None
        for x, y in first.points.astype(int):
            assert 0 <= x < dense.shape[1]
            assert 0 <= y < dense.shape[0]
            assert dense[y, x] or not isinstance(each, Clicks)
        if first.box is not None:
            x0, y0, x1, y1 = first.box
            assert 0 <= x0 <= x1 <= dense.shape[1] - 1
            assert 0 <= y0 <= y1 <= dense.shape[0] - 1


@pytest.mark.parametrize("name", NAMES)
def test_reported_steps_exist_and_have_labels(config: RunConfig, name: str) -> None:
    each = strategy(config, name)
    assert each.report_steps
    assert all(1 <= step <= each.steps and label for step, label in each.report_steps.items())


def test_labels_are_those_of_the_tables(config: RunConfig) -> None:
    assert strategy(config, "point_1").report_steps == {1: Step(1)}
    assert strategy(config, "point_3").report_steps == {3: Step(3)}
    assert list(strategy(config, "points").report_steps) == [1, 2, 3, 5, 9]
    assert strategy(config, "box").report_steps == {1: Step(box=True)}
    assert strategy(config, "box_and_points").report_steps[2] == Step(1, box=True)
    assert strategy(config, "noisy_box").report_steps == {1: Step(box=True, name="noisy box")}


def test_the_tight_box_includes_both_corners() -> None:
    prompt = Box(protocol=Protocol()).next(
        Target("m", Mask.from_dense(odd_masks()["parts"])),
        None,
        None,
        None,
        np.random.default_rng(),
    )
    assert prompt is not None
    assert prompt.box is not None
    assert prompt.box.tolist() == [1, 1, 16, 9]


def test_the_box_of_the_file_is_given_as_it_is() -> None:
    mask, rng = Mask.from_dense(odd_masks()["parts"]), np.random.default_rng()
    strategy = Box(protocol=Protocol(box="file"))
    for written, expected in (
        ((0.5, 1.25, 17.0, 12.0), [0.5, 1.25, 17, 12]),
        (None, [1, 1, 17, 10]),  # as COCO's tools write the mask's own
    ):
        target = Target("m", mask, file_box=written)
        prompt = strategy.next(target, None, None, None, rng)
        assert prompt is not None
        assert prompt.box is not None
        assert prompt.box.tolist() == expected


def test_box_noise_has_the_asked_spread_and_cap() -> None:
    dense = np.zeros((400, 900), bool)
    dense[150:200, 300:700] = True
    mask = Mask.from_dense(dense)
    rng = np.random.default_rng(3)
    tight = np.array(mask.box, dtype=np.float32)
    moved = np.array([loosened_box(tight, mask, 0.1, 20.0, rng) for _ in range(4000)]) - tight
    assert np.abs(moved).max() <= 20
    # 10 % of the height is 5 pixels, so the cap hardly bites; of the width 40, so it bites often.
    assert moved[:, 1].std() == pytest.approx(5.0, rel=0.05)
    assert (np.abs(moved[:, 0]) == 20).mean() == pytest.approx(0.617, abs=0.03)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"clicks": 0}, "needs at least one, found clicks=0"),
        ({"clicks": 3, "report": [4]}, "cannot report"),
    ],
)
def test_impossible_clicks_are_refused(bad: dict[str, int], says: str) -> None:
    with pytest.raises(BenchError, match=says):
        Clicks(**bad, protocol=Protocol())  # type: ignore[arg-type]


def test_unknown_rules_are_refused_with_the_known_ones() -> None:
    with pytest.raises(BenchError, match=r"'middle'.*box_center.*distance_max"):
        Clicks(1, first="middle", protocol=Protocol())
