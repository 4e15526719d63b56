"""What a component's YAML says of itself under ``about``: that it has the shapes that are shown."""

from __future__ import annotations

from collections.abc import Mapping

_TEXTS = frozenset({"title", "what", "split", "licence", "gate", "citation", "homepage", "size"})
_COUNTS = frozenset({"expected", "paper"})


def fault_of_about(about: object) -> str:
    """What is wrong with it, with what is expected; empty where nothing is.

    >>> fault_of_about({"title": "Nuclei", "expected": {"images": 3}})
    ''
    >>> fault_of_about({"expected": 3})
    'about.expected must be a mapping, such as images: 670, found 3'
    """
    if not isinstance(about, Mapping):
        return f"about must be a mapping, such as title: My cells, found {about!r:.60}"
    for key, value in about.items():
        if value is None:
            continue
        if key in _TEXTS and isinstance(value, Mapping | list):
            return f"about.{key} must be a text, found {value!r:.60}"
        if key in _COUNTS and not isinstance(value, Mapping):
            return f"about.{key} must be a mapping, such as images: 670, found {value!r:.60}"
    return ""
