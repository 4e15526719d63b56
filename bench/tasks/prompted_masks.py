"""The task of the paper's section 7.1: prompt for each target, score each mask, step by step."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.protocol import Protocol
from bench.scoring import Score, score
from bench.stopwatch import Stopwatch
from bench.types import Prompt, PromptStrategy, Row, Sample, Segmenter, Target


@dataclass(frozen=True, slots=True)
class PromptedMasks:
    """The fixed side of a run: who is asked, how, and under which names its rows go.

    At most ``batch`` prompts are asked at once. ``keep_masks`` puts the predicted masks into the
    rows.
    """

    dataset: str
    model: str
    protocol_name: str
    protocol: Protocol
    segmenter: Segmenter
    seed: int = 0
    batch: int = 64
    keep_masks: bool = True

    def score_image(
        self,
        sample: Sample,
        targets: Sequence[Target],
        embedding: Any,
        strategies: Mapping[str, PromptStrategy],
        watch: Stopwatch,
    ) -> dict[str, list[Row]]:
        """The rows of one image for each strategy by name: a row per target and step.

        Where a mask is right to the pixel no click is left: the step keeps its mask, prompt and
        scores, so that every curve has all its steps.
        """
        tracks = [
            _Track(name, strategy, target)
            for name, strategy in strategies.items()
            for target in targets
        ]
        rows: dict[str, list[Row]] = {name: [] for name in strategies}
        for step in range(1, max((s.steps for s in strategies.values()), default=0) + 1):
            running = [track for track in tracks if track.strategy.steps >= step]
            with watch("prompt"):
                asked = [track for track in running if self._moves_on(track, sample, step)]
            self._answer(asked, sample, embedding, watch)
            with watch("score"):
                for track in running:
                    rows[track.name].append(self._row(track, sample, step))
        return rows

    def _moves_on(self, track: _Track, sample: Sample, step: int) -> bool:
        """Gives the track its next prompt; false where there is none."""
        previous = track.score
        prompt = track.strategy.next(
            track.target,
            sample.ignore,
            None if previous is None else previous.mask,
            track.prompt,
            mask_rng(self.seed, sample.image_id, track.target.mask_id, step),
        )
        if prompt is None:
            return False
        if previous is not None and self.protocol.feeds_back():
            prompt = replace(prompt, mask_logits=previous.mask_logits)
        track.prompt = prompt
        track.multimask = self.protocol.asks_multimask(prompt)
        return True

    def _answer(
        self, asked: Sequence[_Track], sample: Sample, embedding: Any, watch: Stopwatch
    ) -> None:
        """Scores each track's prompt; strategies that ask the same are answered once."""
        same: dict[tuple[object, ...], list[_Track]] = {}
        for track in asked:
            same.setdefault(track.question(), []).append(track)
        for multimask in (True, False):
            alike = [tracks for tracks in same.values() if tracks[0].multimask is multimask]
            for start in range(0, len(alike), self.batch):
                batch = [tracks[0] for tracks in alike[start : start + self.batch]]
                prompts = [track.prompt for track in batch if track.prompt is not None]
                with watch("predict"):
                    prediction = self.segmenter.predict(
                        [embedding] * len(prompts), prompts, multimask
                    )
                with watch("score"):
                    masks = [track.target.mask for track in batch]
                    ignores = [sample.ignore] * len(batch)
                    scores = score(prediction, masks, ignores, self.protocol)
                for first, one in zip(batch, scores, strict=True):
                    for track in same[first.question()]:
                        track.score = one

    def _row(self, track: _Track, sample: Sample, step: int) -> Row:
        target, prompt, result = track.target, track.prompt, track.score
        assert prompt is not None
        assert result is not None
        return Row(
            dataset=self.dataset,
            image_id=sample.image_id,
            mask_id=target.mask_id,
            category=target.category,
            attributes=target.attributes,
            height=sample.shape[0],
            width=sample.shape[1],
            area=target.mask.area,
            model=self.model,
            prompt=track.name,
            protocol=self.protocol_name,
            step=step,
            n_points=prompt.n_points,
            point_coords=prompt.points.tolist(),
            point_labels=prompt.labels.tolist(),
            box=None if prompt.box is None else prompt.box.tolist(),
            iou=result.iou,
            iou_oracle=result.iou_oracle,
            ious=result.ious.tolist(),
            predicted_ious=result.predicted_ious.tolist(),
            selected=result.selected,
            multimask=track.multimask,
            boundary_iou=result.boundary_iou,
            mask_rle=result.mask.to_rle() if self.keep_masks else None,
        )


def mask_rng(seed: int, image_id: str, mask_id: str, step: int) -> np.random.Generator:
    """The random numbers of one mask's step: its own, whatever runs before or beside it."""
    name = "\0".join((str(seed), image_id, mask_id, str(step)))
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


@dataclass(slots=True)
class _Track:
    """One target under one strategy, and how far it has come."""

    name: str
    strategy: PromptStrategy
    target: Target
    prompt: Prompt | None = None
    score: Score | None = None
    multimask: bool = False

    def question(self) -> tuple[object, ...]:
        """Equal for tracks that ask the same of the same target: step 1 of 1 and of 3 points."""
        prompt = self.prompt
        assert prompt is not None
        box = None if prompt.box is None else prompt.box.tobytes()
        clicks = prompt.points.tobytes(), prompt.labels.tobytes()
        return self.target.mask_id, *clicks, box, id(prompt.mask_logits)
