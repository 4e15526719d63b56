"""What each run of a command will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.run.forecast.disk_space import bytes_for
from bench.run.forecast.memory import Need, need
from bench.run.forecast.pace import Pace, find_pace
from bench.run.forecast.workload import Workload, workload
from bench.run.plan import Plan

FEW = 20
"""Images up to which a single run says nothing beforehand."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """One model on one dataset: ``images`` there are, ``done`` of them under every prompt.

    ``limited`` says that ``runtime.limit`` leaves some for later. ``seconds`` by the clock are
    none where nothing like it has run yet, ``memory`` where there is nothing to do; ``disk`` in
    bytes.
    """

    model: str
    dataset: str
    prompts: tuple[str, ...]
    images: int
    done: int
    work: Workload
    pace: Pace | None
    seconds: float | None
    memory: Need | None
    disk: int

    @property
    def limited(self) -> bool:
        """Whether images are left after the run."""
        return self.done + self.work.images < self.images

    @property
    def borrowed(self) -> bool:
        """Whether the pace is that of another dataset."""
        return self.pace is not None and self.pace.dataset != self.dataset


def forecast(plan: Plan) -> Forecast:
    """What the plan will take; decodes at most one picture and asks no model."""
    work = workload(plan)
    missing = frozenset[str]().union(*(run.missing for run in plan.work.runs.values()))
    pace = find_pace(plan) if work.images else None
    return Forecast(
        model=plan.question.model.name,
        dataset=plan.question.dataset.name,
        prompts=tuple(f"{name} ({run.way.steps})" for name, run in plan.work.runs.items()),
        images=len(plan.work.ids),
        done=len(plan.work.ids) - len(missing),
        work=work,
        pace=pace,
        seconds=None if pace is None else pace.time_for(work.images, work.answers),
        memory=need(plan, pace) if work.images else None,
        disk=bytes_for(plan, work),
    )


def worth_saying(plans: Sequence[Plan]) -> bool:
    """Whether a command is long enough: more than ``FEW`` images, or several runs with some."""
    images = sum(len(plan.work.todo) for plan in plans)
    return images > FEW or (images > 0 and len(plans) > 1)
