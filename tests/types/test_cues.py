"""Prompts are cues: each has one plain form, and comes back from a row as it was drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from bench.types import (
    BoxCue,
    Dot,
    Line,
    MaskCue,
    PointsCue,
    Prompt,
    Rectangle,
    Shape,
    TextCue,
    Words,
)
from bench.types.cues import cues_text, prompt_of_row

POINTS = np.array([[3, 4.5], [10, 2]], np.float32)
LABELS = np.array([1, 0])
BOX = np.array([1, 2, 30.5, 40], np.float32)


@dataclass(frozen=True)
class Stroke:
    """A cue that the bench doesn't know."""

    places: tuple[tuple[float, float], ...]
    kind = "stroke"

    def plain(self) -> Any:
        return {"places": [list(p) for p in self.places]}

    def shapes(self) -> Sequence[Shape]:
        return [Line(self.places, 0), Words("a stroke")]


def row_of(prompt: Prompt) -> dict[str, Any]:
    return {
        "point_coords": prompt.points.tolist(),
        "point_labels": prompt.labels.tolist(),
        "box": None if prompt.box is None else prompt.box.tolist(),
        "cues": cues_text(prompt),
    }


def test_a_prompt_says_what_it_holds() -> None:
    prompt = Prompt(POINTS, LABELS, BOX, np.ones((4, 4), np.float32), "a cat")
    assert prompt.kinds == {"points", "box", "mask_logits", "text"}
    assert prompt.n_points == 2
    assert prompt.text == "a cat"
    assert Prompt().kinds == frozenset()
    assert Prompt(points=np.zeros((0, 2), np.float32)).kinds == frozenset()
    assert prompt.without("mask_logits", "text").kinds == {"points", "box"}
    assert prompt.having(TextCue("a dog")).text == "a dog"
    assert prompt.text == "a cat"


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(),
        Prompt(POINTS, LABELS),
        Prompt(box=BOX),
        Prompt(POINTS, LABELS, BOX),
        Prompt(text="a {cat} & \u2028 'quote'"),
        Prompt(POINTS, LABELS, cues=[Stroke(((1.0, 2.0), (3.5, 4.0))), TextCue("x")]),
    ],
)
def test_a_prompt_comes_back_from_its_row_equal_and_drawn_alike(prompt: Prompt) -> None:
    again = prompt_of_row(row_of(prompt))
    assert again == prompt
    assert again.shapes == prompt.shapes
    assert again.kinds == prompt.kinds
    assert json.loads(cues_text(again) or "[]") == json.loads(cues_text(prompt) or "[]")


def test_known_cues_need_no_column_of_others() -> None:
    assert cues_text(Prompt(POINTS, LABELS, BOX, np.ones((2, 2), np.float32))) is None


def test_prompts_are_equal_where_all_cues_say_the_same() -> None:
    stroke = Stroke(((1.0, 2.0),))
    prompts = [
        Prompt(POINTS, LABELS),
        Prompt(POINTS, 1 - LABELS),
        Prompt(POINTS[::-1].copy(), LABELS),
        Prompt(POINTS, LABELS, BOX),
        Prompt(POINTS, LABELS, text="a"),
        Prompt(POINTS, LABELS, text="b"),
        Prompt(POINTS, LABELS, cues=[stroke]),
        Prompt(POINTS, LABELS, cues=[Stroke(((1.0, 2.5),))]),
        Prompt(POINTS, LABELS, mask_logits=np.ones((2, 2), np.float32)),
        Prompt(POINTS, LABELS, mask_logits=np.zeros((2, 2), np.float32)),
    ]
    for i, one in enumerate(prompts):
        assert [one == other for other in prompts] == [i == j for j in range(len(prompts))]
        assert [one.asks() == other.asks() for other in prompts] == [
            i == j for j in range(len(prompts))
        ]
    again = Prompt(POINTS.copy(), LABELS.copy(), cues=[Stroke(((1.0, 2.0),))])
    assert again == prompts[6]
    assert again.asks() == prompts[6].asks()


def test_shapes_are_in_the_order_of_the_clicks() -> None:
    shapes = Prompt(POINTS, LABELS, BOX).shapes
    assert shapes == [Dot(3, 4.5, 1), Dot(10, 2, 0), Rectangle(1, 2, 30.5, 40)]


def test_what_is_no_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match=r"points must be \(P, 2\)"):
        PointsCue(np.zeros(4, np.float32), np.zeros(0, np.int64))
    with pytest.raises(ValueError, match="need as many labels"):
        Prompt(points=POINTS)
    with pytest.raises(ValueError, match="a box is"):
        BoxCue(np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="one cue of a kind"):
        Prompt(text="a", cues=[TextCue("b")])
    assert MaskCue(np.ones((2, 3), np.float32)).plain() == {"size": [2, 3]}


@pytest.mark.parametrize(
    "text", ["{", "[1]", '[{"kind": "x"}]', '[{"kind": "x", "plain": 1, "shapes": [["Bomb", 1]]}]',
             '[{"kind": "x", "plain": 1, "shapes": [["Dot", 1]]}]'],
)  # fmt: skip
def test_what_is_no_cue_in_a_row_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        prompt_of_row(row_of(Prompt()) | {"cues": text})
