"""What a model or a dataset is called in tables: the title of its YAML, if that is its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bench.files.yaml_files import LOADER


def shown_label(name: str, about: Mapping[str, Any], folders: Sequence[Path]) -> str:
    """The title, but the name where there is none or where the title is another component's.

    ``folders`` hold the YAMLs of its group. A component that was made from one of these under a
    name of its own (``model=sam_vit_b model.name=mine``) keeps what the YAML says of itself, its
    title too; that is still the YAML's title, and a name that a user gave is the label.
    """
    title = about.get("title")
    if not isinstance(title, str) or not title:
        return name
    owners = {owner for folder in folders for owner in _named(folder, title)}
    return title if name in owners or not owners else name


def distinct(choices: Sequence[Sequence[str]]) -> list[str]:
    """A label for each, no two alike: of its choices the first that no other one has.

    >>> distinct([("Mine", "a"), ("Mine", "b"), ("Yours", "c")])
    ['a', 'b', 'Yours']
    >>> distinct([("Mine", "a"), ("Mine", "b"), ("a", "c")])
    ['a', 'b', 'c']
    """
    chosen = [0] * len(choices)
    while True:
        labels = [each[at] for each, at in zip(choices, chosen, strict=True)]
        count = Counter(labels)
        free = [
            (label, at)
            for each, at, label in zip(choices, chosen, labels, strict=True)
            if count[label] > 1 and at + 1 < len(each)
        ]
        if not free:
            return labels
        # A name stays where it is another's title.
        first = {label: min(at for other, at in free if other == label) for label, _ in free}
        chosen = [
            at + (at == first.get(label) and at + 1 < len(each))
            for each, at, label in zip(choices, chosen, labels, strict=True)
        ]


def _named(folder: Path, title: str) -> list[str]:
    """The names of the folder's components that bear the title."""
    found = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            text = path.read_text(encoding="utf-8")
            plain = yaml.load(text, Loader=LOADER) if title in text else None
        except (OSError, ValueError, yaml.YAMLError, RecursionError):
            continue  # whoever composes it says what is wrong with it
        about = plain.get("about") if isinstance(plain, dict) else None
        if isinstance(plain, dict) and isinstance(about, dict) and about.get("title") == title:
            found.append(str(plain.get("name", path.stem)))
    return found
