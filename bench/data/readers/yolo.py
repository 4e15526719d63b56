"""YOLO segmentation, as ultralytics reads it: a text file of outlines for each picture.

::

    <site.datasets>/
      coco8-seg/                        folder="coco8-seg"
        images/val/000000000036.jpg     images="images/val/{id}.jpg"; "….*" for several endings
        labels/val/000000000036.txt     labels="labels/val/{id}.txt"
        data.yaml                       its names: categories={0: person, …}

A line is an object: its class from 0, and x and y by turns as shares of the picture's width and
height.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.data.formats.files import hash_files, locate_folder
from bench.data.formats.outlines import draw_outlines
from bench.data.formats.patterns import (
    PICTURES,
    check_patterns,
    cluster_of,
    find_chosen,
    find_partners,
    strays,
)
from bench.data.formats.pictures import Exif, read_picture
from bench.data.oddities import Oddity, Tally
from bench.types import BenchError, Sample, Site, Target

_BEYOND = 0.01  # how far an outline may reach beyond its picture, as shares of it: rounding


class Yolo:
    """Reads YOLO's outlines: one target per line, drawn as ultralytics draws them.

    ``folder`` is relative to ``site.datasets`` unless absolute; ``images`` and ``labels`` are
    patterns inside it (``bench.data.formats.patterns``). The ids are what ``images`` finds, or
    those of the list file ``listed``, of them those that a shell pattern in ``keep`` matches. A
    picture without a label file, or with an empty one, has no objects.

    Outlines are scaled to the picture, cut to whole pixels and filled by OpenCV, outline included
    (``polygon2mask``). A line that stands twice counts once. A box, a line of four numbers behind
    the class, has no mask and is an error of its image. ``category`` is the class's name in
    ``categories``, and the class as text without them. Pictures are turned by their EXIF
    orientation, as ultralytics does; ``exif`` "ignore" takes them as stored.

    Raises ``BenchError`` where the folder or every label file is missing, no picture is found, a
    listed one is missing, two pictures have the same id, or a class in ``categories`` is no number.
    """

    def __init__(
        self,
        folder: str,
        images: str = "images/{id}.*",
        labels: str = "labels/{id}.txt",
        *,
        site: Site,
        categories: Mapping[int | str, str] | None = None,
        exif: Exif = "apply",
        listed: str | None = None,
        keep: Sequence[str] = (),
    ) -> None:
        check_patterns(images, labels=labels)
        self._folder = locate_folder(folder, site)
        self._categories = _names(categories or {})
        self.exif: Exif = exif
        self._most = site.max_pixels
        self._patterns = images, labels
        self._pictures = find_chosen("picture", self._folder, images, listed, keep, site, PICTURES)
        self._labels = find_partners(self._folder, labels, list(self._pictures))
        if not any(path.is_file() for path in self._labels.values()):
            raise BenchError(
                f"{self._folder}: no picture has a label file that matches {labels!r}; "
                f"{next(iter(self._labels.values())).relative_to(self._folder)} was looked for"
            )

    def ids(self) -> Sequence[str]:
        """What stands for ``{id}``: numbers first and by value, then others by characters."""
        return list(self._pictures)

    def read(self, image_id: str) -> Sample:
        """The picture and its objects in the file's order.

        ``mask_id`` is "<image_id>/<n>", n the line's number from 1. Raises ``BenchError`` naming
        the file that can't be read, and the line that is no outline or of a class without a name.
        """
        if image_id not in self._pictures:
            raise BenchError(f"{self._folder}: there is no image with the id {image_id!r}")
        image = read_picture(self._pictures[image_id], exif=self.exif, pixel_limit=self._most)
        height, width = image.shape[:2]
        file = self._labels[image_id]
        targets = []
        for line in _lines(file):
            if self._categories and line.kind not in self._categories:
                raise BenchError(
                    f"{file}: line {line.number}: the class {line.kind} is none of "
                    f"{str(sorted(self._categories))[:60]}; name it in dataset.args.categories"
                )
            mask = draw_outlines([line.outline * (width, height)], height, width)
            category = self._categories.get(line.kind, str(line.kind))
            targets.append(Target(f"{image_id}/{line.number}", mask, category))
        cluster = cluster_of(self._patterns[0], image_id)
        return Sample(image_id, image, targets, cluster=cluster)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the names and sizes in bytes of the pictures and label files."""
        names = [
            path.relative_to(self._folder).as_posix()
            for image_id in (self._pictures if image_ids is None else image_ids)
            for path in (self._pictures[image_id], self._labels[image_id])
        ]
        return hash_files("", self._folder, names)

    def files_of(self, image_id: str) -> Sequence[Path]:
        """The picture and its label file, where it has one."""
        files = [self._pictures[image_id], self._labels[image_id]]
        return [path for path in files if path.is_file()]

    def path(self, image_id: str) -> Path:
        """Where the image's picture lies."""
        return self._pictures[image_id]

    def mask_count(self, image_id: str) -> int:
        """How many objects the image has."""
        return len(_lines(self._labels[image_id]))

    def oddities(self) -> Sequence[Oddity]:
        """Pictures without objects, lines that are no outline or stand twice, stray label files."""
        tally = Tally()
        for image_id, file in self._labels.items():
            try:
                lines = _lines(file)
            except BenchError as error:
                tally.add("label file with a line that is no outline", str(error), breaks=True)
                continue
            if not lines:
                tally.add("picture without objects", image_id)
            twice = sum(line.times - 1 for line in lines)
            tally.add("line that stands twice, left out", file.name, times=twice)
        for name in strays(self._folder, self._patterns[1], self._labels.values()):
            tally.add("label file of no picture, or of another split, left out", name)
        return tally.oddities()


