"""A file of shapes for each picture: labelme's JSON and YOLO's text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from bench.data.formats.pictures import look_at
from bench.data.recognise import Listing, Recognised
from bench.data.recognise.pairs import Pair, find_pairs
from bench.files.documents import parse_json
from bench.files.text import lines_of
from bench.files.yaml_files import LOADER, check_yaml
from bench.types import BenchError

_LOOKED_AT = 20
_FEW = 3
_SHOWN = 40


def find(listing: Listing) -> Sequence[Recognised]:
    """A way for each folder of pictures that have such files."""
    texts = find_pairs(listing, listing.pictures, _ending(listing, ".txt"))
    jsons = find_pairs(listing, listing.pictures, _ending(listing, ".json"))
    return [
        *(_labelme(listing, pair) for pair in jsons if _are_shapes(_files(pair)[:_FEW])),
        *(_yolo(listing, pair) for pair in texts if max(_numbers(_files(pair)), default=0) > 5),
    ]


def misses(listing: Listing) -> Iterator[str]:
    """Boxes without outlines, annotations in XML, files of shapes without their pictures."""
    for pair in find_pairs(listing, listing.pictures, _ending(listing, ".txt")):
        if max(_numbers(_files(pair)), default=0) == 5:
            yield (
                f"{pair.masks} holds boxes (five numbers a line), so there are no masks to "
                "measure; the reader yolo reads outlines, labels of a segmentation task"
            )
    for pair in find_pairs(listing, listing.pictures, _ending(listing, ".txt")):
        files = _files(pair)
        if files and not _numbers(files):
            words = _first_words(files[0])
            yield (
                f"{pair.masks} holds no lines of numbers, {words!r} for one; the reader yolo reads "
                "a class and shares of the picture's size, with spaces between and points in them"
            )
    for name in _ending(listing, ".xml")[:1]:
        yield f"{name} is XML (as Pascal VOC, LabelMe and CVAT write), export it as COCO"
    if not listing.pictures:
        for name in _ending(listing, ".json")[:_FEW]:
            if _shapes(listing.folder / name) is not None:
                yield f"{name} is labelme's, but no picture is here (reader labelme)"


def _ending(listing: Listing, ending: str) -> list[str]:
    return [name for name in listing.files if name.lower().endswith(ending)]


def _files(pair: Pair) -> list[Path]:
    return [path for image_id in pair.with_masks for path in pair.files[image_id]]


def _are_shapes(paths: Sequence[Path]) -> bool:
    """Whether there are files, and all of them labelme's."""
    return bool(paths) and all(_shapes(path) is not None for path in paths)


def _shapes(path: Path) -> list[Any] | None:
    """A labelme file's shapes; none where it isn't one."""
    try:
        content = parse_json(path.read_bytes())
    except (ValueError, OSError):
        return None
    shapes = content.get("shapes") if isinstance(content, dict) else None
    return shapes if isinstance(shapes, list) else None


def _numbers(paths: Sequence[Path]) -> set[int]:
    """How many numbers the lines of the first label files have; none where any holds words."""
    found: set[int] = set()
    for path in paths[:_LOOKED_AT]:
        try:
            lines = lines_of(path.read_text(encoding="utf-8-sig"))
            found |= {len([float(word) for word in line.split()]) for line in lines if line.strip()}
        except (ValueError, OSError):
            return set()
    return found if min(found, default=0) >= 5 else set()


def _first_words(path: Path) -> str:
    """The beginning of a text file, for a sentence."""
    try:
        return path.read_bytes()[:_SHOWN].decode("utf-8", errors="replace").split("\n")[0]
    except OSError:
        return ""


def _labelme(listing: Listing, pair: Pair) -> Recognised:
    left_out = len(pair.pictures) - len(pair.with_masks)
    assumed = [*_turned(pair, "labelme shows them")]
    if left_out:
        assumed.append(f"{left_out} pictures without a JSON are left out")
    return Recognised(
        format="labelme",
        detail=pair.masks,
        target="bench.data.readers.labelme.Labelme",
        folder=listing.folder,
        args={
            "folder": str(listing.folder),
            "images": pair.images,
            "annotations": pair.masks,
            "exif": "apply",
        },
        seen=f"{len(pair.with_masks)} pictures with a labelme file",
        assumed=("shapes of one label and one group are one object", *assumed),
        tree=(pair.images, pair.masks),
        told=frozenset(p.relative_to(listing.folder).as_posix() for p in pair.pictures.values()),
    )


def _yolo(listing: Listing, pair: Pair) -> Recognised:
    bare = len(pair.pictures) - len(pair.with_masks)
    file, names = _categories(listing)
    assumed = [*_turned(pair, "ultralytics does")]
    if names:
        assumed.append(f"names of classes are those of {file}")
    if bare:
        assumed.append(f"{bare} pictures have no label file and count as pictures without objects")
    return Recognised(
        format="yolo",
        detail=pair.masks,
        target="bench.data.readers.yolo.Yolo",
        folder=listing.folder,
        args={
            "folder": str(listing.folder),
            "images": pair.images,
            "labels": pair.masks,
            "categories": names or None,
            "exif": "apply",
        },
        seen=f"{len(pair.pictures)} pictures with {len(pair.with_masks)} files of outlines",
        assumed=("outlines are filled as ultralytics fills them", *assumed),
        tree=(pair.images, pair.masks),
        told=frozenset(p.relative_to(listing.folder).as_posix() for p in pair.pictures.values()),
    )


def _categories(listing: Listing) -> tuple[str, dict[str, str]]:
    """The names of classes in a YAML of ultralytics, and its name."""
    for name in (*_ending(listing, ".yaml"), *_ending(listing, ".yml")):
        try:
            check_yaml(listing.folder / name)
            content = yaml.load((listing.folder / name).read_bytes(), Loader=LOADER)
        except (BenchError, OSError, ValueError, yaml.YAMLError):
            continue
        names = content.get("names") if isinstance(content, dict) else None
        if isinstance(names, list):
            names = dict(enumerate(names))
        if isinstance(names, dict) and names and all(str(key).isdecimal() for key in names):
            return name, {str(key): str(value) for key, value in names.items()}
    return "", {}


def _turned(pair: Pair, as_who: str) -> Iterator[str]:
    """What is assumed of pictures with an EXIF orientation, where there are some."""
    first = [look_at(pair.pictures[image_id]) for image_id in pair.with_masks[:_LOOKED_AT]]
    if any(stored.orientation != 1 for stored in first):
        yield f"pictures are turned by their EXIF orientation, as {as_who} (exif: apply)"
