"""Whether a value from a file is what a constructor's annotation asks for."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def hints_of(target: type[Any]) -> dict[str, Any]:
    """The constructor's annotations by name; those that can't be looked up are left out."""
    try:
        return get_type_hints(target.__init__)
    except (NameError, TypeError, AttributeError):
        return {}


def fits(value: object, hint: Any) -> bool:
    """Whether a value fits an annotation, as far as numbers, texts, lists and mappings go.

    A whole number fits ``float`` and no truth value fits a number. What it doesn't know fits.

    >>> fits(3, float), fits(True, int), fits([1, 2], Sequence[int]), fits("3", int | None)
    (True, False, True, False)
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in inner)
    if origin is Literal:
        return any(value == each and type(value) is type(each) for each in inner)
    if hint is None or hint is type(None):
        return value is None
    if hint in (int, float):
        allowed = (int,) if hint is int else (int, float)
        return isinstance(value, allowed) and not isinstance(value, bool)
    if hint in (str, bool):
        return isinstance(value, hint)
    if hint is Path:
        return isinstance(value, str | Path)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, item = inner or (Any, Any)
        return isinstance(value, Mapping) and all(
            fits(k, key) and fits(v, item) for k, v in value.items()
        )
    if isinstance(origin, type) and issubclass(origin, Sequence) and origin is not tuple:
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            return False
        return not inner or all(fits(each, inner[0]) for each in value)
    return True


def said(hint: Any) -> str:
    """An annotation as a reader of an error wants to see it."""
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(repr, get_args(hint)))}"
    if isinstance(hint, type) and get_origin(hint) is None:
        return hint.__name__
    return str(hint).replace("typing.", "").replace("collections.abc.", "")
