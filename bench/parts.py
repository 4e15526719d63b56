"""The exchangeable pieces of a run: what a YAML says of one, and the class that it names."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bench.types import BenchError, Segmenter, Site


@dataclass
class Part:
    """One exchangeable piece: a class, its constructor's arguments, and words for people.

    What is ``???`` must be set. ``version`` is raised whenever a correction changes numbers.
    ``about`` never changes one.
    """

    name: str = "???"
    version: str = "???"
    target: str = "???"
    args: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)


def load_class(part: Part, allow_modules: Sequence[str] = ()) -> type[Any]:
    """The class that a part names, its arguments checked against the constructor's.

    Raises ``BenchError`` for a module that is neither the bench's nor allowed, a name that isn't
    a class, and unknown, missing or unset (``???``) arguments.
    """
    module_name, _, class_name = part.target.rpartition(".")
    roots = ("bench", *allow_modules)
    if not any(module_name == root or module_name.startswith(f"{root}.") for root in roots):
        raise BenchError(
            f"{part.name}: target {part.target!r} lies outside the allowed modules "
            f"({', '.join(roots)}); allow it with runtime.allow_modules=[{module_name}]"
        )
    try:
        target = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise BenchError(f"{part.name}: no class {part.target!r} ({error})") from error
    if not inspect.isclass(target):
        raise BenchError(f"{part.name}: target {part.target!r} is not a class")
    with suppress(ValueError):  # a class written in C may have no signature to check
        _check_args(part, inspect.signature(target).parameters)
    found: type[Any] = target
    return found


def _check_args(part: Part, parameters: Mapping[str, inspect.Parameter]) -> None:
    takes = {n for n, p in parameters.items() if n not in ("site", "protocol")}
    needs = {n for n in takes if parameters[n].default is inspect.Parameter.empty}
    if unknown := sorted(set(part.args) - takes):
        raise BenchError(
            f"{part.name}: unknown argument {', '.join(unknown)}; "
            f"{part.target} takes {', '.join(sorted(takes)) or 'none'}"
        )
    if missing := sorted(needs - set(part.args)):
        raise BenchError(f"{part.name}: {part.target} needs the argument {', '.join(missing)}")


def load_model(model: type[Any], part: Part, site: Site) -> Segmenter:
    """The model, its files found, fetched and checked before anything is loaded."""
    model.pin(part.args, site)
    segmenter: Segmenter = model(**part.args, site=site)
    return segmenter
