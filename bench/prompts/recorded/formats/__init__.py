"""The formats that recorded prompts are read from: each module a format, its name the user's word.

A module has ``claims(source)``, whether a file or folder looks like it, and ``read(source)``, the
entries in it. To add a format is to add a module.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from types import ModuleType

from bench.prompts.recorded.entry import Entry
from bench.prompts.recorded.source import Source, named
from bench.types import BenchError
from bench.types.errors import did_you_mean


def formats() -> list[str]:
    """The names of the formats, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def read_entries(source: Source, kind: str | None = None) -> Sequence[Entry]:
    """What a source holds; the format is told by its looks, unless ``kind`` names it.

    Raises ``BenchError`` for an unknown format, a source that none or several fit, and a damaged
    one.
    """
    if kind is not None and kind not in formats():
        raise BenchError(f"no format of recorded prompts is called {kind!r}; "
                         f"{did_you_mean(kind, formats())}")  # fmt: skip
    names = [kind] if kind is not None else _claimed(source)
    if len(names) != 1:
        looks = f"its columns are {named(source.columns)}" if source.columns else (
            f"its files are {named([path.name for path in source.files])}"
        )  # fmt: skip
        which = " or ".join(names) or "no known format"
        raise BenchError(
            f"{source.path}: {which}; {looks}. Name one: format={'|'.join(formats())}; a table has "
            "image or mask, step, x, y and label, or x0, y0, x1 and y1"
        )
    entries: Sequence[Entry] = _module(names[0]).read(source)
    if not entries:
        raise BenchError(f"{source.path}: no prompt is in it (read as {names[0]})")
    return entries


def _claimed(source: Source) -> list[str]:
    return [name for name in formats() if _module(name).claims(source)]


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
