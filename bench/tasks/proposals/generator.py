"""A model's proposals: masks of a grid of points, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.tasks.automatic import Candidate, candidates, grid_prompts, without_twins
from bench.tasks.contract import Batches
from bench.types import Segmenter

OFFSET = 1.0
"""How far the threshold is moved to either side to see whether a mask stays, in logits."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mask as COCO's run lengths, its box, its predicted IoU and its stability.

    ``box`` is (x0, y0, x1, y1), both corners included. ``stability`` is the IoU of the masks at the
    threshold moved by 1 up and down, in [0, 1]: the share of the larger that stays in the smaller,
    as segment-anything computes it.
    """

    counts: str
    box: tuple[int, int, int, int]
    predicted_iou: float
    stability: float

    @property
    def score(self) -> float:
        """What proposals are ordered by: the mean of predicted IoU and stability."""
        return (self.predicted_iou + self.stability) / 2


@dataclass(frozen=True, slots=True)
class Grid:
    """How a model is asked for proposals.

    ``side`` × ``side`` points, all candidates of each or, with ``single``, one; those whose boxes
    overlap one of larger predicted IoU by more than ``nms`` are left out, and of the rest the
    ``most`` best by ``Proposal.score`` stay. No filter by either (SAM, appendix D.3).
    """

    side: int
    nms: float
    most: int
    single: bool

    def proposals(
        self, segmenter: Segmenter, embedding: Any, shape: tuple[int, int], batches: Batches,
        threshold: float,
    ) -> list[Proposal]:  # fmt: skip
        """Those of a picture (H, W), the best first. Raises ``BenchError`` as ``candidates``."""
        found = candidates(
            segmenter, embedding, grid_prompts(shape, self.side), batches, threshold, _proposal,
            others=(threshold + OFFSET, threshold - OFFSET), multimask=not self.single,
        )  # fmt: skip
        boxes, scores = [each.box for each in found], [each.predicted_iou for each in found]
        kept = [found[number] for number in without_twins(boxes, scores, self.nms)]
        return best(kept, self.most)


def best(found: Sequence[Proposal], most: int) -> list[Proposal]:
    """The ``most`` proposals of the highest score, the best first; of equal ones the first."""
    return sorted(found, key=lambda each: -each.score)[:most]


def _proposal(found: Candidate) -> Proposal:
    """Of a candidate whose pixels were counted above the threshold plus ``OFFSET`` and less it."""
    mask, (inner, outer) = found.mask, found.areas
    assert mask.box is not None
    return Proposal(mask.to_rle(), mask.box, found.predicted_iou, inner / outer)
