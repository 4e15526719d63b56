"""What enters a run's key: the identity of everything that may change a number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.config.component import Component

KEY_VERSION = 1


@dataclass(frozen=True)
class Question:
    """What is asked, as it enters the run keys: files replaced by hashes of their content.

    Nothing else of a configuration may change a number.
    """

    task: Component
    seed: int
    model: Component
    dataset: Component
    prompts: Mapping[str, Component]
    protocol: Component

    def key(self, prompt: str) -> str:
        """The key of the run with the prompt of that name."""
        return run_key(
            task=self.task,
            seed=self.seed,
            model=self.model,
            dataset=self.dataset,
            prompt=self.prompts[prompt],
            protocol=self.protocol,
        )


def run_key(
    *,
    task: Component,
    seed: int,
    model: Component,
    dataset: Component,
    prompt: Component,
    protocol: Component,
) -> str:
    """12 hexadecimal digits that are equal exactly where a run's numbers must be.

    A hash over the canonical JSON of what may change a number: name, version and arguments of
    every component, and the seed. Descriptions, targets and ``runtime`` don't enter. A task of
    version 1 without arguments enters by its name alone, as all did before tasks were components.
    """
    plain_task = task.version == "1" and not task.args
    components = {"model": model, "dataset": dataset, "prompt": prompt, "protocol": protocol}
    identity = {
        "key_version": KEY_VERSION,
        "task": task.name if plain_task else _identity(task),
        "seed": seed,
        **{group: _identity(component) for group, component in components.items()},
    }
    plain = json.loads(json.dumps(identity))  # numbers as keys become text before the sorting
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _identity(component: Component) -> dict[str, Any]:
    return {"name": component.name, "version": component.version, "args": component.args}