@dataclass(frozen=True, slots=True)
class _Line:
    """A line's number from 1, its class, its outline (P, 2) float64 in shares, how often it is."""

    number: int
    kind: int
    outline: npt.NDArray[np.float64]
    times: int = 1


def _lines(file: Path) -> Sequence[_Line]:
    """A label file's outlines, each once; none where there is no file.

    Raises ``BenchError`` with the line's number for what is no class and outline.
    """
    if not file.is_file():
        return []
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BenchError(f"{file}: not a text of outlines in UTF-8: {error}") from None
    found: dict[tuple[str, ...], _Line] = {}
    for number, words in enumerate(map(str.split, text.split("\n")), start=1):
        if not words:
            continue
        earlier = found.get(tuple(words))
        if earlier is not None:
            times = earlier.times + 1
            found[tuple(words)] = _Line(earlier.number, earlier.kind, earlier.outline, times)
            continue
        try:
            found[tuple(words)] = _Line(number, *_class_and_outline(words))
        except ValueError as error:
            raise BenchError(f"{file}: line {number}: {error}") from None
    return list(found.values())


def _class_and_outline(words: Sequence[str]) -> tuple[int, npt.NDArray[np.float64]]:
    try:
        kind, *numbers = map(_number, words)
    except ValueError:
        raise ValueError(f"expected numbers, found {' '.join(words)[:60]!r}") from None
    if not 0 <= kind < 1 << 31 or kind != int(kind):
        raise ValueError(f"a class is a whole number from 0, found {words[0][:40]!r}")
    if len(numbers) == 4:
        raise ValueError(
            "four numbers behind the class are a box; a mask needs an outline of three points or "
            "more (labels of a segmentation task)"
        )
    if len(numbers) < 6 or len(numbers) % 2:
        more = ""
        if len(numbers) % 2 and 0 <= numbers[-1] <= 1:
            more = (
                "; the last may be a prediction's confidence (save_conf), which labels have none of"
            )
        raise ValueError(
            f"an outline is three or more pairs of x and y, found {len(numbers)} numbers{more}"
        )
    outline = np.array(numbers, dtype=np.float64).reshape(-1, 2)
    if not np.all((outline >= -_BEYOND) & (outline <= 1 + _BEYOND)):  # false for NaN too
        raise ValueError(
            "x and y are shares of the picture's width and height, from 0 to 1, found "
            f"{outline.min():g} to {outline.max():g}"
        )
    return int(kind), outline


def _number(word: str) -> float:
    """The number as files write one: Python takes 1_0 and digits of other scripts too."""
    if not word.isascii() or "_" in word:
        raise ValueError(word)
    return float(word)


def _names(categories: Mapping[int | str, str]) -> dict[int, str]:
    """Names by class; keys may be text, as on the command line."""
    try:
        return {int(kind): str(name) for kind, name in categories.items()}
    except (TypeError, ValueError):
        raise BenchError(
            f"categories are names by class, {{0: person}}, found {str(categories)[:60]}"
        ) from None
