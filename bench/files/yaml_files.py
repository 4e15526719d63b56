"""A folder of YAMLs from anyone, looked over before it is composed.

YAML can name itself (``&a`` and ``*a``), so that a kilobyte unfolds into gigabytes, and OmegaConf's
``${…:…}`` calls functions, among them some that read the environment. A configuration needs
neither, so neither is composed. Nothing here knows what the keys mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from bench.types import BenchError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""What reads plain YAML: libyaml, some ten times as fast, where PyYAML was built with it."""

LARGEST = 1 << 20
"""The most bytes of a YAML."""

MOST_NODES = 100_000
"""The most values of a YAML once what it names twice is written out."""


def check_yamls(folder: Path) -> None:
    """Looks over every YAML of the folder's own groups; raises ``BenchError`` naming the file."""
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*/**/*.yaml")]):
        check_yaml(path)


def check_yaml(path: Path) -> None:
    """Raises ``BenchError`` for a YAML that is too large, unfolds too far, or calls a resolver."""
    try:
        written = path.read_bytes()
        if len(written) > LARGEST:
            raise ValueError(f"{len(written)} bytes, at most {LARGEST} are read")
        root = yaml.compose(written.decode("utf-8"), Loader=LOADER)
        if root is not None:
            _count(root, {}, set())
            for node in _scalars(root, set()):
                if _calls(node.value):
                    raise ValueError(
                        f"line {node.start_mark.line + 1}: {node.value[:60]!r} calls a resolver, "
                        "which only the command line may; write the value itself"
                    )
    except RecursionError:
        raise BenchError(f"{path}: it is nested too deeply") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        said = " ".join(str(error).split()).replace(' in "<unicode string>",', " at")
        raise BenchError(f"configuration: {path}: {said}") from error


def refuse_calls(composed: object, words: Sequence[str]) -> None:
    """Raises ``BenchError`` for a resolver anywhere in a composed configuration, not yet resolved.

    Wherever it was read from: a YAML may name others. ``words`` are the command line's, which may.
    """
    if isinstance(composed, Mapping):
        for value in composed.values():
            refuse_calls(value, words)
    elif isinstance(composed, list):
        for value in composed:
            refuse_calls(value, words)
    elif isinstance(composed, str) and _calls(composed) and not any(composed in w for w in words):
        raise BenchError(
            f"configuration: {composed[:60]!r} calls a resolver, which only the command line may; "
            "write the value itself"
        )


def _count(node: yaml.Node, known: dict[int, int], above: set[int]) -> int:
    """How many values a node unfolds into; raises ``ValueError`` for too many, or for no end."""
    if id(node) in above:
        raise ValueError("an anchor lies inside itself")
    if id(node) not in known:
        above.add(id(node))
        total = 1 + sum(_count(child, known, above) for child in _children(node))
        above.discard(id(node))
        if total > MOST_NODES:
            raise ValueError(f"it unfolds into more than {MOST_NODES} values")
        known[id(node)] = total
    return known[id(node)]


def _scalars(node: yaml.Node, seen: set[int]) -> Iterator[yaml.ScalarNode]:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        yield node
    for child in _children(node):
        yield from _scalars(child, seen)


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair


def _calls(text: str) -> bool:
    """Whether a text holds an interpolation with a colon in it, which is a resolver's.

    >>> _calls("${oc.env:HOME}"), _calls("${oc.${x}:HOME}"), _calls("a: ${model.name}")
    (True, True, False)
    """
    begin = text.find("${")
    while begin >= 0:
        depth, place = 0, begin
        while place < len(text):
            if text.startswith("${", place):
                depth, place = depth + 1, place + 1
            elif text[place] == "}":
                depth -= 1
                if depth == 0:
                    break
            elif text[place] == ":":
                return True
            place += 1
        begin = text.find("${", begin + 2)
    return False
