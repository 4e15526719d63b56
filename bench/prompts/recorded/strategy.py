"""The strategy that asks what a file says was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from bench.prompts.abilities import Asked
from bench.prompts.recorded.record import Recording, read_record
from bench.prompts.recorded.source import source_of
from bench.prompts.sampling import SAMPLE, SampleRule, with_points
from bench.protocol import Protocol, chosen
from bench.types import BenchError, BoolArray, Mask, Prompt, Step, Target
from bench.types.scribbles import SCRIBBLE

_SHOWN = (1, 2, 3, 5, 9)
"""The steps that tables show, beside the last, unless told: those of SAM's Fig. 9c."""


class Recorded:
    """Prompts from ``file``, a file or folder, in a format of ``bench.prompts.recorded.formats``.

    So a model is asked what another one was, or what people asked. ``format`` is told by the looks
    of the file unless it is named. Of a mask that several people prompted, ``pick`` chooses one,
    from 1. ``part`` names a dataset in a file of several. At most ``steps`` are asked. With
    ``points`` a scribble becomes so many points of each label, placed by the rule ``sample``
    (``bench.prompts.sampling``), for models that take no strokes. ``report`` lists the steps that
    tables show.

    Every step in a table bears the prompt's name: ``1 point (recorded)`` was not simulated.

    A mask without a recording is not asked, and has no row. A step that asks the same as the one
    before it asks nothing: its mask stands. What the protocol says of clicks and boxes does not
    count here; logits are fed back as it says. Raises ``BenchError`` for a file that is missing,
    damaged or in no known format.
    """

    recorded = True
    instead: Mapping[str, str] = MappingProxyType({SCRIBBLE: "points=5 gives points of it"})

    def __init__(
        self,
        file: str,
        format: str | None = None,  # noqa: A002 - the word that users know
        pick: int = 1,
        part: str | None = None,
        steps: int | None = None,
        points: int | None = None,
        sample: str = "even",
        report: Sequence[int] | None = None,
        *,
        protocol: Protocol,
    ) -> None:
        if min(1 if each is None else each for each in (steps, points)) < 1:
            raise BenchError(
                f"recorded prompts: steps and points are at least 1, found {steps}, {points}"
            )
        rule = chosen(SAMPLE, sample, "sample")
        self._record = read_record(source_of(file, part), format, pick)
        self._given = _Given(None if points is None else (rule, points))
        self.steps = min(self._record.steps, steps or self._record.steps)
        shown = [step for step in (*_SHOWN, self.steps) if step <= self.steps]
        reported = sorted(set(shown if report is None else report))
        if not reported or not all(1 <= step <= self.steps for step in reported):
            raise BenchError(f"{self._record.path} has {self.steps} steps; {reported} are reported")
        self._reported = reported

    @classmethod
    def pin(cls, args: Mapping[str, Any]) -> dict[str, Any]:
        """The file replaced by its hash; what asks for nothing is left out."""
        source = source_of(args["file"], args.get("part"))
        others = {n: v for n, v in args.items() if n != "file" and v is not None}
        return {"file": dict(source.key()), **others}

    @cached_property
    def prompt_kinds(self) -> frozenset[str]:
        """Those of all the cues that are asked."""
        entries = (entry for each in self._record.recordings for entry in each.entries)
        kinds = frozenset().union(*(entry.kinds for entry in entries))
        return self._given.kinds(kinds)

    @cached_property
    def report_steps(self) -> Mapping[int, Step]:
        """The steps that tables show: clicks and boxes as what they are, else ``recorded``.

        So the third of recorded clicks is compared with the third of simulated ones.
        """
        return {step: self._step(step) for step in self._reported}

    def of_image(self, image_id: str, targets: Sequence[Target]) -> Asked:
        """The prompts of an image's targets; a target without a recording isn't among them."""
        found, _ = self._record.of_image(image_id, targets)
        made = {t.mask_id: self._prompts(found[t.mask_id], t) for t in targets
                if t.mask_id in found}  # fmt: skip
        one = _OfImage(self.steps, self.report_steps, self.prompt_kinds, made)
        return Asked(one, frozenset(made))

    def unknown(self, seen: Mapping[str, Sequence[str]], image_ids: Sequence[str]) -> Sequence[str]:
        """Recordings of no target, such as ``"a/7 (row 12)"``; see ``KnowsImages``."""
        bare = np.zeros((1, 1), dtype=bool)
        used: set[int] = set()
        for image_id, mask_ids in seen.items():
            targets = [Target(mask_id, Mask.from_dense(bare)) for mask_id in mask_ids]
            found, _ = self._record.of_image(image_id, targets)
            used.update(id(each) for each in found.values())
        skipped = {
            id(each)
            for image_id in set(image_ids) - set(seen)
            for each in self._record.by_image.get(image_id, ())
        }
        partly = len(seen) < len(image_ids)
        return [
            each.said
            for each in self._record.recordings
            if id(each) not in used | skipped and not (partly and each.entries[0].image is None)
        ]

    def next(
        self,
        target: Target,
        ignore: BoolArray | None,
        previous_mask: Mask | None,
        previous_prompt: Prompt | None,
        rng: np.random.Generator,
    ) -> Prompt | None:
        """The next prompt of a target that is found by its own id."""
        asked = self.of_image("", [target])
        return asked.strategy.next(target, ignore, previous_mask, previous_prompt, rng)

    def _prompts(self, recording: Recording, target: Target) -> list[Prompt]:
        prompts: list[Prompt] = []
        for entry in recording.entries[: self.steps]:
            try:
                prompt = self._given.prompt(entry.prompt(*target.mask.shape))
            except ValueError as error:
                raise BenchError(
                    f"{self._record.path}: {entry.where}: mask {target.mask_id}: {error}"
                ) from None
            if not prompts or prompt != prompts[-1]:
                prompts.append(prompt)
        return prompts

    def _step(self, step: int) -> Step:
        latest = [
            each.entries[min(step, len(each.entries)) - 1] for each in self._record.recordings
        ]
        kinds = frozenset().union(*(entry.kinds for entry in latest))
        if kinds <= {"points", "box"}:
            of_step = max(entry.n_points for entry in latest)
            return Step(points=of_step, box="box" in kinds)
        return Step(name="recorded" if self.steps == 1 else f"recorded, step {step}")


