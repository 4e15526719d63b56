"""The task of the paper's section 7.1: prompt for each target, score each mask, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bench.config.composing import RunConfig
from bench.config.run_key import Question
from bench.models.loading import model_class
from bench.prompts.abilities import KnowsImages, asked_of, instead_of
from bench.protocol import Protocol
from bench.scoring.score import Aim, Score, score_together
from bench.tasks.contract import Case, Lent, Scored
from bench.tasks.counting import check_counts
from bench.tasks.kept_masks import CANDIDATES, NOTHING, Kept, kept_of
from bench.tasks.opening import (
    asked_kinds,
    open_protocol,
    open_strategies,
    pinned_prompts,
    prompts_of,
    strategy_class,
)
from bench.tasks.random_numbers import NO_NUMBERS, mask_rng
from bench.tasks.recorded import (
    asks_text,
    check_recorded,
    count_unasked,
    lacked_by,
    notes_on_files,
    notes_on_texts,
    notes_on_unasked,
)
from bench.tasks.tracks import Scene, Track
from bench.types import (
    IOU,
    ORACLE,
    BenchError,
    MaskCue,
    MaskRow,
    Measure,
    Prediction,
    Prompt,
    PromptStrategy,
    Reader,
    Segmenter,
    Site,
    Target,
)
from bench.types.cues import cues_text
from bench.types.stopwatch import Stopwatch

_GRID_BYTES = 2 << 18
"""Of a track's logits, those of the last answer and those fed back: 256 × 256 float32 in SAM."""


class PromptedMasks:
    """Each target is prompted for by every strategy, and each mask is a row."""

    row = MaskRow
    asks_model = True
    measures: Sequence[Measure] = (IOU, ORACLE)

    def ways(self, config: RunConfig) -> Mapping[str, PromptStrategy]:
        """A run for each prompt strategy."""
        if not config.prompts:
            raise BenchError("no prompt is chosen: give prompt=[point_1,point_3,box]")
        return open_strategies(config)

    def settle(self, config: RunConfig, site: Site) -> Question:
        """Refuses prompts that the model doesn't understand, and pins its files."""
        segmenter = model_class(config.model, config.runtime.allow_modules)
        protocol = open_protocol(config)
        for name, strategy in self.ways(config).items():
            if beyond := asked_kinds(strategy, protocol) - segmenter.prompt_kinds:
                others = " or ".join(prompts_of(segmenter.prompt_kinds, protocol))
                instead = instead_of(name, strategy, beyond)
                if not instead and others:
                    instead = f"; it can be asked with prompt={others}"
                raise BenchError(
                    f"model {config.model.name} understands "
                    f"{', '.join(sorted(segmenter.prompt_kinds))}; prompt {name} under protocol "
                    f"{config.protocol.name} asks for {', '.join(sorted(beyond))} too"
                    f"{instead}"
                )
        return Question(
            task=config.task,
            seed=config.seed,
            model=replace(config.model, args=segmenter.pin(config.model.args, site)),
            dataset=config.dataset,
            prompts=pinned_prompts(config),
            protocol=config.protocol,
        )

    def check(self, config: RunConfig, reader: Reader) -> None:
        """Some mask must count, of the images up to the limit."""
        ids = reader.ids()[: config.runtime.limit]
        protocol = open_protocol(config)
        check_counts(config.dataset.name, protocol, reader, ids)
        for name, strategy in open_strategies(config).items():
            if isinstance(strategy, KnowsImages):
                called = config.prompts[name].name
                check_recorded(called, strategy, protocol, config.dataset.name, reader, ids)

    def scorer(self, config: RunConfig, reader: Reader, lent: Lent) -> Rounds:
        """The rounds of prompts and masks."""
        assert lent.segmenter is not None
        return Rounds(
            dataset=config.dataset.name,
            model=config.model.name,
            protocol_name=config.protocol.name,
            protocol=open_protocol(config),
            strategies=open_strategies(config),
            segmenter=lent.segmenter,
            lent=lent,
            seed=config.seed,
        )

    def notes(self, config: RunConfig, counted: Mapping[str, int]) -> Sequence[str]:
        """Where prompts are recorded, how texts count, and how many masks have no prompt."""
        files = {prompt.name: prompt.args.get("file") for prompt in config.prompts.values()}
        classes = {
            name: strategy_class(prompt, config.runtime.allow_modules)
            for name, prompt in config.prompts.items()
        }
        lacks = {
            name: (config.prompts[name].name, lacked_by(each)) for name, each in classes.items()
        }
        texts = [config.prompts[name].name for name, each in classes.items() if asks_text(each)]
        counts = notes_on_texts(texts, open_protocol(config))
        return [*notes_on_files(files), *counts, *notes_on_unasked(lacks, counted)]


