"""What a run's header may hold: looked over when it is read, for it may come from anyone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from bench.files.documents import deeper_than

Check: TypeAlias = Callable[[Any], bool]

LONGEST = 10_000
"""The most characters of a name or an id."""

DEEPEST = 50
"""In how many objects and lists a value may lie."""


def check_header(header: object) -> dict[str, Any]:
    """The header, when each key that it has is of the right kind; keys may be missing.

    Texts, counts and parts are checked, not whether they are true. Keys that this release doesn't
    know are let through. Raises ``ValueError`` naming the key, what is expected and what is there.
    """
    if not isinstance(header, dict):
        raise ValueError(f"expected a JSON object, found {type(header).__name__}")
    if deeper_than(header, DEEPEST):
        raise ValueError("it is nested too deeply")
    for key, value in header.items():
        expected, right = _KINDS.get(key, ("anything", _anything))
        if not right(value):
            raise ValueError(f"{key!r} must be {expected}, found {repr(value)[:60]}")
    return header


def _anything(value: object) -> bool:
    return True


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _seconds(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return 0 <= value < 1e12  # false for NaN too


def _mapping_of(right: Check) -> Check:
    def check(value: object) -> bool:
        return isinstance(value, Mapping) and all(right(each) for each in value.values())

    return check


def _step(value: str) -> bool:
    return value.isascii() and value.isdigit() and 0 < len(value) < 6 and int(value) > 0


def _said(value: object) -> bool:
    """What a step was: words in headers of schema versions 1 and 2, else its typed form."""
    if isinstance(value, Mapping):
        name = value.get("name")
        counted = _count(value.get("points")) and isinstance(value.get("box"), bool)
        return counted and (name is None or _text(name))
    return _text(value)


def _steps(value: object) -> bool:
    return isinstance(value, Mapping) and all(_step(k) and _said(v) for k, v in value.items())


def _measure(value: object) -> bool:
    texts = ("name", "mean", "title", "unit", "better", "definition", "address", "version")
    if not isinstance(value, Mapping) or not all(_text(value.get(t, "")) for t in texts):
        return False
    named = all(str(value.get(key, "")).isidentifier() for key in ("name", "mean"))
    titled = bool(str(value.get("title", "")).strip())
    return named and titled and _count(value.get("digits", 1))


_PART: Mapping[str, Check] = {
    "name": _text,
    "version": lambda value: _text(value) or _count(value),
    "target": _text,
    "args": lambda value: isinstance(value, Mapping),
    "about": lambda value: isinstance(value, Mapping),
}


def _part(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        key in _PART and _PART[key](each) for key, each in value.items()
    )


_LATEST: Mapping[str, Check] = {
    **dict.fromkeys(("images", "answers", "workers"), _count),
    "seconds": _mapping_of(_seconds),
    "memory": lambda value: (
        isinstance(value, Mapping) and all(each is None or _count(each) for each in value.values())
    ),
    "place": lambda value: isinstance(value, Mapping),
}


def _latest(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        key in _LATEST and _LATEST[key](each) for key, each in value.items()
    )


_A_PART = ("a component: name, version, target, args, about", _part)
_A_COUNT = ("a whole number from 0", _count)
_A_TEXT = ("a text", _text)
_FACTS = ("an object", _mapping_of(_anything))

_KINDS: Mapping[str, tuple[str, Check]] = {
    **dict.fromkeys(("model", "dataset", "prompt", "protocol"), _A_PART),
    **dict.fromkeys(("images", "images_done", "images_failed", "masks"), _A_COUNT),
    **dict.fromkeys(("name", "key", "status"), _A_TEXT),
    "task": ("a text, or a component", lambda value: _text(value) or _part(value)),
    "measures": (
        "a list of measures, the first of which leads",
        lambda value: isinstance(value, list) and bool(value) and all(map(_measure, value)),
    ),
    "metrics": ("an object of measures", _mapping_of(_measure)),
    **dict.fromkeys(("facts", "versions", "git", "machine"), _FACTS),
    "report_steps": ("an object of steps from 1 and their labels", _steps),
    "skipped": ("an object of counts", _mapping_of(_count)),
    "latest": ("what the latest command did", _latest),
    "seconds": ("an object of seconds", _mapping_of(_seconds)),
    "notes": (
        "a list of sentences",
        lambda value: value is None or (isinstance(value, list) and all(map(_text, value))),
    ),
    "dataset_fingerprint": ("a text", lambda value: value is None or _text(value)),
}
