"""The rows of an image's targets and detections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from bench.data.abilities import Federated, LookedFor
from bench.protocol import AREA, Protocol, file_area
from bench.scoring.overlap import overlaps
from bench.tasks.boxes.asking import Answer, Asking
from bench.tasks.boxes.detections import DetectionFile, Detections
from bench.tasks.boxes.judging import Floats, Judged, Numbers, Sought, judge
from bench.tasks.boxes.rules import Rules, keep
from bench.tasks.contract import Case, Lent, Scored
from bench.types import BenchError, FloatArray, Mask, Sample, Segmenter, Target
from bench.types.rows.boxes import AREAS, BoxRow
from bench.types.stopwatch import Stopwatch

_BOX = "box"
"""The ending of the columns that tell of boxes."""


@dataclass(frozen=True, slots=True)
class Truth:
    """How targets count: by ``protocol`` and ``rules``, all of one category where ``classless``."""

    protocol: Protocol
    classless: bool
    federated: Federated | None
    rules: Rules

    def looked_for(self, image_id: str) -> LookedFor | None:
        """What the image's annotators looked for, where the rules ask."""
        if self.federated is None or not self.rules.federated:
            return None
        return self.federated.looked_for(image_id)

    def sought(self, sample: Sample, named: bool) -> tuple[Sought, dict[str, int]]:
        """The targets of an image, and how many don't count or can't be found, by reason.

        Where detections are ``named`` by categories, a target without one doesn't count.
        """
        targets = sample.targets
        crowds = np.array([target.crowd for target in targets], dtype=bool)
        small = np.array(
            [self.area(target) < self.protocol.min_area for target in targets], dtype=bool
        )
        categories = [self.category(target) for target in targets]
        nameless = np.array([named and each is None for each in categories], dtype=bool)
        looked_for = self.looked_for(sample.image_id)
        counted = {
            "crowds": int(crowds.sum()),
            "small": int((small & ~crowds).sum()),
            "nameless": int((nameless & ~crowds & ~small).sum()),
            "empty": sum(not target.mask.area for target in targets),
        }
        areas = np.array([file_area(target) for target in targets], dtype=np.float64)
        nothing = (areas == 0) & (not self.rules.empty)
        partial = frozenset() if looked_for is None else looked_for.partial
        sought = Sought(
            categories, areas, small | nameless | nothing, crowds, partial, self.rules.empty
        )
        return sought, counted

    def area(self, target: Target) -> float:
        """What the protocol's smallest area is of, in pixels."""
        return AREA[self.protocol.area](target)

    def category(self, target: Target) -> str | None:
        """The target's, but where there are none."""
        return None if self.classless else target.category


@dataclass(frozen=True, slots=True)
class Asked:
    """An image's N detections, and the box (x0, y0, x1, y1) of each that holds a pixel of it."""

    detections: Detections
    boxes: Mapping[int, FloatArray]


