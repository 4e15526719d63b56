"""What enters a run's key: the identity of everything that may change a number."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.config.component import Component

KEY_VERSION = 1

_LONGEST_NAME = 240
"""Characters of a run's folder name, without the marks that others put around it."""

LATER: Mapping[str, Mapping[str, Any]] = {
    "protocol": {
        "box": "tight",
        "area": "mask",
        "first_grid": "image",
        "next_grid": "image",
        "min_error": 1,
        "no_error": "stop",
        "text": "best_instance",
    }
}
"""Arguments that came when there were runs already, and what was done before there were any."""


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
    version 1 without arguments enters by its name alone, as all did before tasks were components;
    an argument of ``LATER`` enters where it isn't what was done before.
    """
    plain_task = task.version == "1" and not task.args
    components = {"model": model, "dataset": dataset, "prompt": prompt, "protocol": protocol}
    identity = {
        "key_version": KEY_VERSION,
        "task": task.name if plain_task else _identity(task, {}),
        "seed": seed,
        **{g: _identity(component, LATER.get(g, {})) for g, component in components.items()},
    }
    plain = json.loads(json.dumps(identity))  # numbers as keys become text before the sorting
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _identity(component: Component, later: Mapping[str, Any]) -> dict[str, Any]:
    args = {n: v for n, v in component.args.items() if n not in later or v != later[n]}
    return {"name": component.name, "version": component.version, "args": args}


def run_name(dataset: str, model: str, prompt: str, key: str) -> str:
    """A run's folder name: readable parts, then the key that makes it unique.

    Parts too long for a file system are cut: the key is what counts.

    >>> run_name("bbbc038", "sam_vit_b", "point_1", "0123456789ab")
    'bbbc038-sam_vit_b-point_1-0123456789ab'
    """
    parts = [re.sub(r"[^A-Za-z0-9_.]", "_", part) for part in (dataset, model, prompt, key)]
    if sum(map(len, parts)) > _LONGEST_NAME:
        parts = [part[: _LONGEST_NAME // len(parts)] for part in parts]
    return "-".join(parts)
