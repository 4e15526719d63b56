"""Recognises the format of a folder of pictures and masks: one module per way to look at it.

A module has ``find(listing) -> Sequence[Recognised]``: every way in which the folder can be read
in its formats, none where it can't. To recognise a further format is to add a module. It may have
``misses(listing) -> Iterable[str]``: what of a folder that can't be read looked like its formats,
and what keeps it from being read, a sentence each, the nearest first.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from os.path import isdir
from pathlib import Path
from typing import Any

from bench.config.component import Component
from bench.data.doubts import first_doubts
from bench.data.formats.patterns import PICTURES
from bench.data.formats.spellings import normal_form
from bench.data.opening import open_whole
from bench.files.places import local_path
from bench.files.there import kind_of
from bench.types import BenchError, Site

__all__ = ["Listing", "Recognised", "below", "folders_of", "recognise"]

_TRIED, _MISSES = 3, 2

_ENDINGS = (*PICTURES, ".gif", ".jfif", ".jp2", ".pgm", ".ppm")
"""Also endings that ``.*`` does not stand for in a pattern: a way names them."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder's files, hidden ones left out: posix paths relative to it, sorted."""

    folder: Path
    files: tuple[str, ...]

    @property
    def pictures(self) -> list[str]:
        """Those that look like pictures or masks."""
        return [name for name in self.files if name.lower().endswith(_ENDINGS)]


@dataclass(frozen=True, slots=True)
class Recognised:
    """One way to read a folder.

    ``format`` names the reader, ``target`` is its class, ``args`` are its arguments, whole paths
    in them. ``detail`` tells this way from others of the format. ``seen`` says what was seen,
    ``assumed`` what can't be seen and was assumed, ``tree`` which files of ``folder`` are which.
    ``doubts`` are sentences about what may not be meant (``bench.data.doubts``).
    ``told`` are files that an annotation file tells the meaning of, ``guessed`` those that are
    taken for masks by their names alone.
    """

    format: str
    detail: str
    target: str
    folder: Path
    args: Mapping[str, Any]
    seen: str
    assumed: tuple[str, ...]
    tree: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    told: frozenset[str] = frozenset()
    guessed: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """What ``--format`` takes for this very way."""
        return f"{self.format}:{self.detail}"


def recognise(folder: Path, wanted: str | None = None) -> Recognised:
    """The one way in which a folder can be read, tried on its first images.

    ``wanted`` is a format or a label, where there are several ways. Raises ``BenchError`` for a
    folder that isn't there, that no format fits, that several fit, or whose images can't be read.
    """
    root = local_path(folder).absolute()
    if not isdir(root):
        raise BenchError(f"{folder}: {kind_of(root, 'folder')} (--folder)")
    listing = _listing(root)
    found = [way for finder in _finders() for way in finder.find(listing)]
    if not found:
        raise BenchError(f"{folder}: no format is recognised; {_nearest(listing)}")
    chosen: list[Recognised] = [way for way in found if wanted in (way.format, way.label)]
    if wanted is None:
        chosen = _not_told_otherwise(found)
    if not chosen:
        raise BenchError(f"{folder}: can't be read as {wanted}; {_choices(found)}")
    if len(chosen) > 1:
        raise BenchError(f"{folder}: can be read in {len(chosen)} ways; {_choices(chosen)}")
    return replace(chosen[0], doubts=_try_out(folder, chosen[0]))


def folders_of(names: Iterable[str], pictures: Sequence[str]) -> list[str]:
    """The folders that file names may start from, that of most pictures first; "" is the top.

    Names are held against each other in their normal form, whatever their spelling.

    >>> folders_of(["a.png", "b.png"], ["x/a.png", "y/a.png", "y/b.png"])
    ['y', 'x']
    """
    wanted = set(map(normal_form, names))
    folders: Counter[str] = Counter()
    for name in pictures:
        parts = name.split("/")
        for start in range(len(parts)):
            if normal_form("/".join(parts[start:])) in wanted:
                folders["/".join(parts[:start])] += 1
    return [folder for folder, _ in folders.most_common()]


def below(folder: str, name: str) -> str:
    """The name of a file in a folder of the listing; "" is the top.

    >>> below("x", "a.png"), below("", "a.png")
    ('x/a.png', 'a.png')
    """
    return f"{folder}/{name}" if folder else name


def _not_told_otherwise(found: Sequence[Recognised]) -> list[Recognised]:
    """The ways but those whose masks are something else by another way's own files."""
    told = frozenset[str]().union(*(way.told for way in found))
    return [way for way in found if not way.guessed or not way.guessed <= told]


def _nearest(listing: Listing) -> str:
    """What the folder nearly is, or what would be recognised where it is nothing known."""
    modules = [module for module in _finders() if hasattr(module, "misses")]
    found = dict.fromkeys(miss for module in modules for miss in module.misses(listing))
    if found:
        return "; ".join(islice(found, _MISSES))
    return (
        "expected a COCO file beside its pictures, or one of VIA, YouTube-VIS or COCO panoptic, "
        "labelme's or YOLO's files, pictures with one mask file per object, or pictures with one "
        "label image each, in folders of their own called images and masks, say; else write the "
        "YAML by hand (datasets/README.md)"
    )


def _finders() -> list[Any]:
    modules = (importlib.import_module(f"{__name__}.{m.name}") for m in _modules())
    return [module for module in modules if hasattr(module, "find")]


def _modules() -> list[pkgutil.ModuleInfo]:
    return sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name)


def _listing(root: Path) -> Listing:
    names = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    seen = [n.as_posix() for n in names if not any(part.startswith(".") for part in n.parts)]
    return Listing(root, tuple(sorted(seen)))


def _choices(found: Sequence[Recognised]) -> str:
    formats = [way.format for way in found]
    named = [w.format if formats.count(w.format) == 1 else w.label for w in found]
    quoted = [f"'{name}'" if " " in name or "*" in name else name for name in named]
    return f"say which: --format {' or --format '.join(quoted)}"


def _try_out(folder: Path, way: Recognised) -> tuple[str, ...]:
    """Reads the first images with the reader itself; what may not be meant about their files."""
    try:
        reader = open_whole(Component("new", "1", way.target, dict(way.args)), Site())
        for image_id in list(reader.ids())[:_TRIED]:
            reader.read(image_id)
        return tuple(first_doubts(reader, reader.ids()))
    except (BenchError, ValueError, OSError) as error:
        raise BenchError(f"{folder}: looks like {way.label}, but {error}") from error
