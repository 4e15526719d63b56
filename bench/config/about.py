"""What a component's YAML says of itself under ``about``: that it has the shapes that are shown."""

from __future__ import annotations

from collections.abc import Mapping

_TEXTS = frozenset(
    {
        "title",
        "heading",
        "what",
        "split",
        "licence",
        "gate",
        "citation",
        "homepage",
        "size",
        "pipeline",
    }
)
_OBJECTS = {
    "expected": "images: 670", "paper": "images: 670",
    "choices": "threshold: why", "where": "threshold: section 7",
}  # fmt: skip
"""What is a mapping, with an example."""

_DIFFERS = ("where", "what", "worth")


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
        if key in _OBJECTS and not isinstance(value, Mapping):
            return f"about.{key} must be a mapping, such as {_OBJECTS[key]}, found {value!r:.60}"
        if key == "differs" and not _are_differences(value):
            return f"about.differs must be a list of {{where, what, worth}}, found {value!r:.60}"
    return ""


def _are_differences(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, Mapping) and all(name in each for name in _DIFFERS) for each in value
    )
