"""One label image per picture, in which every object has a value of its own.

::

    <site.datasets>/
      VOC2012/                           folder="VOC2012"
        JPEGImages/<id>.jpg              images="JPEGImages/{id}.jpg"
        SegmentationObject/<id>.png      labels="SegmentationObject/{id}.png"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from bench.data.formats.files import hash_files, locate_folder
from bench.data.formats.labels import (
    components,
    find_boxes,
    masks_of_values,
    pixels_of_values,
)
from bench.data.formats.patterns import (
    check_patterns,
    cluster_of,
    find_chosen,
    find_partners,
    strays,
)
from bench.data.formats.pictures import (
    Exif,
    LabelArray,
    read_labels,
    read_levels,
    read_picture,
    turn_remedy,
)
from bench.data.oddities import Oddity, Tally
from bench.types import BenchError, Sample, Site, Target

Value: TypeAlias = int | str | Sequence[int]
"""A value of a label image: a number, or a colour as "r,g,b" or [r, g, b]."""

Others: TypeAlias = Literal["target", "ignore", "refuse"]
"""What a value without a name is."""


class LabelImage:
    """Reads label images of 8 or 16 bits, of palette indices or of RGB colours.

    ``folder`` is relative to ``site.datasets`` unless absolute; ``images`` and ``labels`` are
    patterns inside it, in which ``{id}`` is the image's id and ``*``, ``?`` and ``**/`` are those
    of a shell (``bench.data.formats.patterns``). The ids are what ``labels`` finds, or those of the
    list file ``listed``, of them those that a shell pattern in ``keep`` matches; pictures without
    labels are left out.

    Every value is one target, but for those in ``background``, which are nothing, and those in
    ``ignore``, which become ``Sample.ignore``. ``split_components`` makes one target of each
    8-connected part of a value (for semantic labels). ``categories`` names values; ``others`` says
    what values without a name are: a "target", "ignore", or "refuse" them with an error. Values
    are numbers (palette images: the index) or colours, "r,g,b" or [r, g, b]. ``exif`` turns
    pictures, never labels. ``threshold`` is for files that hold one mask with soft edges each: what
    is brighter has the value 1, all else the value 0.

    Raises ``BenchError`` where the folder is missing, no label image is found, one has no
    picture, a listed one is missing, two files have the same id, or an argument isn't a value.
    """

    def __init__(
        self,
        folder: str,
        images: str,
        labels: str,
        *,
        site: Site,
        background: Sequence[Value] = (0,),
        ignore: Sequence[Value] = (),
        split_components: bool = False,
        categories: Mapping[int | str, str] | None = None,
        exif: Exif = "ignore",
        listed: str | None = None,
        keep: Sequence[str] = (),
        others: Others = "target",
        threshold: int | None = None,
    ) -> None:
        check_patterns(images, labels=labels)
        self._folder = locate_folder(folder, site)
        self._background = [_number(value) for value in background]
        self._ignore = [_number(value) for value in ignore]
        self._split = split_components
        self._categories = {_number(k): str(v) for k, v in (categories or {}).items()}
        self.exif: Exif = exif
        self.threshold = threshold
        self._most = site.max_pixels
        self._others: Others = others
        self._patterns = images, labels
        self._labels = find_chosen("label image", self._folder, labels, listed, keep, site)
        self._pictures = find_partners(self._folder, images, list(self._labels))
        lonely = [i for i, path in self._pictures.items() if not path.is_file()]
        if lonely:
            raise BenchError(
                f"{self._labels[lonely[0]]}: this label image has no picture that matches "
                f"{images!r} ({len(lonely)} of {len(self._labels)} have none)"
            )

    def ids(self) -> Sequence[str]:
        """What stands for ``{id}``: numbers first and by value, then others by characters."""
        return list(self._labels)

    def read(self, image_id: str) -> Sample:
        """The picture and one target per value, by rising value.

        ``mask_id`` is "<image_id>/<value>", a colour as R·65536 + G·256 + B; of split components
        "<image_id>/<value>.<n>", n from 0 in the order of their first pixels, row by row. Raises
        ``BenchError`` naming the file that can't be read or isn't of the picture's size.
        """
        if image_id not in self._labels:
            raise BenchError(f"{self._folder}: there is no image with the id {image_id!r}")
        image = read_picture(self._pictures[image_id], exif=self.exif, pixel_limit=self._most)
        file = self._labels[image_id]
        labels = self._read_labels(file)
        if labels.shape != image.shape[:2]:
            raise BenchError(
                f"{file}: the label image is {labels.shape[0]}×{labels.shape[1]} (H×W), its "
                f"picture {self._pictures[image_id].name} is {image.shape[0]}×{image.shape[1]}"
                f"{turn_remedy(self._pictures[image_id], image.shape, labels.shape, self.exif)}"
            )
        boxes = find_boxes(labels)
        self._refuse_below_zero(boxes, file)
        ignored = self._ignored(boxes, file)
        targets = []
        for value, mask in masks_of_values(labels, skip=[*self._background, *ignored], boxes=boxes):
            category = self._categories.get(value)
            if self._split:
                targets += [
                    Target(f"{image_id}/{value}.{n}", part, category)
                    for n, part in enumerate(components(mask))
                ]
            else:
                targets.append(Target(f"{image_id}/{value}", mask, category))
        ignore = pixels_of_values(labels, ignored, boxes) if ignored else None
        cluster = cluster_of(self._patterns[0], image_id)
        return Sample(image_id, image, targets, ignore, cluster)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the names and sizes in bytes of the pictures and label images."""
        names = [
            path.relative_to(self._folder).as_posix()
            for image_id in (self._labels if image_ids is None else image_ids)
            for path in (self._pictures[image_id], self._labels[image_id])
        ]
        return hash_files("", self._folder, names)

    def files_of(self, image_id: str) -> Sequence[Path]:
        """The picture and its label image."""
        return [self._pictures[image_id], self._labels[image_id]]

    def takes(self, value: int) -> bool:
        """Whether a pixel of the value belongs to an object."""
        known = self._others == "target" or value in self._categories
        return known and value not in self._background and value not in self._ignore

    def path(self, image_id: str) -> Path:
        """Where the image's picture lies."""
        return self._pictures[image_id]

    def oddities(self) -> Sequence[Oddity]:
        """Pictures without a label image; in a folder for several splits they belong to others."""
        tally = Tally()
        for name in strays(self._folder, self._patterns[0], self._pictures.values()):
            tally.add("picture without a label image, or of another split, left out", name)
        for name in strays(self._folder, self._patterns[1], self._labels.values()):
            tally.add("label image of another split, left out", name)
        return tally.oddities()

    def _read_labels(self, file: Path) -> LabelArray:
        if self.threshold is None:
            return read_labels(file, pixel_limit=self._most)
        brighter = read_levels(file, pixel_limit=self._most) > self.threshold
        labels: LabelArray = brighter.astype(np.int32)
        return labels

    def _refuse_below_zero(self, values: Iterable[int], file: Path) -> None:
        """A value below 0 is a tool's word for nothing or for unknown, and no object unsaid."""
        told = {*self._background, *self._ignore, *self._categories}
        for value in values:
            if value < 0 and value not in told:
                raise BenchError(
                    f"{file}: the value {value} is below 0; if it means nothing or unknown, list "
                    f"it in dataset.args.background or dataset.args.ignore"
                )

    def _ignored(self, values: Iterable[int], file: Path) -> list[int]:
        """The values that count in no score: those told, and others without a name."""
        if self._others == "target":
            return self._ignore
        known = {*self._background, *self._ignore, *self._categories}
        unnamed = [value for value in values if value not in known]
        if unnamed and self._others == "refuse":
            raise BenchError(
                f"{file}: the value {unnamed[0]} is none of {sorted(known)}; name it in "
                f"dataset.args.categories, or list it in background or ignore"
            )
        return [*self._ignore, *unnamed]


def _number(value: Value) -> int:
    """A value as the number that ``read_labels`` gives it.

    >>> _number(7), _number("7"), _number("1,0,2"), _number([1, 0, 2])
    (7, 7, 65538, 65538)
    """
    written: Sequence[int | str]
    if isinstance(value, int):
        written = [value]
    else:
        written = value.split(",") if isinstance(value, str) else value
    try:
        parts = [int(part) for part in written]
    except (TypeError, ValueError):
        parts = []
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 3 and all(0 <= part <= 255 for part in parts):
        return parts[0] << 16 | parts[1] << 8 | parts[2]
    raise BenchError(f"a label value is a number, 'r,g,b' or [r, g, b], found {value!r}")
