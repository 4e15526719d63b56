"""The way of a task that asks nothing in rounds: a single step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.types import Step


@dataclass(frozen=True, slots=True)
class OneStep:
    """A single step, and what tables call it."""

    name: str
    steps: int = 1

    @property
    def report_steps(self) -> Mapping[int, Step]:
        """The only one."""
        return {1: Step(name=self.name)}
