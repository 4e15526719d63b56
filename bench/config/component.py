"""The exchangeable pieces of a run: what a YAML says of one, and the class that it names."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from bench.config.about import fault_of_about
from bench.config.hints import fits, hints_of, said
from bench.files.names import fault_of_name
from bench.types import BenchError
from bench.types.errors import did_you_mean, told


@dataclass
class Component:
    """One exchangeable piece: a class, its constructor's arguments, and words for people.

    What is ``???`` must be set. ``version`` is raised whenever a correction changes numbers.
    ``about`` never changes one. Raises ``BenchError`` for a name that isn't bare, since whoever has
    a component may make files that are named by it, and for an ``about`` of other shapes than those
    that are shown.
    """

    name: str = "???"
    version: str = "???"
    target: str = "???"
    args: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if fault := fault_of_name(str(self.name)):
            raise BenchError(
                f"a component's name {str(self.name)!r} {fault}: expected a bare name, which "
                "becomes part of file names"
            )
        if fault := fault_of_about(self.about):
            raise BenchError(f"{self.name}: {fault}")


def load_class(
    component: Component,
    room: ModuleType,
    allow_modules: Sequence[str] = (),
    contract: type[Any] | None = None,
) -> type[Any]:
    """The class that a component names, its arguments checked against the constructor's.

    Only a class that is written in ``room``, a package or module of the bench, or found in an
    allowed module is loaded, so that a file from a stranger calls nothing else. Nothing is
    imported before that is sure. ``allow_modules`` must come from the user's own words, never from
    a file. A class of a room that has moved is found by its old address too.

    Raises ``BenchError`` for another module, one that fails as it is imported, a name that isn't
    a class, a class without the methods of the ``contract``, unknown, missing or unset (``???``)
    arguments, and arguments of another type than the constructor's annotations say.
    """
    module_name, _, class_name = address(str(component.target), room).rpartition(".")
    users = _within(module_name, allow_modules)
    if not users and not _within(module_name, [room.__name__]):
        raise BenchError(
            f"{component.name}: target {component.target!r} lies outside the allowed modules "
            f"({', '.join((room.__name__, *allow_modules))}); if it is yours, allow it on the "
            f"command line: runtime.allow_modules=[{module_name}], or --allow-module {module_name}"
        )
    looked = "" if component.target == f"{module_name}.{class_name}" else f" in {module_name}"
    missing = f"{component.name}: no class {component.target!r}{looked}"
    module = load_module(module_name, missing)
    if (target := getattr(module, class_name, None)) is None:
        raise BenchError(f"{missing} (module {module_name!r} has no {class_name!r})")
    if not inspect.isclass(target):
        raise BenchError(f"{component.name}: target {component.target!r} is not a class")
    if not users and not _within(target.__module__, [room.__name__]):
        raise BenchError(
            f"{component.name}: target {component.target!r} is written in {target.__module__}, "
            f"expected in {room.__name__}"
        )
    if contract is not None:
        check_keeps(target, contract, component.name)
    with suppress(ValueError):  # a class written in C may have no signature to check
        _check_args(component, inspect.signature(target).parameters, hints_of(target))
    found: type[Any] = target
    return found


def load_module(name: str, missing: str) -> ModuleType:
    """The module of that name, which the user has allowed or the bench has.

    Raises ``BenchError``: ``missing`` and why where it isn't there, what went wrong where it fails
    or ends the program as it is imported.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise BenchError(f"{missing} ({name!r} is no module's name)")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BenchError(f"{missing} ({' '.join(str(error).split())})") from error
    except (Exception, SystemExit) as error:
        raise BenchError(f"module {name!r} fails as it is imported: {told(error)}") from error


def check_modules(names: Sequence[str], setting: str) -> None:
    """Raises ``BenchError`` for a name among those allowed by ``setting`` that no module has."""
    for name in names:
        try:
            known = all(map(str.isidentifier, name.split("."))) and find_spec(name) is not None
        except ValueError:  # a module that was made by hand, such as __main__
            known = name in sys.modules
        except ImportError:
            known = False
        except (Exception, SystemExit) as error:  # the packages that it lies in are imported
            raise BenchError(f"module {name!r} fails as it is imported: {told(error)}") from error
        if not known:
            raise BenchError(
                f"{setting}: no module is called {name!r}; install it, or put its folder on "
                "PYTHONPATH"
            )


def check_keeps(thing: object, contract: type[Any], name: str) -> None:
    """Raises ``BenchError`` unless a thing, or a class by itself, has what the contract names."""
    owed = {
        member
        for member, value in {**contract.__annotations__, **vars(contract)}.items()
        if not member.startswith("_")
        and not (inspect.isclass(thing) and isinstance(value, property))
    }
    if lacking := sorted(member for member in owed if not hasattr(thing, member)):
        kind = thing if inspect.isclass(thing) else type(thing)
        raise BenchError(
            f"{name}: {kind.__module__}.{kind.__name__} has no {', '.join(lacking)}, as a "
            f"{contract.__name__} has"
        )


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
        hint = did_you_mean(unknown[0], takes)
        if not hint.startswith("did"):
            hint = f"{component.target} takes {', '.join(sorted(takes)) or 'none'}"
        raise BenchError(f"{component.name}: unknown argument {', '.join(unknown)}; {hint}")
    if missing := sorted(needs - set(component.args)):
        raise BenchError(
            f"{component.name}: {component.target} needs the argument {', '.join(missing)}"
        )
    for name, value in component.args.items():
        if name in hints and not fits(value, hints[name]):
            raise BenchError(
                f"{component.name}: the argument {name} must be {said(hints[name])}, "
                f"found {repr(value)[:60]}"
            )
