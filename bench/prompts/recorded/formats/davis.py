"""DAVIS' scribbles: ``Scribbles/<sequence>/<number>.json``, of the interactive challenge.

``{"sequence": …, "scribbles": [[{"path": [[x, y], …], "object_id": …}, …], …]}``, a list per
frame. Places are shares of the picture: times W - 1 and H - 1, rounded down, as
``davisinteractive.utils.scribbles`` has it. What is drawn on another object, or on object 0, is
background to an object; each file of a sequence is a person's, and ``pick`` chooses one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.prompts.recorded.entry import Entry
from bench.prompts.recorded.source import Source
from bench.types import BenchError, Prompt, ScribbleCue, Stroke


def claims(source: Source) -> bool:
    """Whether its first JSON file has scribbles."""
    files = source.ending(".json")
    if not files:
        return False
    content = source.json(files[0])
    return isinstance(content, dict) and "scribbles" in content


def read(source: Source) -> Sequence[Entry]:
    """An entry per person, annotated frame and object: "<sequence>/<frame>/<object>"."""
    return [entry for path in source.ending(".json") for entry in _of_file(source, path)]


def _of_file(source: Source, path: Path) -> list[Entry]:
    content = source.json(path)
    frames = content.get("scribbles") if isinstance(content, dict) else None
    sequence = content.get("sequence") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not isinstance(sequence, str):
        raise BenchError(f"{path}: DAVIS' scribbles have a list 'scribbles' and a 'sequence'")
    entries = []
    for number, paths in enumerate(frames):
        try:
            strokes = [(int(each["object_id"]), _shares(each)) for each in paths]
        except (KeyError, TypeError, ValueError) as error:
            raise BenchError(
                f"{path}: frame {number}: a scribble has a 'path' of [x, y] in [0, 1] and an "
                f"'object_id' ({' '.join(str(error).split())})"
            ) from None
        image = f"{sequence}/{number:05d}"
        entries += [
            Entry(
                where=f"{path.name}, frame {number}",
                step=1,
                kinds=frozenset({"scribble"}),
                prompt=partial(_scribble, strokes, thing),
                image=image,
                mask=f"{image}/{thing}",
                loose=True,
                by=path.name,
            )
            for thing in sorted({one for one, _ in strokes} - {0})
        ]
    return entries


def _shares(scribble: Mapping[str, Any]) -> list[tuple[float, float]]:
    shares = np.array(scribble["path"], dtype=np.float64)
    if shares.ndim != 2 or shares.shape[1] != 2 or not len(shares):
        raise ValueError(f"a path of shape {shares.shape}")
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError("a place outside of the picture")
    return [(float(x), float(y)) for x, y in shares]


def _scribble(
    strokes: Sequence[tuple[int, Sequence[tuple[float, float]]]],
    thing: int,
    height: int,
    width: int,
) -> Prompt:
    found = []
    for owner, shares in strokes:
        places = np.floor(np.array(shares) * (width - 1, height - 1))
        points = tuple((float(x), float(y)) for x, y in places)
        found.append(Stroke(points, int(owner == thing)))
    return Prompt(cues=[ScribbleCue(tuple(found))])
