"""A task whose rows are not masks: how far off a guess is of how many beans a picture shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.config.component import Component
from bench.config.composing import RunConfig
from bench.config.run_key import Question
from bench.models.loading import model_class
from bench.tasks.contract import Case, Lent, Scored
from bench.types import Measure, Reader, Row, Site, Step
from bench.types.rows import Float64, Int32
from bench.types.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRow(Row):
    """How many beans are in a picture, and how many were guessed."""

    truth: Int32
    guess: Float64
    off: Float64


@dataclass(frozen=True)
class Look:
    """One look at the whole picture."""

    steps: int = 1

    @property
    def report_steps(self) -> Mapping[int, Step]:
        return {1: Step(name="a look")}


class Count:
    """Guesses a bean for so many bright pixels; ``pixels`` is the size of a bean."""

    row = CountRow
    asks_model = True
    measures: Sequence[Measure] = (
        Measure("off", "mean_off", "count error", "plain", "lower", 2, "Beans too many or few."),
    )

    def __init__(self, pixels: int = 260) -> None:
        self._pixels = pixels

    def ways(self, config: RunConfig) -> Mapping[str, Look]:
        return {"look": Look()}

    def settle(self, config: RunConfig, site: Site) -> Question:
        args = model_class(config.model, config.runtime.allow_modules).pin(config.model.args, site)
        return Question(
            task=config.task,
            seed=config.seed,
            model=replace(config.model, args=args),
            dataset=config.dataset,
            prompts={"look": Component("look", "1", "look")},
            protocol=config.protocol,
        )

    def check(self, config: RunConfig, reader: Reader) -> None:
        pass

    def scorer(self, config: RunConfig, reader: Reader, lent: Lent) -> Any:
        width = lent.segmenter.width  # type: ignore[union-attr]

        def score(cases: Sequence[Case], watch: Stopwatch) -> list[Scored]:
            pictures = lent.embed([case.sample for case in cases])
            found = []
            for case, picture in zip(cases, pictures, strict=True):
                guess = float((picture.max(axis=2) > 100).sum() * width / 9 / self._pixels)
                truth = len(case.sample.targets)
                row = CountRow(
                    dataset=config.dataset.name,
                    image_id=case.sample.image_id,
                    mask_id=case.sample.image_id,
                    model=config.model.name,
                    prompt="look",
                    protocol=config.protocol.name,
                    step=1,
                    cluster=case.sample.cluster,
                    truth=truth,
                    guess=guess,
                    off=abs(guess - truth),
                )
                counted = {"beans": truth}
                found.append(Scored(case.sample.image_id, {"look": [row]}, counted=counted))
            return found

        return score

    def notes(self, config: RunConfig, counted: Mapping[str, int]) -> Sequence[str]:
        return [f"{counted.get('beans', 0)} beans in all."]
