"""The exchangeable pieces of a run: what a YAML says of one, and the class that it names."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from bench.config.hints import fits, hints_of, said
from bench.types import BenchError
from bench.types.errors import said_of


@dataclass
class Component:
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
    component: Component, room: ModuleType, allow_modules: Sequence[str] = ()
) -> type[Any]:
    """The class that a component names, its arguments checked against the constructor's.

    Only a class that is written in ``room``, a package or module of the bench, or found in an
    allowed module is loaded, so that a file from a stranger calls nothing else. Nothing is
    imported before that is sure. ``allow_modules`` must come from the user's own words, never from
    a file. A class of a room that has moved is found by its old address too.

    Raises ``BenchError`` for another module, a name that isn't a class, unknown, missing or unset
    (``???``) arguments, and arguments of another type than the constructor's annotations say.
    """
    module_name, _, class_name = address(str(component.target), room).rpartition(".")
    users = _within(module_name, allow_modules)
    if not users and not _within(module_name, [room.__name__]):
        raise BenchError(
            f"{component.name}: target {component.target!r} lies outside the allowed modules "
            f"({', '.join((room.__name__, *allow_modules))}); if it is yours, allow it on the "
            f"command line: runtime.allow_modules=[{module_name}], or --allow-module {module_name}"
        )
    try:
        target = getattr(importlib.import_module(module_name), class_name)
    except (Exception, SystemExit) as error:  # whatever a user's module does when it is imported
        looked = "" if component.target == f"{module_name}.{class_name}" else f" in {module_name}"
        raise BenchError(
            f"{component.name}: no class {component.target!r}{looked} ({said_of(error)})"
        ) from error
    if not inspect.isclass(target):
        raise BenchError(f"{component.name}: target {component.target!r} is not a class")
    if not users and not _within(target.__module__, [room.__name__]):
        raise BenchError(
            f"{component.name}: target {component.target!r} is written in {target.__module__}, "
            f"expected in {room.__name__}"
        )
    with suppress(ValueError):  # a class written in C may have no signature to check
        _check_args(component, inspect.signature(target).parameters, hints_of(target))
    found: type[Any] = target
    return found


def address(target: str, room: ModuleType) -> str:
    """Where a class of the room is now, whichever release's address it is named by.

    A room that has moved says where it was: ``FORMERLY``, such as ``bench.readers``.
    """
    old = getattr(room, "FORMERLY", None)
    if old is not None and _within(target, [old]):
        return room.__name__ + target.removeprefix(old)
    return target


def _within(module: str, roots: Sequence[str]) -> bool:
    return any(module == root or module.startswith(f"{root}.") for root in roots)


def _check_args(
    component: Component, parameters: Mapping[str, inspect.Parameter], hints: Mapping[str, Any]
) -> None:
    takes = {n for n, p in parameters.items() if n not in ("site", "protocol")}
    needs = {n for n in takes if parameters[n].default is inspect.Parameter.empty}
    if unknown := sorted(set(map(str, component.args)) - takes):
        raise BenchError(
            f"{component.name}: unknown argument {', '.join(unknown)}; "
            f"{component.target} takes {', '.join(sorted(takes)) or 'none'}"
        )
    if missing := sorted(needs - set(component.args)):
        raise BenchError(
            f"{component.name}: {component.target} needs the argument {', '.join(missing)}"
        )
    for name, value in component.args.items():
        if name in hints and not fits(value, hints[name]):
            raise BenchError(
                f"{component.name}: the argument {name} must be {said(hints[name])}, "
                f"found {str(value)[:60]!r}"
            )
