"""What a model or a dataset is called in tables: the title of its YAML, if that is its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml


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


def _named(folder: Path, title: str) -> list[str]:
    """The names of the folder's components that bear the title."""
    found = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            text = path.read_text(encoding="utf-8")
            plain = yaml.safe_load(text) if title in text else None
        except (OSError, ValueError, yaml.YAMLError, RecursionError):
            continue  # whoever composes it says what is wrong with it
        about = plain.get("about") if isinstance(plain, dict) else None
        if isinstance(plain, dict) and isinstance(about, dict) and about.get("title") == title:
            found.append(str(plain.get("name", path.stem)))
    return found
