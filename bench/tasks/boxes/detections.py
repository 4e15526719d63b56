"""A detector's result file: a JSON list of ``{"image_id", "category_id", "bbox", "score"}``.

``bbox`` is COCO's [x, y, width, height] in pixels. ``category_id`` is what the dataset's files call
the category, ``category`` a name; of both in an entry the name counts, and they may not contradict
each other. The entries may stand in an object under "annotations". Anything else in an entry, such
as the detector's own mask, is not looked at. An entry that stands there twice counts twice.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.formats.json_lists import read_list, read_object
from bench.data.formats.spellings import Known
from bench.files.documents import decode_json
from bench.files.text import visible_line
from bench.types import BenchError, BoolArray

_SAYS_CATEGORY = {
    False: "'category_id' is what the dataset's files say, a text no number, or 'category' a name",
    True: "'category' is a name, as the dataset numbers no categories",
}

_SHOWN = 3
"""How many unknown names a message tells."""


@dataclass(frozen=True, slots=True)
class Detections:
    """Those of one image, N of them, in the file's order.

    ``entries`` (N,) are their places in the file, from 0; ``boxes`` (N, 4) float64 are (x, y,
    width, height) in pixels, ``scores`` (N,) float64. ``categories`` (N,) are names; none where the
    dataset has no categories. ``known`` (N,) says whether the category is the dataset's.
    """

    entries: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    categories: Sequence[str | None]
    known: BoolArray

    def taken(self, chosen: npt.NDArray[Any]) -> Detections:
        """Some of them, by their numbers or (N,) bool."""
        numbers = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        return Detections(
            self.entries[numbers],
            self.boxes[numbers],
            self.scores[numbers],
            [self.categories[int(number)] for number in numbers],
            self.known[numbers],
        )


@dataclass(frozen=True, slots=True)
class Astray:
    """How many entries name an image that the dataset lacks, and how many such a category.

    ``images`` and ``categories`` are a few of the names.
    """

    of_images: int
    images: Sequence[str]
    of_categories: int
    categories: Sequence[str]


class DetectionFile:
    """The detections of a file by image, about 60 bytes each.

    ``names`` are what the dataset's categories are called by what its files call them; empty where
    it has none: then all detections are of one category; none where that isn't known: then entries
    say names. Raises ``BenchError`` for a file that
    can't be read, and where any entry is no detection: a box that is not four finite numbers, a
    score that is no finite number, an image or a category that isn't said, with how many there are.
    """

    def __init__(
        self, path: Path, image_ids: Sequence[str], names: Mapping[int | str, str] | None
    ) -> None:
        self.path = path
        reading = _Reading(names)
        try:
            text = decode_json(path.read_bytes())
            if not read_list(text, reading.add):
                content = read_object(text, {"annotations": reading.add})
                if not isinstance(content.get("annotations"), list):
                    raise ValueError('detections are a list, or lie in one under "annotations"')
        except (OSError, ValueError) as error:
            raise BenchError(f"{path}: not a readable JSON file ({error})") from error
        reading.refuse(path)
        self.number = len(reading.scores)
        known = Known(image_ids)
        ids = {image_id: place for place, image_id in enumerate(image_ids)}
        meant = [known.meant(name) for name in reading.images]
        known.say(path)
        places = np.array([-1 if name is None else ids[name] for name in meant], np.int64)
        of_entry = places[np.asarray(reading.image, np.int64)]
        self._order = np.argsort(of_entry, kind="stable")
        self._starts = np.searchsorted(of_entry[self._order], np.arange(len(ids) + 1))
        self._ids = ids
        self._boxes = np.asarray(reading.boxes, np.float64).reshape(-1, 4)
        self._scores = np.asarray(reading.scores, np.float64)
        self._category = np.asarray(reading.category, np.int64)
        self._names = [name for name, _ in reading.categories]
        self._known = np.array([known for _, known in reading.categories], bool)
        self.astray = self._astray(reading, meant, of_entry)

    def of(self, image_id: str) -> Detections:
        """Those of an image; none for one of which the file has none."""
        place = self._ids[image_id]
        entries = self._order[self._starts[place] : self._starts[place + 1]]
        category = self._category[entries]
        return Detections(
            entries,
            self._boxes[entries],
            self._scores[entries],
            [self._names[number] for number in category],
            self._known[category],
        )

    def _astray(
        self, reading: _Reading, meant: Sequence[str | None], of_entry: npt.NDArray[np.int64]
    ) -> Astray:
        lost = [name for name, found in zip(reading.images, meant, strict=True) if found is None]
        strange = [
            str(name) for name, known in zip(self._names, self._known, strict=True) if not known
        ]
        here = of_entry >= 0
        unknown = int((~self._known[self._category[here]]).sum()) if len(here) else 0
        return Astray(int((~here).sum()), lost[:_SHOWN], unknown, strange[:_SHOWN])


@dataclass(slots=True)
class _Reading:
    """The entries so far: ``image`` and ``category`` are places in ``images`` and ``categories``.

    A category is its name and whether the dataset has it; one that it lacks bears what the file
    says.
    """

    names: Mapping[int | str, str] | None
    images: dict[str, int] = field(default_factory=dict)
    categories: dict[tuple[str | None, bool], int] = field(default_factory=dict)
    image: array[int] = field(default_factory=lambda: array("i"))
    category: array[int] = field(default_factory=lambda: array("i"))
    boxes: array[float] = field(default_factory=lambda: array("d"))
    scores: array[float] = field(default_factory=lambda: array("d"))
    number: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, place: int, entry: Any) -> None:
        """Keeps an entry, or what is wrong with it."""
        number, self.number = self.number, self.number + 1
        if not isinstance(entry, dict):
            self._refuse("an entry is an object", number, entry)
            return
        image, box = entry.get("image_id"), entry.get("bbox")
        score: Any = entry.get("score")
        if type(image) not in (int, str):
            self._refuse("'image_id' is a whole number or a text", number, image)
        elif not isinstance(box, list) or len(box) != 4 or not all(map(_is_finite, box)):
            self._refuse("'bbox' is four finite numbers [x, y, width, height]", number, box)
        elif not _is_finite(score):
            self._refuse("'score' is a finite number", number, score)
        elif (category := self._category_of(entry)) is None:
            self._refuse(
                _SAYS_CATEGORY[self.names is None],
                number,
                entry.get("category", entry.get("category_id")),
            )
        else:
            self.image.append(self.images.setdefault(str(image), len(self.images)))
            self.category.append(self.categories.setdefault(category, len(self.categories)))
            self.boxes.extend(map(float, box))
            self.scores.append(float(score))

    def refuse(self, path: Path) -> None:
        """Raises ``BenchError`` where an entry is no detection."""
        if not self.faults:
            return
        said = "; ".join(
            f"{self.first[rule]}{f' and {count - 1:,} more such' if count > 1 else ''}"
            for rule, count in self.faults.items()
        )
        raise BenchError(
            f"{path}: {self.faults.total():,} of {self.number:,} entries are no detections: {said}"
        )

    def _category_of(self, entry: Mapping[str, Any]) -> tuple[str | None, bool] | None:
        """Name and whether the dataset has it; none where the entry doesn't say."""
        name: Any = entry.get("category")
        own: Any = entry.get("category_id")
        if self.names is not None and not self.names:
            return None, True
        if name is None and self.names is None and isinstance(own, str):
            name = own
        if name is not None or self.names is None:
            known = self.names is None or name in self.names.values()
            if self.names is not None and own in self.names and self.names[own] != name:
                return None
            return (name, known) if isinstance(name, str) else None
        if type(own) not in (int, str):
            return None
        known_as = self.names.get(own)
        if known_as is None and isinstance(own, str) and any(str(one) == own for one in self.names):
            return None  # a number that was written as a text: the dataset has it
        return (f"category_id {own}", False) if known_as is None else (known_as, True)

    def _refuse(self, rule: str, number: int, found: object) -> None:
        self.faults[rule] += 1
        if rule not in self.first:
            said = visible_line(repr(found))[:40]
            self.first[rule] = f"entry {number}: {rule}, found {said}"


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
