"""A protocol: every free choice of an evaluation that papers and scripts disagree on, as data.

``conf/protocol/*.yaml`` holds one file per publication, with a version, a citation and a
sentence per choice. The rules that the names stand for are functions where they belong: clicks
in ``bench.prompts.placement``, the pixels that they are placed on in ``bench.prompts.grids``, the
others here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

from bench.types import BenchError, FloatArray, Prompt, Target
from bench.types.errors import did_you_mean

T = TypeVar("T")


def chosen(rules: Mapping[str, T], name: str, what: str) -> T:
    """The rule of that name; raises ``BenchError`` that lists the names there are."""
    if name not in rules:
        raise BenchError(f"unknown {what} rule {name!r}; {did_you_mean(name, rules)}")
    return rules[name]


@dataclass(frozen=True, slots=True)
class Protocol:
    """The choices; the defaults are those of SAM (section 7.1 and appendix D.1).

    A pixel is foreground where its logit lies above ``threshold``. A ``box`` is the target's, or
    loosened by Gaussian noise of ``box_noise_std`` sides, cut at ``box_noise_cap`` pixels.
    ``min_area`` is in pixels, of what ``area`` says. Clicks are placed on the pixels of
    ``first_grid`` and ``next_grid``; where fewer than ``min_error`` of them are wrong no error is
    left to click, and ``no_error`` says what happens then. ``text`` says what becomes of all that a
    prompt of words alone finds, ``crowd`` what of crowds (``CROWD``). Raises ``BenchError`` for a
    choice that doesn't exist.
    """

    first_click: str = "distance_max"
    next_click: str = "larger_error_distance_max"
    feedback: str = "logits"
    multimask: str = "first_click_only"
    select: str = "predicted_iou"
    threshold: float = 0.0
    box_noise_std: float = 0.0
    box_noise_cap: float = 20.0
    crowd: str = "skip"
    empty_target: str = "skip"
    min_area: int = 0
    average: str = "mask_dataset"
    box: str = "tight"
    area: str = "mask"
    first_grid: str = "image"
    next_grid: str = "image"
    min_error: int = 1
    no_error: str = "stop"
    text: str = "best_instance"

    def __post_init__(self) -> None:
        chosen(FEEDBACK, self.feedback, "feedback")
        chosen(MULTIMASK, self.multimask, "multimask")
        chosen(SELECT, self.select, "select")
        chosen(CROWD, self.crowd, "crowd")
        chosen({"skip": None}, self.empty_target, "empty target")
        chosen(AVERAGE, self.average, "average")
        chosen(BOX, self.box, "box")
        chosen(AREA, self.area, "area")
        chosen(NO_ERROR, self.no_error, "no error")
        chosen(TEXT, self.text, "text")
        if min(self.box_noise_std, self.box_noise_cap, self.min_area) < 0:
            raise BenchError("box noise and smallest area must not be negative")
        if self.min_error < 1:
            raise BenchError(f"a click needs an error of 1 pixel or more, found {self.min_error}")

    def asks_multimask(self, prompt: Prompt) -> bool:
        """Whether the model is asked for its several candidates."""
        return MULTIMASK[self.multimask](prompt)

    def feeds_back(self) -> bool:
        """Whether the selected mask's logits come along with the next prompt."""
        return FEEDBACK[self.feedback]

    def selects(self, predicted_ious: FloatArray) -> int:
        """The index of the candidate that counts, of K."""
        return SELECT[self.select](predicted_ious)

    def box_of(self, target: Target) -> FloatArray:
        """The target's box (x0, y0, x1, y1) before any noise; raises ``ValueError`` where empty."""
        return BOX[self.box](target)

    def box_given(self, box: FloatArray) -> FloatArray:
        """A box (x0, y0, x1, y1) with its ends not included, as a file has it, as it is asked.

        Under ``tight`` both corners are included, under ``file`` it stays as it stands there.

        >>> Protocol().box_given(np.array([2, 3, 12, 7.5], np.float32)).tolist()
        [2.0, 3.0, 11.0, 6.5]
        >>> Protocol(box="file").box_given(np.array([2, 3, 12, 7.5], np.float32)).tolist()
        [2.0, 3.0, 12.0, 7.5]
        """
        last = np.maximum(box[:2], box[2:] - GIVEN_END[self.box])
        return np.concatenate([box[:2], last]).astype(np.float32)

    def finds_instances(self, prompt: Prompt) -> bool:
        """Whether what a prompt finds are instances of what it names, each a mask of its own.

        Then the model's own estimates choose none of them: that is so of words alone.
        """
        return prompt.kinds == {"text"}

    def joins_instances(self) -> bool:
        """Whether all instances that a text finds are one mask, as all targets of its category."""
        return TEXT[self.text]

    def click_without_error(self) -> tuple[tuple[float, float], int] | None:
        """The place (x, y) and label that are clicked where no error is left, or none."""
        return NO_ERROR[self.no_error]

    def crowds_aside(self, targets: Iterable[Target]) -> list[Target]:
        """The crowds that take what lies in them, so that it counts for nothing."""
        return [each for each in targets if each.crowd and CROWD[self.crowd].takes]

    def sort_out(self, targets: Iterable[Target]) -> tuple[list[Target], dict[str, int]]:
        """The targets that count, and how many don't, by reason."""
        counted: list[Target] = []
        skipped = {"crowd": 0, "empty": 0, "min_area": 0}
        for target in targets:
            if target.mask.area == 0:
                skipped["empty"] += 1
            elif target.crowd and not CROWD[self.crowd].counts:
                skipped["crowd"] += 1
            elif AREA[self.area](target) < self.min_area:
                skipped["min_area"] += 1
            else:
                counted.append(target)
        return counted, skipped