@dataclass(frozen=True, slots=True)
class BoxRows:
    """The fixed side of a run: whose boxes are asked, of whom, how, and how they are judged.

    ``names`` are those that every row bears. With the ``first`` image it is told how many
    detections are of no image.
    """

    names: Mapping[str, str]
    truth: Truth
    file: DetectionFile | None
    first: str
    asking: Asking
    segmenter: Segmenter
    lent: Lent

    def __call__(self, cases: Sequence[Case], watch: Stopwatch) -> list[Scored]:
        """Rows of the targets and detections; an image of which an answer is no number fails."""
        samples = [case.sample for case in cases]
        embeddings = self.lent.embed(samples)
        return [self._one(*pair, watch) for pair in zip(samples, embeddings, strict=True)]

    def _one(self, sample: Sample, embedding: Any, watch: Stopwatch) -> Scored:
        prompt = self.names["prompt"]
        sought, counted = self.truth.sought(
            sample, self.file is not None and not self.truth.classless
        )
        with watch("prompt"):
            asked, left_out = self._asked(sample, sought)
        try:
            with watch("predict"):
                answers = self._answers(sample, embedding, asked)
        except BenchError as error:
            return Scored(sample.image_id, {}, faults={prompt: str(error)})
        with watch("score"):
            rows = list(self._rows(sample, sought, asked.detections, answers, asked.boxes))
        if len({row.mask_id for row in rows}) * self.asking.steps < len(rows):
            why = "a target's id is that of a detection's row; rename it"
            return Scored(sample.image_id, {}, faults={prompt: why})
        counted |= left_out
        counted |= {"images": 1, "asked": len(asked.boxes)}
        counted["no_pixel"] = len(asked.detections.scores) - len(asked.boxes)
        if self.file is not None and sample.image_id == self.first:
            counted["of_no_image"] = self.file.astray.of_images
        return Scored(sample.image_id, {prompt: rows}, counted=counted)

    def _asked(self, sample: Sample, sought: Sought) -> tuple[Asked, Mapping[str, int]]:
        """The detections that count and their boxes; how many don't, by reason."""
        there = _true(sample, sought) if self.file is None else self.file.of(sample.image_id)
        looked_for = self.truth.looked_for(sample.image_id)
        kept = keep(there, self.truth.rules, frozenset(sought.categories), looked_for)
        detections, protocol = kept.detections, self.truth.protocol
        if self.file is None:
            boxes = {
                number: protocol.box_of(sample.targets[entry])
                for number, entry in enumerate(detections.entries)
            }
        else:
            boxes = {
                number: protocol.box_given(_corners(box).astype(np.float32))
                for number, box in enumerate(detections.boxes)
                if _holds_a_pixel(_corners(box), sample.shape)
            }
        return Asked(detections, boxes), kept.left_out

    def _answers(self, sample: Sample, embedding: Any, asked: Asked) -> list[list[Answer]]:
        """The answers of each detection, step by step; an empty mask where nothing was asked."""
        found = self.asking.masks(
            self.segmenter,
            embedding,
            list(asked.boxes.values()),
            sample,
            self.truth.protocol,
            self.lent.batches,
        )
        known = dict(zip(asked.boxes, found, strict=True))
        nothing = [Answer(Mask.empty(*sample.shape), None)] * self.asking.steps
        return [known.get(number, nothing) for number in range(len(asked.detections.scores))]

    def _rows(
        self,
        sample: Sample,
        sought: Sought,
        detections: Detections,
        answers: Sequence[Sequence[Answer]],
        boxes: Mapping[int, FloatArray],
    ) -> Iterator[BoxRow]:
        of_boxes = self._judged_boxes(sample, sought, detections)
        for step in range(self.asking.steps):
            masks = [of_box[step] for of_box in answers]
            counts = [answer.mask.to_rle() for answer in masks]
            areas = [answer.mask.area for answer in masks]
            ious = overlaps(counts, sample.targets, sample)
            judged = judge(
                detections.categories,
                detections.scores,
                np.array(areas, np.float64),
                sought,
                lambda some, aims, ious=ious: ious[np.ix_(some, aims)],  # type: ignore[misc]
                AREAS,
            )
            yield from self._of_targets(sample, sought, judged, step + 1)
            for number, answer in enumerate(masks):
                box = boxes.get(number)
                yield BoxRow(
                    **self._core(sample, step + 1),
                    mask_id=f"detection {detections.entries[number]}",
                    category=detections.categories[number],
                    attributes={},
                    area=areas[number],
                    entry=int(detections.entries[number]),
                    score=float(detections.scores[number]),
                    box=None if box is None else box.tolist(),
                    estimate=answer.estimate,
                    mask_counts=counts[number] if self.lent.keep_masks else None,
                    **_bits(judged, number),
                    **_bits(of_boxes, number),
                )

    def _of_targets(
        self, sample: Sample, sought: Sought, judged: Judged, step: int
    ) -> Iterator[BoxRow]:
        for number, target in enumerate(sample.targets):
            counts = not (sought.aside[number] or sought.crowds[number])
            yield BoxRow(
                **self._core(sample, step),
                mask_id=target.mask_id,
                category=sought.categories[number],
                attributes=dict(target.attributes),
                area=target.mask.area,
                file_area=target.file_area,
                counts=counts,
                found=float(judged.found[number]) if counts else None,
                best_iou=float(judged.best[number]) if counts else None,
            )

    def _core(self, sample: Sample, step: int) -> dict[str, Any]:
        """What all rows of an image and a step share."""
        height, width = sample.shape
        own = {"image_id": sample.image_id, "cluster": sample.cluster, "step": step}
        return {**self.names, **own, "height": height, "width": width}

    def _judged_boxes(self, sample: Sample, sought: Sought, detections: Detections) -> Judged:
        """The same of boxes in the place of masks, at all sizes together."""
        truths = np.array([_true_box(target) for target in sample.targets], np.float64)
        truths = truths.reshape(-1, 4)

        def ious(some: Numbers, aims: Numbers) -> Floats:
            if not len(some) or not len(aims):
                return np.zeros((len(some), len(aims)))
            boxes: Any = np.maximum(detections.boxes[some], [-np.inf, -np.inf, 0, 0])
            aimed: Any = truths[aims]
            return np.asarray(coco_mask.iou(boxes, aimed, sought.crowds[aims].tolist()))

        with np.errstate(over="ignore"):  # endless, which is larger than any picture
            areas = np.maximum(detections.boxes[:, 2:], 0).prod(axis=1)
        return judge(detections.categories, detections.scores, areas, sought, ious, (_BOX,))


def _bits(judged: Judged, number: int) -> dict[str, Any]:
    """The columns of what a detection takes, by size."""
    found = {f"hits_{size}": int(bits[number]) for size, bits in judged.hits.items()}
    return found | {f"aside_{size}": int(bits[number]) for size, bits in judged.aside.items()}


def _true(sample: Sample, sought: Sought) -> Detections:
    """The targets that count as detections of themselves, where they have a pixel."""
    entries = np.array(
        [
            number
            for number, target in enumerate(sample.targets)
            if target.mask.area and not (sought.aside[number] or sought.crowds[number])
        ],
        dtype=np.int64,
    )
    boxes = [_true_box(sample.targets[number]) for number in entries]
    return Detections(
        entries,
        np.array(boxes, np.float64).reshape(-1, 4),
        np.ones(len(entries)),
        [sought.categories[number] for number in entries],
        np.ones(len(entries), bool),
    )


def _true_box(target: Target) -> tuple[float, float, float, float]:
    """The file's box (x, y, width, height), else the mask's; without a side where there is none."""
    if target.file_box is not None:
        x0, y0, x1, y1 = target.file_box
    elif target.mask.box is not None:
        x0, y0, x1, y1 = (float(end) for end in target.mask.box)
        x1, y1 = x1 + 1, y1 + 1
    else:
        return 0.0, 0.0, 0.0, 0.0
    return x0, y0, x1 - x0, y1 - y0


def _corners(box: Floats) -> Floats:
    """Of (x, y, width, height) the corners (x0, y0, x1, y1), the ends not included."""
    return np.concatenate([box[:2], box[:2] + box[2:]])


def _holds_a_pixel(corners: Floats, shape: tuple[int, int]) -> bool:
    """Whether some part of the picture (H, W) lies within corners whose ends are not included."""
    x0, y0, x1, y1 = corners
    within = min(x1, shape[1]) > max(x0, 0) and min(y1, shape[0]) > max(y0, 0)
    return bool(within and x1 > x0 and y1 > y0)
