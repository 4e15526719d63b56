"""The exchangeable pieces of a run: what a YAML says of one, and the class that it names."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bench.config.hints import fits, hints_of, said
from bench.types import BenchError, Segmenter, Site

ROOMS: Mapping[str, str] = {
    "model": "bench.models",
    "dataset": "bench.data.readers",
    "prompt": "bench.prompts",
    "protocol": "bench.protocol",
    "runtime": "bench.run.runtime",
}
"""Where each group's classes are: a YAML or a run's header can name no other of the bench."""

MOVED: Mapping[str, str] = {
    "bench.readers": "bench.data.readers",
    "bench.runtime": "bench.run.runtime",
}
"""Rooms that have moved, old → new: what earlier runs' headers and users' YAMLs name."""


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


def load_class(
    part: Part, allow_modules: Sequence[str] = (), group: str | None = None
) -> type[Any]:
    """The class that a part names, its arguments checked against the constructor's.

    ``group`` is one of ``ROOMS``, such as ``model``: only classes that are written
    in its room (``ROOMS``; in any of them without a group) or found in an allowed module are
    loaded, so that a file from a stranger calls nothing else. Nothing is imported before that is
    sure. ``allow_modules`` must come from the user's own words, never from a file.

    A class of the bench that has moved is found by its old address too (``MOVED``).
    Raises ``BenchError`` for another module, a name that isn't a class, unknown, missing or unset
    (``???``) arguments, and arguments of another type than the constructor's annotations say.
    """
    module_name, _, class_name = address(str(part.target)).rpartition(".")
    rooms = [ROOMS[group]] if group else sorted(ROOMS.values())
    users = _within(module_name, allow_modules)
    if not users and not _within(module_name, rooms):
        raise BenchError(
            f"{part.name}: target {part.target!r} lies outside the allowed modules "
            f"({', '.join((*rooms, *allow_modules))}); if it is yours, allow it on the command "
            f"line: runtime.allow_modules=[{module_name}], or --allow-module {module_name}"
        )
    try:
        target = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        looked = "" if part.target == f"{module_name}.{class_name}" else f" in {module_name}"
        raise BenchError(f"{part.name}: no class {part.target!r}{looked} ({error})") from error
    if not inspect.isclass(target):
        raise BenchError(f"{part.name}: target {part.target!r} is not a class")
    if not users and not _within(target.__module__, rooms):
        raise BenchError(
            f"{part.name}: target {part.target!r} is written in {target.__module__}, "
            f"expected in {' or '.join(rooms)}"
        )
    with suppress(ValueError):  # a class written in C may have no signature to check
        _check_args(part, inspect.signature(target).parameters, hints_of(target))
    found: type[Any] = target
    return found


def address(target: str) -> str:
    """Where a class is now, whichever release's address it is named by.

    >>> address("bench.readers.coco.Coco")
    'bench.data.readers.coco.Coco'
    """
    for old, new in MOVED.items():
        if _within(target, [old]):
            return new + target.removeprefix(old)
    return target


def _within(module: str, roots: Sequence[str]) -> bool:
    return any(module == root or module.startswith(f"{root}.") for root in roots)


def _check_args(
    part: Part, parameters: Mapping[str, inspect.Parameter], hints: Mapping[str, Any]
) -> None:
    takes = {n for n, p in parameters.items() if n not in ("site", "protocol")}
    needs = {n for n in takes if parameters[n].default is inspect.Parameter.empty}
    if unknown := sorted(set(map(str, part.args)) - takes):
        raise BenchError(
            f"{part.name}: unknown argument {', '.join(unknown)}; "
            f"{part.target} takes {', '.join(sorted(takes)) or 'none'}"
        )
    if missing := sorted(needs - set(part.args)):
        raise BenchError(f"{part.name}: {part.target} needs the argument {', '.join(missing)}")
    for name, value in part.args.items():
        if name in hints and not fits(value, hints[name]):
            raise BenchError(
                f"{part.name}: the argument {name} must be {said(hints[name])}, "
                f"found {str(value)[:60]!r}"
            )


def load_model(model: type[Any], part: Part, site: Site) -> Segmenter:
    """The model, its files found, fetched and checked before anything is loaded."""
    model.pin(part.args, site)
    segmenter: Segmenter = model(**part.args, site=site)
    return segmenter
