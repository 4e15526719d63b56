"""A model asked for the masks of boxes: once, and again with its own mask beside the box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from bench.protocol import Protocol
from bench.scoring.aim import Aim, Measured
from bench.scoring.finite import all_finite
from bench.scoring.measuring import measure
from bench.tasks.contract import Batches
from bench.types import BenchError, Candidates, FloatArray, Mask, MaskCue, Prompt, Sample, Segmenter


@dataclass(frozen=True, slots=True)
class Answer:
    """A mask, and the model's own estimate of its IoU; none where it gave no mask at all."""

    mask: Mask
    estimate: float | None


@dataclass(frozen=True, slots=True)
class Asking:
    """How boxes are asked: with all candidates of each or, ``single``, one; ``refine`` asks again.

    Of several candidates the one counts that the protocol selects, and it is its logits that are
    fed back beside the box (SAM, appendix D.4).
    """

    refine: bool
    single: bool

    @property
    def kinds(self) -> frozenset[str]:
        """The cues that a model must understand."""
        return frozenset({"box", "mask_logits"} if self.refine else {"box"})

    @property
    def steps(self) -> int:
        """The number of masks of a box."""
        return 2 if self.refine else 1

    def masks(
        self,
        segmenter: Segmenter,
        embedding: Any,
        boxes: Sequence[FloatArray],
        sample: Sample,
        protocol: Protocol,
        batches: Batches,
    ) -> list[list[Answer]]:
        """Of each box, (x0, y0, x1, y1) pixel indices, the answers step by step.

        Ignored pixels are off. Raises ``BenchError`` where an answer holds what is no number.
        """
        aim = Aim(Mask.empty(*sample.shape), sample.ignore)

        def answers(prompts: Sequence[Prompt]) -> list[list[Answer]]:
            steps: list[list[Measured | None]] = []
            asked = list(prompts)
            for step in range(self.steps):
                prediction = segmenter.predict(
                    [embedding] * len(asked), asked, multimask=not self.single
                )
                found: list[Measured | None] = [None] * len(asked)
                for numbers, part in prediction.alike():
                    aims = [aim] * len(numbers)
                    chosen = _chosen(part, protocol)
                    measured = measure(chosen, aims, protocol.threshold, protocol.selects)
                    for number, one in zip(numbers, measured, strict=True):
                        if one.fault:
                            raise BenchError(f"the model answers a box: {one.fault}")
                        found[number] = one
                steps.append(found)
                if step + 1 < self.steps:
                    asked = [
                        prompt if one is None else prompt.having(MaskCue(one.mask_logits))
                        for prompt, one in zip(prompts, found, strict=True)
                    ]
            return [[_answer(one, sample) for one in of_box] for of_box in zip(*steps, strict=True)]

        prompts = [Prompt(box=box) for box in boxes]
        return [one for some in batches(answers, prompts) for one in some]


def _chosen(answers: Candidates, protocol: Protocol) -> Candidates:
    """Of each prompt the candidate that counts: the others' masks are of no use here.

    All of them where one is no number, so that its fault is told.
    """
    if not (all_finite(answers.logits) and all_finite(answers.predicted_iou)):
        return answers
    estimates = answers.predicted_iou.float().cpu().numpy()
    starts = np.cumsum([0, *answers.counts])
    places = [
        int(start) + protocol.selects(estimates[start:end]) for start, end in pairwise(starts)
    ]
    return Candidates(
        answers.logits[places], answers.predicted_iou[places], [1] * len(places), answers.frames
    )


def _answer(found: Measured | None, sample: Sample) -> Answer:
    if found is None:
        return Answer(Mask.empty(*sample.shape), None)
    return Answer(found.mask, float(found.predicted_ious[found.selected]))
