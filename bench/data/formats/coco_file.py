"""One COCO file, checked and indexed; its annotations are parsed again when they are used."""

from __future__ import annotations

import hashlib
import json
import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from bench.data.formats.json_lists import read_object
from bench.files.documents import decode_json, value_at
from bench.types import BenchError

Entry: TypeAlias = Mapping[str, Any]

_NUMBERS = ("segmentation", "counts")  # where polygons and run lengths stand


@dataclass(frozen=True, slots=True)
class Keys:
    """What a relative of COCO calls its lists and what annotations hold."""

    images: str = "images"
    image_id: str = "image_id"
    segmentation: str = "segmentation"


_FREQUENCIES = {"f": "frequent", "c": "common", "r": "rare"}
"""LVIS's letters: in more than 100 pictures of its training set, in 11 to 100, in 10 or fewer."""


class CocoFile:
    """What a COCO file lists: images, categories, and where each image's annotations stand.

    Raises ``BenchError`` where a key is missing, an id is missing, of a wrong type or there twice,
    or an annotation refers to an unknown image or category.
    """

    def __init__(self, path: Path, keys: Keys = Keys()) -> None:
        self.path, self._keys = path, keys
        written = path.read_bytes()
        self.content = hashlib.sha256(written).hexdigest()
        self._places: dict[str, array[int]] = {}
        self._first_of_image: dict[str, str] = {}
        self._first_of_category: dict[Any, str] = {}
        self._seen: set[str] = set()
        self._twice: list[str] = []
        content = self._parse(written)
        self._refuse_twins("annotations")
        self._seen.clear()
        listed = content[keys.images]
        self.images: dict[str, Entry] = {self._own_id(keys.images, one): one for one in listed}
        self._refuse_twins(keys.images)
        if not self.images:
            raise BenchError(f"{path}: {keys.images!r} is empty, there is nothing to measure")
        self.categories = _categories(path, content)
        self._frequencies = _frequencies(content)
        self._check_references()

    def annotations(self, image_id: str) -> Iterator[Entry]:
        """The image's annotations, in the file's order; ``BenchError`` for broken numbers."""
        for place in self._places.get(image_id, ()):
            try:
                yield value_at(self._text, place)[0]
            except ValueError as error:
                raise BenchError(f"{self.path}: not a JSON file: {error}") from None

    def category(self, annotation: Entry) -> str | None:
        """The name of the annotation's category; none without one, or without 'categories'."""
        category = annotation.get("category_id")
        return None if category is None else self.categories.get(category)

    def attributes(self, annotation: Entry) -> dict[str, str]:
        """The annotation's own, and the ``frequency`` of its category, where LVIS gives one."""
        known = self._frequencies.get(annotation.get("category_id"))
        return ({} if known is None else {"frequency": known}) | attributes_of(annotation)

    def _parse(self, written: bytes) -> dict[str, Any]:
        try:
            self._text = decode_json(written)
            content = read_object(self._text, {"annotations": self._add}, _NUMBERS)
        except ValueError as error:
            raise BenchError(f"{self.path}: not a JSON file: {error}") from None
        if "" in content and len(content) == 1:
            raise BenchError(
                f"{self.path}: a COCO file is an object, found {type(content['']).__name__}"
            )
        for key in (self._keys.images, "annotations"):
            if not isinstance(content.get(key), list):
                found = ", ".join(sorted(content)[:8]) or "none"
                raise BenchError(
                    f"{self.path}: a COCO file has a list {key!r}; found the keys: {found}"
                )
        return content

    def _add(self, place: int, annotation: Any) -> None:
        """Checks an annotation and keeps its place."""
        mask_id = self._own_id("annotations", annotation)
        if self._keys.segmentation not in annotation:
            raise BenchError(
                f"{self.path}: annotation {mask_id} has no {self._keys.segmentation!r}; a file of "
                f"boxes, captions or keypoints alone has no masks to measure"
            )
        image_id = self._id("annotations", annotation, self._keys.image_id)
        if image_id not in self._places:
            self._places[image_id] = array("q")
            self._first_of_image[image_id] = mask_id
        self._places[image_id].append(place)
        crowd = annotation.get("iscrowd")
        if crowd not in (None, 0, 1):
            raise BenchError(
                f"{self.path}: annotation {mask_id} has 'iscrowd' {repr(crowd)[:40]}, "
                f"expected 0 or 1 as a number"
            )
        category = annotation.get("category_id")
        if category is not None and type(category) not in (int, str):
            raise BenchError(
                f"{self.path}: annotation {mask_id} has the category_id {repr(category)[:40]}; "
                f"what refers to category or image is a whole number or a text"
            )
        if category is not None:
            self._first_of_category.setdefault(category, mask_id)

    def _own_id(self, key: str, entry: Any) -> str:
        """An entry's own id as text; one that came before in the list is noted."""
        own = self._id(key, entry, "id")
        if own in self._seen:
            self._twice.append(own)
        self._seen.add(own)
        return own

    def _refuse_twins(self, key: str) -> None:
        """Raises ``BenchError`` with the number of entries whose id came before."""
        if self._twice:
            raise BenchError(
                f"{self.path}: the id {self._twice[0]} is in {key!r} more than once "
                f"({_counted(len(self._twice), 'such entry', 'such entries')})"
            )

    def _id(self, key: str, entry: Any, name: str) -> str:
        """An id as text; it must be a whole number or a text that isn't empty."""
        own = entry.get(name) if isinstance(entry, dict) else None
        if isinstance(own, bool) or not isinstance(own, (int, str)) or own == "":
            raise BenchError(
                f"{self.path}: every entry of {key!r} has a whole number or text {name!r}, found "
                f"{str(entry)[:80]}"
            )
        return str(own)

    def _check_references(self) -> None:
        unknown = [image_id for image_id in self._first_of_image if image_id not in self.images]
        if unknown:
            count = sum(len(self._places[image_id]) for image_id in unknown)
            raise BenchError(
                f"{self.path}: annotation {self._first_of_image[unknown[0]]} refers to image "
                f"{unknown[0]}, which {self._keys.images!r} does not list "
                f"({_counted(count, 'such annotation', 'such annotations')})"
            )
        for category, mask_id in self._first_of_category.items() if self.categories else ():
            if category not in self.categories:
                raise BenchError(
                    f"{self.path}: annotation {mask_id} refers to category {category}, which "
                    f"'categories' does not list"
                )


