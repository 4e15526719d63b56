"""What is under way while images are asked about: scenes, and a track for each target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.prompts.abilities import Asked
from bench.scoring.score import Aim, Score
from bench.types import Prompt, PromptStrategy, Sample, Target


@dataclass(frozen=True, slots=True)
class Scene:
    """One image, the targets of it that count, its embedding, and what is asked, by name.

    ``asked`` are the targets that each strategy asks for.
    """

    sample: Sample
    targets: Sequence[Target]
    embedding: Any
    strategies: Mapping[str, Asked]
    asked: Mapping[str, Sequence[Target]]

    @classmethod
    def of(
        cls,
        sample: Sample,
        targets: Sequence[Target],
        embedding: Any,
        strategies: Mapping[str, Asked],
    ) -> Scene:
        """With what each strategy asks for, of the targets that count."""
        asked = {name: each.targets(targets) for name, each in strategies.items()}
        return cls(sample, targets, embedding, strategies, asked)

    def aims(self) -> Iterator[tuple[Target, list[str]]]:
        """Each target that is asked for, the image's own first, and the strategies that do."""
        every = [*self.targets, *(target for some in self.asked.values() for target in some)]
        names: dict[str, list[str]] = {}
        for name, some in self.asked.items():
            for target in some:
                names.setdefault(target.mask_id, []).append(name)
        for target in {target.mask_id: target for target in every}.values():
            yield target, names.get(target.mask_id, [])


@dataclass(slots=True)
class Track:
    """One target under one strategy, and how far it has come; ``place`` is its image's."""

    place: int
    scene: Scene
    name: str
    strategy: PromptStrategy
    target: Target
    aim: Aim
    prompt: Prompt | None = None
    score: Score | None = None
    multimask: bool = False

    @property
    def fault(self) -> str:
        """What of its latest answer is no number, in words."""
        return "" if self.score is None else self.score.fault

    def opening(self) -> object:
        """Equal for tracks of one target whose first prompts are the same."""
        opening = getattr(self.strategy, "opening", None)
        return id(self) if opening is None else (self.place, self.target.mask_id, opening)

    def question(self) -> tuple[object, ...]:
        """Equal for tracks that ask the same of the same target: step 1 of 1 and of 3 points."""
        assert self.prompt is not None
        return self.place, self.target.mask_id, self.prompt.asks()
