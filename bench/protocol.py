"""A protocol: every free choice of an evaluation that papers and scripts disagree on, as data.

``conf/protocol/*.yaml`` holds one file per publication, with a version, a citation and a
sentence per choice. The rules that the names stand for are functions where they belong: clicks
in ``bench.prompts.placement``, the others here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from bench.types import BenchError, FloatArray, Prompt, Target

T = TypeVar("T")


def chosen(rules: Mapping[str, T], name: str, what: str) -> T:
    """The rule of that name; raises ``BenchError`` that lists the names there are."""
    if name not in rules:
        raise BenchError(f"unknown {what} rule {name!r}; there are: {', '.join(sorted(rules))}")
    return rules[name]


@dataclass(frozen=True, slots=True)
class Protocol:
    """The choices; the defaults are those of SAM (section 7.1 and appendix D.1).

    A pixel is foreground where its logit lies above ``threshold``. A box is drawn tight, or
    loosened by Gaussian noise of ``box_noise_std`` sides, cut at ``box_noise_cap`` pixels.
    ``min_area`` is in pixels. Raises ``BenchError`` for a choice that doesn't exist.
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

    def __post_init__(self) -> None:
        chosen(FEEDBACK, self.feedback, "feedback")
        chosen(MULTIMASK, self.multimask, "multimask")
        chosen(SELECT, self.select, "select")
        chosen({"skip": None, "include": None}, self.crowd, "crowd")
        chosen({"skip": None}, self.empty_target, "empty target")
        chosen({"mask_dataset": None}, self.average, "average")
        if min(self.box_noise_std, self.box_noise_cap, self.min_area) < 0:
            raise BenchError("box noise and smallest area must not be negative")

    def asks_multimask(self, prompt: Prompt) -> bool:
        """Whether the model is asked for its several candidates."""
        return MULTIMASK[self.multimask](prompt)

    def feeds_back(self) -> bool:
        """Whether the selected mask's logits come along with the next prompt."""
        return FEEDBACK[self.feedback]

    def selects(self, predicted_ious: FloatArray) -> int:
        """The index of the candidate that counts, of K."""
        return SELECT[self.select](predicted_ious)

    def sort_out(self, targets: Iterable[Target]) -> tuple[list[Target], dict[str, int]]:
        """The targets that count, and how many don't, by reason."""
        counted: list[Target] = []
        skipped = {"crowd": 0, "empty": 0, "min_area": 0}
        for target in targets:
            area = target.mask.area
            if area == 0:
                skipped["empty"] += 1
            elif target.crowd and self.crowd == "skip":
                skipped["crowd"] += 1
            elif area < self.min_area:
                skipped["min_area"] += 1
            else:
                counted.append(target)
        return counted, skipped


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


FEEDBACK: Mapping[str, bool] = {"logits": True, "none": False}
MULTIMASK: Mapping[str, Callable[[Prompt], bool]] = {
    rule.__name__: rule for rule in (first_click_only, always, never)
}
SELECT: Mapping[str, Callable[[FloatArray], int]] = {
    rule.__name__: rule for rule in (predicted_iou,)
}
