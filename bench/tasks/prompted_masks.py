"""The task of the paper's section 7.1: prompt for each target, score each mask, step by step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from bench.protocol import Protocol
from bench.scoring.score import Aim, Score, score
from bench.tasks.halving import Halving
from bench.types import Prompt, PromptStrategy, Row, Sample, Segmenter, Target
from bench.types.stopwatch import Stopwatch

WAVE_BYTES = 1 << 30
"""What masks, rims and logits of prompts under way may take at most, were every mask full."""

_GRID_BYTES = 2 << 18
"""Of a track's logits, those of the last answer and those fed back: 256 × 256 float32 in SAM."""


@dataclass(frozen=True, slots=True)
class Case:
    """One image, the targets of it that count, its embedding, and the strategies by name."""

    sample: Sample
    targets: Sequence[Target]
    embedding: Any
    strategies: Mapping[str, PromptStrategy]


@dataclass(frozen=True, slots=True)
class PromptedMasks:
    """The fixed side of a run: who is asked, how, and under which names its rows go.

    ``batches`` says how many prompts, of any images, are asked at once. ``keep_masks`` puts the
    predicted masks into the rows. Prompts are under way together up to ``wave_bytes`` of masks and
    logits, and of ``wave_targets``. ``each`` is a ``map`` for what the host does: placing clicks,
    boundaries, rows; one in threads lets them run side by side. ``share`` is one for the waves.
    """

    dataset: str
    model: str
    protocol_name: str
    protocol: Protocol
    segmenter: Segmenter
    batches: Halving
    seed: int = 0
    keep_masks: bool = True
    wave_bytes: int = WAVE_BYTES
    wave_targets: int | None = None
    each: Callable[..., Iterable[Any]] = map
    share: Callable[..., Iterable[Any]] = map

    def score_images(self, cases: Sequence[Case], watch: Stopwatch) -> list[dict[str, list[Row]]]:
        """The rows of each image for each strategy by name: a row per target and step.

        All of a wave take a step together, so that prompts of several images fill a batch. Where
        a mask is right to the pixel no click is left: the step keeps its mask, prompt and scores,
        so that every curve has all its steps.
        """
        rows: list[dict[str, list[Row]]] = [{name: [] for name in c.strategies} for c in cases]
        for made in self.share(partial(self._advance, watch=watch), self._waves(cases)):
            for place, name, row in made:
                rows[place][name].append(row)
        for of_image in rows:
            for of_strategy in of_image.values():
                of_strategy.sort(key=lambda row: row.step)  # waves took all their steps in turn
        return rows

    def _waves(self, cases: Sequence[Case]) -> Iterator[list[_Track]]:
        """The tracks of all targets, as many at a time as memory is set apart for."""
        wave: list[_Track] = []
        held = targets = 0
        for place, case in enumerate(cases):
            height, width = case.sample.shape
            pixels = height * width
            for target in case.targets:
                needed = pixels + len(case.strategies) * (pixels + _GRID_BYTES)  # one is the rim
                if wave and (held + needed > self.wave_bytes or targets == self.wave_targets):
                    yield wave
                    wave, held, targets = [], 0, 0
                aim = Aim(target.mask, case.sample.ignore)
                wave += [_Track(place, case, n, s, target, aim) for n, s in case.strategies.items()]
                held += needed
                targets += 1
        if wave:
            yield wave

    def _advance(self, wave: list[_Track], watch: Stopwatch) -> list[tuple[int, str, Row]]:
        """Takes the tracks through all their steps; rows with their image's place and strategy."""
        watch.turn_to(*dict.fromkeys(track.case.sample.image_id for track in wave))
        rows: list[tuple[int, str, Row]] = []
        step = 1
        while wave:
            with watch("prompt"):
                moves = list(self.each(partial(self._moves_on, step=step), wave))
            asked = [track for track, moves_on in zip(wave, moves, strict=True) if moves_on]
            self._answer(asked, watch)
            with watch("score"):
                made = self.each(partial(self._row, step=step, encoded=self._encoded(wave)), wave)
                for track, row in zip(wave, made, strict=True):
                    rows.append((track.place, track.name, row))
            for track in wave:
                if track.strategy.steps == step:
                    track.prompt = track.score = None  # frees its mask and logits
            wave = [track for track in wave if track.strategy.steps > step]
            step += 1
        return rows

    def _moves_on(self, track: _Track, step: int) -> bool:
        """Gives the track its next prompt; false where there is none."""
        previous, sample = track.score, track.case.sample
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

    def _answer(self, asked: Sequence[_Track], watch: Stopwatch) -> None:
        """Scores each track's prompt; strategies that ask the same are answered once."""
        same: dict[tuple[object, ...], list[_Track]] = {}
        for track in asked:
            same.setdefault(track.question(), []).append(track)
        for multimask in (True, False):
            alike = [tracks for tracks in same.values() if tracks[0].multimask is multimask]
            answer = partial(self._scores, multimask=multimask, watch=watch)
            answered = self.batches(answer, [tracks[0] for tracks in alike])
            scores = (one for batch in answered for one in batch)
            for tracks, one in zip(alike, scores, strict=True):
                for track in tracks:
                    track.score = one

    def _scores(self, batch: Sequence[_Track], multimask: bool, watch: Stopwatch) -> list[Score]:
        prompts = [track.prompt for track in batch if track.prompt is not None]
        with watch("predict"):
            prediction = self.segmenter.predict(
                [track.case.embedding for track in batch], prompts, multimask
            )
        with watch("score"):
            return score(prediction, [track.aim for track in batch], self.protocol, self.each)

    def _encoded(self, wave: Sequence[_Track]) -> Mapping[int, str]:
        """The masks that rows keep, by their score's id: tracks that asked the same share one."""
        if not self.keep_masks:
            return {}
        scores = {id(track.score): track.score for track in wave if track.score is not None}
        encoded = self.each(lambda score: score.mask.to_rle(), scores.values())
        return dict(zip(scores, encoded, strict=True))

    def _row(self, track: _Track, step: int, encoded: Mapping[int, str]) -> Row:
        sample, target = track.case.sample, track.target
        prompt, result = track.prompt, track.score
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
            mask_rle=encoded.get(id(result)),
        )


def mask_rng(seed: int, image_id: str, mask_id: str, step: int) -> np.random.Generator:
    """The random numbers of one mask's step: its own, whatever runs before or beside it."""
    name = "\0".join((str(seed), image_id, mask_id, str(step)))
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


@dataclass(slots=True)
class _Track:
    """One target under one strategy, and how far it has come; ``place`` is its image's."""

    place: int
    case: Case
    name: str
    strategy: PromptStrategy
    target: Target
    aim: Aim
    prompt: Prompt | None = None
    score: Score | None = None
    multimask: bool = False

    def question(self) -> tuple[object, ...]:
        """Equal for tracks that ask the same of the same target: step 1 of 1 and of 3 points."""
        prompt = self.prompt
        assert prompt is not None
        box = None if prompt.box is None else prompt.box.tobytes()
        clicks = prompt.points.tobytes(), prompt.labels.tobytes()
        fed_back = id(prompt.mask_logits)
        return self.place, self.target.mask_id, *clicks, box, fed_back, prompt.text