def _counted(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"


def attributes_of(annotation: Entry) -> dict[str, str]:
    """Key → text; what isn't text is written as in JSON, nulls are left out."""
    written = annotation.get("attributes")
    if not isinstance(written, Mapping):
        return {}
    return {
        str(key): value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in written.items()
        if value is not None
    }


def box_of(written: object) -> tuple[float, float, float, float] | None:
    """A ``bbox`` [x, y, width, height] as (x0, y0, x1, y1), ends not included; none for any other.

    >>> box_of([2, 3, 10, 4.5]), box_of([2, 3, 10])
    ((2.0, 3.0, 12.0, 7.5), None)
    """
    if not isinstance(written, list) or len(written) != 4:
        return None
    x, y, width, height = (area_of(number) for number in written)
    if x is None or y is None or width is None or height is None:
        return None
    return x, y, x + width, y + height


def area_of(written: object) -> float | None:
    """An ``area`` in pixels; none for what is no finite number."""
    if isinstance(written, bool) or not isinstance(written, int | float):
        return None
    try:
        number = float(written)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _categories(path: Path, content: Entry) -> dict[Any, str]:
    """Names by id; empty where the file has no categories."""
    found: dict[Any, str] = {}
    entries = content.get("categories") or []
    for entry in entries if isinstance(entries, list) else [entries]:
        own = entry.get("id") if isinstance(entry, dict) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        if type(own) not in (int, str) or type(name) not in (int, str):
            raise BenchError(
                f"{path}: every entry of 'categories' has a whole number or text 'id' and 'name', "
                f"found {str(entry)[:80]}"
            )
        if own in found:
            raise BenchError(f"{path}: the id {own} is in 'categories' more than once")
        found[own] = str(name)
    return found


def _frequencies(content: Entry) -> dict[Any, str]:
    """How often pictures show a category, by its id, as LVIS writes it: f, c or r."""
    entries = content.get("categories")
    return {
        entry["id"]: _FREQUENCIES[entry["frequency"]]
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and entry.get("frequency") in _FREQUENCIES
    }
