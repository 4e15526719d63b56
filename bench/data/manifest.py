"""A manifest: which images of a dataset a number is made on, in a file to publish and use again.

::

    {
     "manifest": 1,
     "dataset": "bbbc038",
     "version": "1",
     "fingerprint": "0f6a…",          of these images, null to take any data
     "rule": "whole images in random order (seed 0) until 10000 masks, …",
     "images": 227,
     "masks": 10042,
     "mask_counts": {
      "00ae65c1…": 17,                an image's id and its masks
      …
     }
    }
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.files.documents import parse_json
from bench.files.places import forget_leftovers, write_aside
from bench.files.text import escaped
from bench.types import BenchError
from bench.types.errors import disk_fault

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """The images chosen of a dataset, id → number of masks, and how they were chosen.

    ``fingerprint`` is the reader's, of these images; none where any data will do. ``masks`` are
    the targets that are no crowd. ``rule`` is for people.
    """

    dataset: str
    version: str
    mask_counts: Mapping[str, int]
    fingerprint: str | None = None
    rule: str = ""
    masks: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "masks", sum(self.mask_counts.values()))

    def sha256(self) -> str:
        """A hash of which images it names, in any order: 64 hex digits.

        It stands for the manifest in a run's key. Where the file lies, how it is written and what
        else it says doesn't enter.

        >>> a, b = ({"x": 1, "y": 2}, {"y": 5, "x": 1})
        >>> Manifest("d", "1", a).sha256() == Manifest("d", "1", b).sha256()
        True
        """
        ids = json.dumps(sorted(self.mask_counts), ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(ids.encode()).hexdigest()

    def to_json(self) -> str:
        """The file's text, a line per image."""
        content = {
            "manifest": FORMAT,
            "dataset": self.dataset,
            "version": self.version,
            "fingerprint": self.fingerprint,
            "rule": self.rule,
            "images": len(self.mask_counts),
            "masks": self.masks,
            "mask_counts": dict(self.mask_counts),
        }
        return escaped(json.dumps(content, indent=1, ensure_ascii=False)) + "\n"


def save_manifest(manifest: Manifest, path: Path) -> None:
    """Writes the file in one move, its folder made; raises ``BenchError`` where it can't."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"{path}: the manifest can't be written: {disk_fault(error)}") from error
    forget_leftovers(path)
    write_aside(path, manifest.to_json().encode())


def load_manifest(path: Path) -> Manifest:
    """What the file says; raises ``BenchError`` where it is missing or no manifest."""
    try:
        content = parse_json(path.read_bytes())
    except FileNotFoundError:
        raise BenchError(f"{path}: no such manifest") from None
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: not a readable manifest: {error}") from error
    if not isinstance(content, dict) or content.get("manifest") != FORMAT:
        raise BenchError(
            f'{path}: a manifest is a JSON object with "manifest": {FORMAT}; '
            "`sam-bench check dataset=NAME --manifest FILE` writes one"
        )
    counts = content.get("mask_counts")
    if not isinstance(counts, dict) or not counts or not all(map(_is_count, counts.values())):
        raise BenchError(f"{path}: 'mask_counts' must give each image's number of masks by its id")
    for key in ("dataset", "version"):
        if not isinstance(content.get(key), str):
            raise BenchError(f"{path}: {key!r} must be a text, found {content.get(key)!r}")
    fingerprint = content.get("fingerprint")
    if fingerprint is not None and not isinstance(fingerprint, str):
        raise BenchError(f"{path}: 'fingerprint' must be a text or null, found {fingerprint!r}")
    rule = str(content.get("rule") or "")
    found = Manifest(content["dataset"], content["version"], counts, fingerprint, rule)
    for key, number in (("images", len(counts)), ("masks", found.masks)):
        if content.get(key, number) != number:
            raise BenchError(
                f"{path}: 'mask_counts' gives {number} {key}, {key!r} says {content[key]!r}: "
                "a part of the file is missing"
            )
    return found


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