def why_left_out(skipped: Mapping[str, int]) -> str:
    """Why targets don't count, from their numbers by reason, and which argument counts them.

    >>> why_left_out({"crowd": 2, "empty": 1, "min_area": 0})
    '2 crowds (protocol.args.crowd=include counts them), 1 without a pixel'
    """
    reasons = {
        "crowd": "crowds (protocol.args.crowd=include counts them)",
        "empty": "without a pixel",
        "min_area": "smaller than min_area (protocol.args.min_area=0 counts them)",
    }
    return ", ".join(
        f"{count} {reasons.get(reason, reason)}" for reason, count in skipped.items() if count
    )


def all_choices(args: Mapping[str, Any]) -> dict[str, Any]:
    """A protocol's arguments, and of every choice that they don't name the default.

    Runs from before there was a choice name none: they did what the default does.
    """
    defaults = {each.name: each.default for each in fields(Protocol)}
    return dict(args) | {n: value for n, value in defaults.items() if n not in args}


@dataclass(frozen=True, slots=True)
class Crowd:
    """Whether a crowd ``counts`` as one target, and whether it ``takes`` what is found inside it.

    What it takes is neither right nor wrong. That is asked only where all of a picture's masks are
    held against what is found; elsewhere a crowd that doesn't count is left out.
    """

    counts: bool
    takes: bool


def first_click_only(prompt: Prompt) -> bool:
    """Several candidates for exactly one point; a box counts as two (SAM, section 3)."""
    return prompt.n_points == 1 and prompt.box is None


def always(prompt: Prompt) -> bool:
    """Several candidates at every step."""
    return True


def never(prompt: Prompt) -> bool:
    """The single-mask output at every step."""
    return False


def predicted_iou(predicted_ious: FloatArray) -> int:
    """The candidate of the highest predicted IoU, the first of equals (SAM, section 7.1)."""
    return int(np.argmax(predicted_ious))


def tight(target: Target) -> FloatArray:
    """The mask's own box, both corners included."""
    if target.mask.box is None:
        raise ValueError("an empty mask has no box")
    return np.array(target.mask.box, dtype=np.float32)


def file(target: Target) -> FloatArray:
    """The annotation file's box as it stands there, x, y, x + width, y + height.

    Given as it is to models whose boxes include both corners, it reaches a pixel too far right and
    down. Where the file has none it is the mask's, written as COCO's tools write it.
    """
    if target.file_box is not None:
        return np.array(target.file_box, dtype=np.float32)
    return tight(target) + np.array([0, 0, 1, 1], dtype=np.float32)


def mask_area(target: Target) -> float:
    """The pixels of the mask."""
    return target.mask.area


def file_area(target: Target) -> float:
    """The ``area`` that the annotation file gives; the mask's where it gives none."""
    return target.mask.area if target.file_area is None else target.file_area


CROWD: Mapping[str, Crowd] = {
    "skip": Crowd(counts=False, takes=False),
    "include": Crowd(counts=True, takes=False),
    "ignore": Crowd(counts=False, takes=True),
}
BOX: Mapping[str, Callable[[Target], FloatArray]] = {rule.__name__: rule for rule in (tight, file)}
GIVEN_END: Mapping[str, float] = {"tight": 1.0, "file": 0.0}
"""What is taken off the right and lower end of a box whose ends are not included."""
AREA: Mapping[str, Callable[[Target], float]] = {"mask": mask_area, "file": file_area}
NO_ERROR: Mapping[str, tuple[tuple[float, float], int] | None] = {
    "stop": None,
    "corner": ((0.0, 0.0), 0),
}
FEEDBACK: Mapping[str, bool] = {"logits": True, "none": False}
AVERAGE: Mapping[str, bool] = {"mask_dataset": False, "image": True}
"""Whether each image's own mean counts once in the mean of a dataset, or each of its masks."""
TEXT: Mapping[str, bool] = {"best_instance": False, "union": True}
"""Whether the instances that a text finds count together, or the one nearest to the target."""
MULTIMASK: Mapping[str, Callable[[Prompt], bool]] = {
    rule.__name__: rule for rule in (first_click_only, always, never)
}
SELECT: Mapping[str, Callable[[FloatArray], int]] = {
    rule.__name__: rule for rule in (predicted_iou,)
}
