"""Masks that another tool predicted, read from its files: one module per format.

A module has ``read(path, image_ids, threshold, categories) -> Mapping[str, Sequence[Given]]``: what
was given for each image. To add a format is to add a module.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os.path import isdir, isfile
from pathlib import Path
from typing import TypeAlias

from bench.files.there import kind_of
from bench.types import BenchError, Mask

__all__ = [
    "Categories",
    "Given",
    "Predictions",
    "check_there",
    "formats",
    "read_predictions",
    "refuse_categories",
    "refuse_threshold",
]


@dataclass(frozen=True, slots=True)
class Given:
    """One predicted mask, not decoded yet.

    ``names`` are what its target may be called, its own first; empty where the file doesn't say.
    ``own_number`` says that the file numbers the mask itself, which is no name of a target.
    ``place`` is the target's place in its image, from 1, where the file counts so. ``score`` is
    the tool's confidence. ``category`` is what the file says the mask is of, ``value`` the number
    that stands for it there. ``mask(height, width)`` decodes it for an image of that size and
    raises ``ValueError`` where it doesn't fit. ``where`` is the file and the key in it.
    """

    where: str
    mask: Callable[[int, int], Mask]
    names: tuple[str, ...] = ()
    place: int | None = None
    score: float | None = None
    own_number: bool = False
    category: str | None = None
    value: int | None = None


Predictions: TypeAlias = Mapping[str, Sequence[Given]]
Categories: TypeAlias = Mapping[int, str]
"""What the numbers that stand for categories in a file are called."""


def formats() -> list[str]:
    """The names of the formats, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def read_predictions(
    path: Path,
    kind: str | None,
    image_ids: Iterable[str],
    threshold: int | None = None,
    categories: Categories | None = None,
) -> Predictions:
    """What a file or folder holds for each image; the format of a ``.json`` file is ``coco``.

    ``threshold`` is for masks of levels: what is above it is in the mask. Without one, a file with
    levels between nothing and all is refused when it is decoded. ``categories`` are for files whose
    masks have numbers of categories.

    Raises ``BenchError`` for a path that isn't there, a folder without a format, an unknown image
    id and a damaged file.
    """
    check_there(path)
    if kind is None and path.is_file() and path.suffix == ".json":
        kind = "coco"
    if kind is None:
        raise BenchError(f"{path}: say what it holds with --format {'|'.join(formats())}")
    read = importlib.import_module(f"{__name__}.{kind}").read
    found: Predictions = read(path, list(image_ids), threshold, categories)
    return found


def check_there(path: Path, option: str = "--predictions") -> None:
    """Raises ``BenchError`` for what an ``option`` says that is neither a file nor a folder."""
    if not isfile(path) and not isdir(path):
        found = kind_of(path, "file or folder of predictions")
        raise BenchError(f"{path}: {found}; {option} takes a file or a folder")


def refuse_categories(categories: Categories | None, kind: str) -> None:
    """Raises ``BenchError`` for names of categories in a format that has no numbers of them."""
    if categories is not None:
        raise BenchError(
            f"masks of the format {kind} have no categories: leave task.args.categories out, it is "
            "for --format semantic and coco"
        )


def refuse_threshold(threshold: int | None, kind: str) -> None:
    """Raises ``BenchError`` for a threshold in a format whose masks have no levels."""
    if threshold is not None:
        raise BenchError(
            f"masks of the format {kind} have no levels: leave --threshold (task.args.threshold) "
            "out, it is for --format masks"
        )
