"""Scribbles as label pictures: ``<image>-anno.png``, as geodesic star convexity distributes them.

Gulshan et al. (CVPR 2010) drew them for GrabCut, Berkeley, VOC and others: 1 is foreground, 2 is
background, 0 neither. A file or a folder of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from bench.data.formats.pictures import read_labels
from bench.prompts.recorded.entry import Entry
from bench.prompts.recorded.source import Source
from bench.types import BoolArray, Prompt, ScribbleCue
from bench.types.scribbles import traced

_END = "-anno.png"


def claims(source: Source) -> bool:
    """Whether it is or holds a picture of that name."""
    return bool(source.ending(_END))


def read(source: Source) -> Sequence[Entry]:
    """An entry per picture, for the one mask of its image."""
    return [
        Entry(
            where=path.name,
            step=1,
            kinds=frozenset({"scribble"}),
            prompt=partial(_scribble, path),
            image=path.name[: -len(_END)],
            loose=True,
        )
        for path in source.ending(_END)
    ]


def _scribble(path: Path, height: int, width: int) -> Prompt:
    labels = read_labels(path)
    if other := sorted(set(np.unique(labels).tolist()) - {0, 1, 2}):
        raise ValueError(f"its values are 0, 1 (foreground) and 2 (background), found {other[0]}")
    return scribble_of(labels == 1, labels == 2, height, width)


def scribble_of(wanted: BoolArray, unwanted: BoolArray, height: int, width: int) -> Prompt:
    """A scribble through the pixels of two regions, (h, w) bool; ``ValueError`` where none is."""
    if wanted.shape != (height, width):
        h, w = wanted.shape
        raise ValueError(f"the scribble is {h}×{w} (H×W), its picture {height}×{width}")
    strokes = traced(wanted, 1) + traced(unwanted, 0)
    if not strokes:
        raise ValueError("nothing is drawn in it")
    return Prompt(cues=[ScribbleCue(strokes)])
