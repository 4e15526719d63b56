"""Open Images' segmentation masks, and the people of MIAP among them.

::

    <site.datasets>/
      open_images/
        test-annotations-object-segmentation.csv     annotations
        test-masks/                                  masks: the 16 archives unpacked, may be nested
          <ImageID>_<label>_<BoxID>.png              MaskPath in the CSV
        test/<ImageID>.jpg                           images
        open_images_extended_miap_boxes_test.csv     miap

Boxes in the CSVs are XMin, XMax, YMin, YMax as shares of the picture's width and height.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.data.formats.files import (
    check_inside,
    hash_files,
    is_hidden,
    locate_file,
    locate_folder,
    require_some,
)
from bench.data.formats.pictures import read_levels, read_picture
from bench.data.oddities import Oddity, Tally
from bench.types import BenchError, ImageArray, Mask, Sample, Site, Target

PERSON = ("/m/01g317", "/m/04yx4", "/m/03bt1vf", "/m/01bl7v", "/m/05r655")
"""Open Images' labels of people: Person, Man, Woman, Boy, Girl."""

_ASPECT = 0.02  # how far a mask's aspect may be from its picture's, from rounding small sizes


class OpenImages:
    """Reads Open Images' masks of chosen labels, with MIAP's attributes where ``miap`` is given.

    ``annotations`` and ``miap`` are the CSV files, ``images`` the folder of pictures and ``masks``
    that of the mask files, searched through; all relative to ``site.datasets`` unless absolute.
    ``labels`` are the labels that count, all of them where it is empty. A mask of another size
    than its picture, which the archives have, is brought to it by nearest neighbour; in it is what
    is brighter than ``threshold``.

    With ``miap`` only masks whose own box matches a box of MIAP are targets: each side differs by
    at most ``margin`` of the MIAP box's width or height; of several the nearest counts. It gives
    the attributes ``gender`` and ``age`` as MIAP presents them, lower case.

    The ids are the pictures with such a mask. Raises ``BenchError`` where a file, folder, column
    or every picture is missing, a mask is listed twice, or no mask is left.
    """

    def __init__(
        self,
        annotations: str,
        images: str,
        masks: str,
        *,
        site: Site,
        labels: Sequence[str] = PERSON,
        miap: str | None = None,
        margin: float = 0.01,
        threshold: int = 0,
    ) -> None:
        self.threshold, self.ignore = threshold, ()
        self._most = site.max_pixels
        self._file = locate_file(annotations, site)
        self._miap = None if miap is None else locate_file(miap, site)
        self._folder = locate_folder(images, site)
        self._mask_folder = locate_folder(masks, site)
        self._tally = Tally()
        people = None if self._miap is None else _people(self._miap)
        self._rows: dict[str, list[_Row]] = {}
        seen: set[str] = set()
        for row in _rows(self._file, set(labels)):
            if row.path in seen:
                raise BenchError(f"{self._file}: the mask {row.path!r} is there twice")
            seen.add(row.path)
            person = None if people is None else _match(row, people.get(row.image_id, []), margin)
            if people is not None and person is None:
                self._tally.add("mask without a MIAP box, left out", row.path)
                continue
            self._rows.setdefault(row.image_id, []).append(row.with_person(person))
        if not self._rows:
            raise BenchError(f"{self._file}: no mask is of {list(labels)} and has a MIAP box")
        self._ids = sorted(self._rows)
        self._content = hashlib.sha256(self._file.read_bytes())
        if self._miap is not None:
            self._content.update(self._miap.read_bytes())
        found = (p for p in self._mask_folder.rglob("*.png") if not is_hidden(p, self._mask_folder))
        self._files = {path.name: path for path in sorted(found)}
        require_some(self._folder, [f"{image_id}.jpg" for image_id in self._ids], self._file.name)

    def ids(self) -> Sequence[str]:
        """The ids of the pictures that have a mask, sorted."""
        return list(self._ids)

    def read(self, image_id: str) -> Sample:
        """The picture and its masks in the file's order; ``mask_id`` is the mask file's stem.

        Raises ``BenchError`` naming the file that is missing, can't be read or has another aspect
        than the picture.
        """
        if image_id not in self._rows:
            raise BenchError(f"{self._file}: there is no image with the id {image_id!r}")
        image = read_picture(self._folder / f"{image_id}.jpg", pixel_limit=self._most)
        targets = []
        for row in self._rows[image_id]:
            if row.path not in self._files:
                raise BenchError(f"{self._mask_folder / row.path}: no such mask file")
            mask = _mask(self._files[row.path], image, self._most, self.threshold)
            stem = Path(row.path).stem
            targets.append(Target(stem, mask, row.label, attributes=dict(row.attributes)))
        return Sample(image_id, image, targets)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the CSVs' content and of the pictures' and masks' names and sizes."""
        ids = self._ids if image_ids is None else image_ids
        pictures = hash_files(self._content.hexdigest(), self._folder, (f"{i}.jpg" for i in ids))
        masks = (row.path for i in ids for row in self._rows[i])
        known = (
            self._files[m].relative_to(self._mask_folder).as_posix() if m in self._files else m
            for m in masks
        )
        return hash_files(pictures, self._mask_folder, known)

    def files_of(self, image_id: str) -> Sequence[Path]:
        """The picture and its masks; the CSVs' content is in the fingerprint."""
        masks = [self._files[row.path] for row in self._rows[image_id] if row.path in self._files]
        return [self.path(image_id), *masks]

    def path(self, image_id: str) -> Path:
        """Where the picture should lie."""
        return self._folder / f"{image_id}.jpg"

    def mask_count(self, image_id: str) -> int:
        """How many masks of the picture count."""
        return len(self._rows[image_id])

    def oddities(self) -> Sequence[Oddity]:
        """Missing pictures and mask files, and masks without a MIAP box."""
        tally = Tally()
        for image_id in self._ids:
            if not (self._folder / f"{image_id}.jpg").is_file():
                tally.add("picture is missing", f"{image_id}.jpg", breaks=True)
            for row in self._rows[image_id]:
                if row.path not in self._files:
                    tally.add("mask file is missing", row.path, breaks=True)
        return [*tally.oddities(), *self._tally.oddities()]


