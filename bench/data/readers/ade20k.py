"""ADE20K, objects and their parts, in the layouts of 2016 and of 2021.

::

    <site.datasets>/
      ADE20K_2021_17_01/                     folder="ADE20K_2021_17_01/images/ADE/validation"
        images/ADE/validation/<scenes…>/
          ADE_val_00000001.jpg
          ADE_val_00000001.json              2021: the objects' names
          ADE_val_00000001_atr.txt           2016: the objects' names
          ADE_val_00000001_seg.png           objects: class and instance of each pixel
          ADE_val_00000001_parts_1.png       parts of objects; _parts_2.png parts of parts, …

Of a pixel (R, G, B) in a ``_seg`` or ``_parts`` picture the class is ``R // 10 * 256 + G``, and B
the instance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.data.formats.files import check_sizes, read_json
from bench.data.formats.labels import masks_of_values
from bench.data.formats.pairs import PairedFiles, Pairs
from bench.data.formats.pictures import LabelArray, read_labels, read_picture
from bench.data.oddities import Oddity
from bench.files.text import lines_of
from bench.types import BenchError, Sample, Site, Target


class Ade20k(PairedFiles):
    """Reads ADE20K's objects and, with ``parts``, its parts of every level, as targets.

    ``folder`` is relative to ``site.datasets`` unless absolute; ``images`` and ``labels`` are
    patterns inside it (``bench.data.formats.patterns``). Pixels of equal class and B are one
    target: B alone repeats where there are more than 255 objects. Objects are the visible pixels,
    not the amodal masks of the 2021 release. Black pixels are nothing.

    ``attributes`` hold the ``level``, "object" or "part", and of parts the ``part_level``.
    ``category`` is the class's name, from the picture's JSON or ``_atr.txt``; none where neither
    names it.

    Raises ``BenchError`` as ``Pairs`` does.
    """

    def __init__(
        self,
        folder: str,
        images: str = "**/{id}.jpg",
        labels: str = "**/{id}_seg.png",
        *,
        site: Site,
        parts: bool = True,
    ) -> None:
        self._most = site.max_pixels
        self._pairs = Pairs(folder, images, labels, site=site)
        self._parts: dict[str, list[Path]] = {
            image_id: _part_files(file) if parts else []
            for image_id, file in self._pairs.files.items()
        }

    def ids(self) -> Sequence[str]:
        """What stands for ``{id}``, such as ``ADE_val_00000001``."""
        return self._pairs.ids()

    def read(self, image_id: str) -> Sample:
        """The picture, its objects and then its parts, each level by rising class and B.

        ``mask_id`` is "<image_id>/<level>/<class>.<B>", level 0 for objects. Raises ``BenchError``
        naming the file that can't be read or isn't of the picture's size.
        """
        picture, file = self._pairs.of(image_id)
        image = read_picture(picture, pixel_limit=self._most)
        targets: list[Target] = []
        for level, path in enumerate([file, *self._parts[image_id]]):
            labels = _codes(read_labels(path, pixel_limit=self._most))
            check_sizes(image, picture, (labels.shape[0], labels.shape[1]), path)
            names = _names(picture, labels, level)
            attributes = {"level": "part" if level else "object"}
            if level:
                attributes["part_level"] = str(level)
            for code, mask in masks_of_values(labels, skip=[0]):
                mask_id = f"{image_id}/{level}/{code >> 8}.{code & 255}"
                targets.append(Target(mask_id, mask, names.get(code), attributes=attributes))
        return Sample(image_id, image, targets)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the names and sizes in bytes of the pictures and label images."""
        ids = self._pairs.ids() if image_ids is None else image_ids
        parts = [path for image_id in ids for path in self._parts[image_id]]
        return self._pairs.fingerprint(image_ids, parts)

    def files_of(self, image_id: str) -> Sequence[Path]:
        """The picture, its label images of every level, and the file that names their classes."""
        picture, file = self._pairs.of(image_id)
        named = [path for path in _naming(picture) if path.is_file()]
        return [picture, file, *self._parts[image_id], *named[:1]]

    def oddities(self) -> Sequence[Oddity]:
        """Pictures without labels, and those whose levels of parts have a gap."""
        tally = self._pairs.tally()
        for image_id, file in self._pairs.files.items():
            stem = file.name.removesuffix("_seg.png")
            levels = len(list(file.parent.glob(f"{stem}_parts_*.png")))
            if levels > len(_part_files(file)):
                tally.add("level of parts behind a missing one, left out", image_id)
        return tally.oddities()


def _part_files(file: Path) -> list[Path]:
    """The label images of parts, from level 1 to the last without a gap."""
    found: list[Path] = []
    while True:
        name = file.name.removesuffix("_seg.png") + f"_parts_{len(found) + 1}.png"
        if not (file.parent / name).is_file():
            return found
        found.append(file.parent / name)


def _codes(packed: LabelArray) -> LabelArray:
    """Class · 256 + B of each pixel, (H, W) int32; 0 for black."""
    red, green, blue = packed >> 16, packed >> 8 & 255, packed & 255
    codes: LabelArray = ((red // 10 * 256 + green) << 8 | blue).astype(np.int32)
    return codes


def _names(picture: Path, labels: LabelArray, level: int) -> Mapping[int, str]:
    """What each code of a level is called, as far as a file beside the picture says."""
    codes = [int(code) for code in np.unique(labels) if code]
    about, listed = _naming(picture)
    if about.is_file():
        by_class = _names_of_classes(about, level)
        return {code: by_class[code >> 8] for code in codes if code >> 8 in by_class}
    if listed.is_file():
        # In 2016 the instances of a level are numbered by rising B.
        by_number = _names_by_number(listed, level)
        order = sorted({code & 255 for code in codes})
        numbers = {blue: number for number, blue in enumerate(order, start=1)}
        named = {code: by_number.get(numbers[code & 255]) for code in codes}
        return {code: name for code, name in named.items() if name is not None}
    return {}


def _naming(picture: Path) -> tuple[Path, Path]:
    """Where the classes of a picture may be named, the first that is there counting."""
    return picture.with_suffix(".json"), picture.with_name(f"{picture.stem}_atr.txt")


def _names_of_classes(file: Path, level: int) -> dict[int, str]:
    content = read_json(file)
    try:
        return {
            int(thing["name_ndx"]): str(thing["name"])
            for thing in content["annotation"]["object"]
            if int(thing["parts"]["part_level"]) == level
        }
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BenchError(
            f"{file}: expected annotation.object[] with name, name_ndx and parts.part_level; "
            f"{type(error).__name__}: {error}"
        ) from None


def _names_by_number(file: Path, level: int) -> dict[int, str]:
    """Names by instance number, from lines ``number # level # occluded # class # name # …``."""
    names: dict[int, str] = {}
    for line in lines_of(file.read_text(encoding="utf-8", errors="replace")):
        fields = [field.strip() for field in line.split("#")]
        if len(fields) >= 4 and fields[0].isdecimal() and fields[1] == str(level):
            names[int(fields[0])] = fields[3]
    return names