@dataclass(frozen=True, slots=True)
class _Given:
    """How recorded prompts are given to a model."""

    sampled: tuple[SampleRule, int] | None

    def kinds(self, kinds: frozenset[str]) -> frozenset[str]:
        """The kinds of cues that are given."""
        if self.sampled is None or SCRIBBLE not in kinds:
            return kinds
        return kinds - {SCRIBBLE} | {"points"}

    def prompt(self, prompt: Prompt) -> Prompt:
        """The prompt as it is given."""
        if self.sampled is None or SCRIBBLE not in prompt.cues:
            return prompt
        return with_points(prompt, *self.sampled)


@dataclass(frozen=True, slots=True)
class _OfImage:
    """The prompts of one image's targets, by their ids."""

    steps: int
    report_steps: Mapping[int, Step]
    prompt_kinds: frozenset[str]
    prompts: Mapping[str, Sequence[Prompt]]

    def next(
        self,
        target: Target,
        ignore: BoolArray | None,
        previous_mask: Mask | None,
        previous_prompt: Prompt | None,
        rng: np.random.Generator,
    ) -> Prompt | None:
        """The prompt behind the previous one; none behind the last, and of a target without any."""
        prompts = self.prompts.get(target.mask_id, ())
        if previous_prompt is None:
            return prompts[0] if prompts else None
        before = previous_prompt.without("mask_logits")
        place = next((n for n, each in enumerate(prompts) if each == before), len(prompts))
        return prompts[place + 1] if place + 1 < len(prompts) else None