@dataclass(frozen=True, slots=True)
class _Row:
    """A mask's line: its file, picture, label, box (x0, y0, x1, y1) in shares, attributes."""

    path: str
    image_id: str
    label: str
    box: tuple[float, float, float, float]
    attributes: tuple[tuple[str, str], ...] = ()

    def with_person(self, person: _Person | None) -> _Row:
        attributes = () if person is None else person.attributes
        return _Row(self.path, self.image_id, self.label, self.box, attributes)


@dataclass(frozen=True, slots=True)
class _Person:
    """A box of MIAP (x0, y0, x1, y1) in shares, and how the person is presented."""

    box: tuple[float, float, float, float]
    attributes: tuple[tuple[str, str], ...]


def _rows(file: Path, labels: set[str]) -> Iterator[_Row]:
    names = ("MaskPath", "ImageID", "LabelName", "BoxXMin", "BoxYMin", "BoxXMax", "BoxYMax")
    for line in _lines(file, names):
        if not labels or line["LabelName"] in labels:
            path, image_id, label = (line[name] for name in names[:3])
            check_inside(path, f"{file}: MaskPath")
            check_inside(image_id, f"{file}: ImageID")
            yield _Row(path, image_id, label, _box(file, line, names[3:]))


def _people(file: Path) -> dict[str, list[_Person]]:
    names = ("XMin", "YMin", "XMax", "YMax", "ImageID", "GenderPresentation", "AgePresentation")
    found: dict[str, list[_Person]] = {}
    for line in _lines(file, names):
        attributes = (
            ("gender", line["GenderPresentation"].lower()),
            ("age", line["AgePresentation"].lower()),
        )
        person = _Person(_box(file, line, names[:4]), attributes)
        found.setdefault(line["ImageID"], []).append(person)
    return found


def _match(row: _Row, people: Sequence[_Person], margin: float) -> _Person | None:
    """The nearest person whose box's sides are all within the margin of the mask's."""
    fits = []
    for person in people:
        x0, y0, x1, y1 = person.box
        sides = (x1 - x0, y1 - y0, x1 - x0, y1 - y0)
        apart = [abs(a - b) for a, b in zip(row.box, person.box, strict=True)]
        if all(a <= margin * side for a, side in zip(apart, sides, strict=True)):
            fits.append((sum(apart), person))
    return min(fits, key=lambda fit: fit[0])[1] if fits else None


def _lines(file: Path, names: Sequence[str]) -> Iterator[Mapping[str, str]]:
    try:
        with file.open(newline="", encoding="utf-8") as opened:
            lines = csv.DictReader(opened)
            missing = [name for name in names if name not in (lines.fieldnames or ())]
            if missing:
                raise BenchError(
                    f"{file}: it has no column {missing[0]!r}; found {lines.fieldnames or 'none'}"
                )
            for line in lines:
                if any(line[name] is None for name in names):
                    raise BenchError(f"{file}: line {lines.line_num} ends too early")
                yield line
    except (csv.Error, UnicodeDecodeError) as error:
        raise BenchError(f"{file}: not a CSV file: {error}") from None


def _box(
    file: Path, line: Mapping[str, str], names: Sequence[str]
) -> tuple[float, float, float, float]:
    try:
        x0, y0, x1, y1 = (float(line[name]) for name in names)
    except (TypeError, ValueError):
        raise BenchError(f"{file}: {', '.join(names)} must be numbers, found {line}") from None
    return x0, y0, x1, y1


def _mask(file: Path, image: ImageArray, most: int, threshold: int) -> Mask:
    """The mask at its picture's size."""
    levels: Any = (read_levels(file, pixel_limit=most) > threshold).astype(np.uint8)
    height, width = image.shape[:2]
    if levels.shape != (height, width):
        aspect = levels.shape[1] / levels.shape[0] / (width / height)
        if abs(aspect - 1) > _ASPECT:
            raise BenchError(
                f"{file}: the mask is {levels.shape[0]}×{levels.shape[1]} (H×W), its picture "
                f"{height}×{width}, of another aspect"
            )
        levels = cv2.resize(levels, (width, height), interpolation=cv2.INTER_NEAREST)
    return Mask.from_dense(levels.astype(bool))