@dataclass(frozen=True, slots=True)
class Rounds:
    """The fixed side of a run: who is asked, how, and under which names its rows go."""

    dataset: str
    model: str
    protocol_name: str
    protocol: Protocol
    strategies: Mapping[str, PromptStrategy]
    segmenter: Segmenter
    lent: Lent
    seed: int = 0

    def __call__(self, cases: Sequence[Case], watch: Stopwatch) -> list[Scored]:
        """The rows of each image for each strategy that it lacks: a row per target and step.

        All of a wave take a step together, so that prompts of several images fill a batch. Where
        a mask is right to the pixel no click is left: the step keeps its mask, prompt and scores,
        so that every curve has all its steps. An image of which an answer is no number fails for
        that strategy, whose rows would be a choice of its masks.
        """
        embeddings = self.lent.embed([case.sample for case in cases])
        scenes, skipped = [], []
        for case, embedding in zip(cases, embeddings, strict=True):
            targets, left_out = self.protocol.sort_out(case.sample.targets)
            lacking = {
                name: asked_of(self.strategies[name], case.sample.image_id, case.sample.targets)
                for name in case.lacking
            }
            scenes.append(Scene.of(case.sample, targets, embedding, lacking))
            skipped.append(left_out)
        rows: list[dict[str, list[MaskRow]]] = [{n: [] for n in s.strategies} for s in scenes]
        faults: list[dict[str, dict[str, str]]] = [{} for _ in scenes]
        advance = partial(self._advance, watch=watch)
        for made, wrong in self.lent.share(advance, self._waves(scenes)):
            for place, name, row in made:
                rows[place][name].append(row)
            for place, name, mask_id, why in wrong:
                faults[place].setdefault(name, {})[mask_id] = why
        for of_image, wrong_ones in zip(rows, faults, strict=True):
            for name in wrong_ones:
                del of_image[name]
            for of_strategy in of_image.values():
                of_strategy.sort(key=lambda row: row.step)  # waves took all their steps in turn
        said = [
            {name: self._words(wrong, scene.asked[name]) for name, wrong in of_image.items()}
            for scene, of_image in zip(scenes, faults, strict=True)
        ]
        return [
            Scored(
                case.sample.image_id,
                of_image,
                left_out,
                counted=count_unasked(scene.targets, scene.strategies),
                faults=wrong,
            )
            for case, scene, of_image, left_out, wrong in zip(
                cases, scenes, rows, skipped, said, strict=True
            )
        ]

    def _words(self, faults: Mapping[str, str], targets: Sequence[Target]) -> str:
        """The first, in the targets' order, of the masks whose answers are no numbers; how many."""
        first = next(target.mask_id for target in targets if target.mask_id in faults)
        more = f" (and {len(faults) - 1} more of {len(targets)} masks)" if len(faults) > 1 else ""
        return f"model {self.model}, mask {first}, {faults[first]}{more}"

    def _waves(self, scenes: Sequence[Scene]) -> Iterator[list[Track]]:
        """The tracks of all targets, as many at a time as memory is set apart for."""
        wave: list[Track] = []
        masks = 1 + CANDIDATES * self.lent.keep_candidates
        held = targets = 0
        for place, scene in enumerate(scenes):
            height, width = scene.sample.shape
            pixels = height * width
            for target, names in scene.aims():
                needed = pixels + len(names) * (masks * pixels + _GRID_BYTES)  # one is the rim
                if wave and (
                    held + needed > self.lent.wave_bytes or targets == self.lent.wave_targets
                ):
                    yield wave
                    wave, held, targets = [], 0, 0
                aim = Aim(target.mask, scene.sample.ignore, target.others)
                wave += [
                    Track(place, scene, name, scene.strategies[name].strategy, target, aim)
                    for name in names
                ]
                held += needed
                targets += 1
        if wave:
            yield wave

    def _advance(
        self, wave: list[Track], watch: Stopwatch
    ) -> tuple[list[tuple[int, str, MaskRow]], list[tuple[int, str, str, str]]]:
        """Takes the tracks through all their steps; rows with their image's place and strategy.

        A track ends where an answer is no number: such are told of with their mask's id and why.
        """
        watch.turn_to(*dict.fromkeys(track.scene.sample.image_id for track in wave))
        rows: list[tuple[int, str, MaskRow]] = []
        faults: list[tuple[int, str, str, str]] = []
        step = 1
        while wave:
            with watch("prompt"):
                asked = self._prompted(wave, step)
            self._answer(asked, watch)
            for track in asked:
                if track.fault:
                    why = f"step {step}: {track.fault}"
                    faults.append((track.place, track.name, track.target.mask_id, why))
            wave = [track for track in wave if not track.fault]
            with watch("score"):
                kept = kept_of((t.score for t in wave if t.score is not None), self.lent)
                rows += [(t.place, t.name, self._row(t, step, kept)) for t in wave]
            for track in wave:
                if track.strategy.steps == step:
                    track.prompt = track.score = None  # frees its mask and logits
            wave = [track for track in wave if track.strategy.steps > step]
            step += 1
        return rows, faults

    def _prompted(self, wave: Sequence[Track], step: int) -> list[Track]:
        """Gives the tracks their next prompts, alike ones of a first step once; those with one."""
        alike: dict[object, list[Track]] = {}
        for track in wave:
            alike.setdefault(track.opening() if step == 1 else id(track), []).append(track)
        leaders = [tracks[0] for tracks in alike.values()]
        moves = self.lent.each(partial(self._moves_on, step=step), leaders)
        moving = set()
        for (leader, *others), moves_on in zip(alike.values(), moves, strict=True):
            if moves_on:
                moving |= {id(leader), *map(id, others)}
            for track in others:
                track.prompt, track.multimask = leader.prompt, leader.multimask
        return [track for track in wave if id(track) in moving]

    def _moves_on(self, track: Track, step: int) -> bool:
        """Gives the track its next prompt; false where there is none."""
        previous, sample = track.score, track.scene.sample
        numbers = NO_NUMBERS
        if getattr(track.strategy, "draws", True):
            numbers = mask_rng(self.seed, sample.image_id, track.target.mask_id, step)
        prompt = track.strategy.next(
            track.target,
            sample.ignore,
            None if previous is None else previous.mask,
            track.prompt,
            numbers,
        )
        if prompt is None and previous is not None:
            return False
        prompt = _checked(prompt, track.name, track.strategy)
        logits = None if previous is None else previous.mask_logits
        if logits is not None and self.protocol.feeds_back():
            prompt = prompt.having(MaskCue(logits))
        track.prompt = prompt
        track.multimask = self.protocol.asks_multimask(prompt)
        return True

    def _answer(self, asked: Sequence[Track], watch: Stopwatch) -> None:
        """Scores each track's prompt; strategies that ask the same are answered once."""
        same: dict[tuple[object, ...], list[Track]] = {}
        for track in asked:
            same.setdefault(track.question(), []).append(track)
        alike = sorted(same.values(), key=lambda tracks: not tracks[0].multimask)
        answer = partial(self._scores, watch=watch)
        answered = self.lent.batches(answer, [tracks[0] for tracks in alike])
        scores = (one for batch in answered for one in batch)
        for tracks, one in zip(alike, scores, strict=True):
            for track in tracks:
                track.score = one

    def _scores(self, batch: Sequence[Track], watch: Stopwatch) -> list[Score]:
        """The scores of a batch, in which those with several candidates come first."""
        with watch("predict"):
            found = [
                self._predicted(some, multimask)
                for multimask in (True, False)
                if (some := [track for track in batch if track.multimask is multimask])
            ]
        with watch("score"):
            aims = [track.aim for track in batch]
            prompts = [track.prompt for track in batch if track.prompt is not None]
            return score_together(
                found,
                aims,
                self.protocol,
                self.lent.metrics,
                self.lent.each,
                prompts,
                self.lent.keep_candidates,
            )

    def _predicted(self, tracks: Sequence[Track], multimask: bool) -> Prediction:
        prompts = [track.prompt for track in tracks if track.prompt is not None]
        embeddings = [track.scene.embedding for track in tracks]
        return self.segmenter.predict(embeddings, prompts, multimask)

    def _row(self, track: Track, step: int, kept: Mapping[int, Kept]) -> MaskRow:
        prompt, result = track.prompt, track.score
        assert prompt is not None
        assert result is not None
        strings = kept.get(id(result), NOTHING)
        return MaskRow.of(
            track.scene.sample,
            track.target,
            dataset=self.dataset,
            model=self.model,
            prompt=track.name,
            protocol=self.protocol_name,
            step=step,
            n_points=prompt.n_points,
            point_coords=prompt.points.tolist(),
            point_labels=prompt.labels.tolist(),
            box=None if prompt.box is None else prompt.box.tolist(),
            cues=cues_text(prompt),
            iou=result.iou,
            iou_oracle=result.iou_oracle,
            ious=result.ious.tolist(),
            predicted_ious=result.predicted_ious.tolist(),
            selected=result.selected,
            multimask=track.multimask,
            mask_rle=strings.mask,
            candidate_rles=strings.candidates,
            other_ious=track.aim.other_ious(result.mask),
            human_ious=track.aim.human_ious,
            metrics=result.metrics,
        )


def _checked(prompt: Prompt | None, name: str, strategy: PromptStrategy) -> Prompt:
    """What a strategy gives, where that is a prompt of the kinds that it asks for.

    Raises ``BenchError`` for anything else, none as the first prompt among it.
    """
    if not isinstance(prompt, Prompt):
        first = " as the first prompt" if prompt is None else ""
        raise BenchError(f"prompt {name}: next gives {prompt!r:.60}{first}, expected a Prompt")
    if not prompt.cues:
        raise BenchError(f"prompt {name}: next gives a Prompt without a cue, which asks nothing")
    if beyond := prompt.kinds - strategy.prompt_kinds - {"mask_logits"}:
        raise BenchError(
            f"prompt {name}: next gives {', '.join(sorted(beyond))}, and prompt_kinds says "
            f"{', '.join(sorted(strategy.prompt_kinds))}"
        )
    return prompt
