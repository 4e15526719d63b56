"""Files of a repository put into a folder: those of an earlier time are replaced, no other."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bench.files.places import forget_leftovers, write_aside
from bench.files.text import escaped
from bench.files.there import make_folder
from bench.types import BenchError
from bench.types.errors import disk_complaint


def put_files(out: Path, files: Mapping[str, bytes], own: Sequence[str]) -> None:
    """Writes files by their paths below ``out``, each whole or not at all.

    ``own`` are globs of what this writes: files that fit one and are not written now are an
    earlier time's, and go. Raises ``BenchError`` where something can't be written.
    """
    for name, content in files.items():
        path = out / name
        make_folder(path.parent)
        forget_leftovers(path)
        write_aside(path, content)
    kept = {out / name for name in files}
    for glob in own:
        for path in out.glob(glob):
            if path not in kept and path.is_file():
                try:
                    path.unlink()
                except OSError as error:
                    raise BenchError(disk_complaint(error)) from error


def slug(text: str) -> str:
    """A name from anybody's file as a part of a path: letters, digits, ``_`` and ``-``.

    >>> slug("../points (3), sam")
    'points-3-sam'
    """
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:120] or "unnamed"


def yaml_text(value: Any) -> str:
    """A plain value as YAML, keys in their order, texts as they are."""
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10_000)
    return text


def json_text(value: Any) -> str:
    """A plain value as JSON in one line, keys sorted."""
    return escaped(json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False))
