"""Models and datasets that a script gives as objects, as components of the runs of one call."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from bench.config.component import Component
from bench.config.composing import RunConfig, load_configs
from bench.data.readers.in_memory import GivenData, hold
from bench.models.in_memory import held
from bench.run.driver import stays_here
from bench.types import BenchError


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A model or a dataset as an object, with the name that tables call it by.

    The name is a model's class, or ``given`` for data, unless another is said. ``version`` is
    another one whenever the object changes in a way that its content doesn't show, such as the code
    around a network; a model without weights needs both.
    """

    thing: Any
    name: str | None = None
    version: str | None = None


Choices: TypeAlias = Mapping[str, Sequence[str | Given]]
"""Of ``model`` and ``dataset``: names of YAMLs, joined by commas, and objects."""

_STAND_INS = {"model": "disk", "dataset": "shapes"}
"""What is composed in an object's place; nothing of it is left."""


def choices_of(model: Any, dataset: Any) -> Choices:
    """What is chosen; raises ``BenchError`` where it is nothing.

    A list of models is several. A list of datasets is one, its items, unless it holds names or
    ``Given``.
    """
    several = isinstance(dataset, list | tuple) and all(
        isinstance(each, str | Given) for each in dataset
    )
    listed = {
        "model": list(model) if isinstance(model, list | tuple) else [model],
        "dataset": list(dataset) if several else [dataset],
    }
    for group, each in listed.items():
        if not each:
            raise BenchError(f"no {group} is chosen")
    return {group: list(_joined(each)) for group, each in listed.items()}


def configs_of(
    choices: Choices, words: Sequence[str], config_dir: Path | None, here: ExitStack
) -> tuple[list[RunConfig], tuple[GivenData, ...]]:
    """Every run, and the data that was given, which is there for as long as it is kept.

    Models that were given are there as long as ``here`` is open. Raises ``BenchError``: for words
    that would set something of an object, for two objects of one name, and for a runtime of other
    processes, where the objects aren't.
    """
    data: dict[int, GivenData] = {}
    settled: dict[int, Component] = {}
    configs = []
    for group in itertools.product(*choices.values()):
        chosen = dict(zip(choices, group, strict=True))
        given = {name: each for name, each in chosen.items() if isinstance(each, Given)}
        names = {name: _STAND_INS[name] if name in given else each for name, each in chosen.items()}
        _refuse_words(given, words)
        composed = load_configs([*(f"{n}={each}" for n, each in names.items()), *words], config_dir)
        for config in composed:
            if given:
                _refuse_elsewhere(config)
            for each in given.values():
                if id(each) in settled:
                    continue
                if "model" in given and each is given["model"]:
                    found = here.enter_context(held(each.thing, each.name, each.version))
                else:
                    name = each.name or "given"
                    data[id(each)] = GivenData(each.thing, name, config.runtime.max_pixels)
                    found = hold(data[id(each)], name, each.version or "1")
                _refuse_twin(found, settled.values())
                settled[id(each)] = found
            parts: dict[str, Any] = {name: settled[id(each)] for name, each in given.items()}
            configs.append(replace(config, **parts))
    return configs, tuple(data.values())


def _joined(listed: Sequence[Any]) -> Iterator[str | Given]:
    """The names as one word, then each object."""
    if names := [each for each in listed if isinstance(each, str)]:
        yield ",".join(names)
    for each in listed:
        if not isinstance(each, str):
            yield each if isinstance(each, Given) else Given(each)


def _refuse_words(given: Mapping[str, Given], words: Sequence[str]) -> None:
    for word in words:
        key = word.partition("=")[0].lstrip("+~")
        for name in given:
            if key == name or key.startswith(f"{name}."):
                raise BenchError(f"{word}: the {name} is given as an object, which has no settings")


def _refuse_elsewhere(config: RunConfig) -> None:
    if not stays_here(config.runtime):
        raise BenchError(
            "a model or dataset that is given as an object is in this process alone: leave "
            "runtime.devices and runtime=ray out, or write it as a class with a YAML "
            "(docs/guide/own_pieces.md)"
        )


def _refuse_twin(found: Component, others: Iterable[Component]) -> None:
    if any(found.name == other.name for other in others):
        raise BenchError(
            f"two objects are called {found.name}; name them apart: bench.Given(it, name='…')"
        )
