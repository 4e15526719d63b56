"""COCO's panoptic format: one JSON beside a folder of pictures and a folder of PNGs of segments.

::

    <site.datasets>/
      coco/
        annotations/
          panoptic_val2017.json             annotations="coco/annotations/panoptic_val2017.json"
          panoptic_val2017/                 segments="coco/annotations/panoptic_val2017"
            000000000139.png                annotations[].file_name
        val2017/000000000139.jpg            images="coco/val2017", images[].file_name

A pixel's colour is its segment's id, R + 256·G + 65536·B; 0 is void, no segment. An annotation is
an image: ``{"image_id", "file_name", "segments_info": [{"id", "category_id", "area", "bbox",
"iscrowd"}]}``; a category has ``isthing``.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from bench.data.abilities import Category
from bench.data.formats.coco_file import area_of, box_of
from bench.data.formats.files import (
    check_inside,
    check_sizes,
    hash_files,
    locate_file,
    locate_folder,
    require_some,
    unlisted_files,
)
from bench.data.formats.json_lists import read_object
from bench.data.formats.labels import masks_of_values
from bench.data.formats.pictures import Exif, LabelArray, look_at, read_labels, read_picture
from bench.data.oddities import Oddity, Tally
from bench.files.documents import decode_json, value_at
from bench.files.names import id_order
from bench.files.text import visible_line
from bench.types import MAX_PIXELS, BenchError, Mask, Sample, Site, Target

Void: TypeAlias = Literal["ignore", "background"]
"""What pixels of no segment are."""

VOID, _MOST = 0, (1 << 24) - 1


class CocoPanoptic:
    """Reads things and stuff as targets, one for each entry of ``segments_info``.

    ``annotations`` is the JSON file, ``images`` the folder of pictures and ``segments`` that of
    PNGs, all relative to ``site.datasets`` unless absolute. Ids are the images' that have an
    annotation; panopticapi leaves the others out too. ``stuff`` false leaves out segments of
    categories that are no things.

    Pixels of no segment count in no score with ``void`` "ignore", as in panopticapi's IoU, and are
    plain background with "background". ``exif`` turns pictures, never segments.

    ``category`` is the category's name; ``attributes`` say of each whether it is ``thing`` or
    ``stuff``. ``bbox`` and ``area`` are kept beside the mask as the file writes them. A segment
    without a pixel is an empty target.

    Raises ``BenchError`` where a file, folder or key is missing, an id is there twice or no number
    of a colour, an annotation refers to an unknown image or category, or none of the first
    pictures or PNGs lies in its folder.
    """

    def __init__(
        self,
        annotations: str,
        images: str,
        segments: str,
        *,
        site: Site,
        stuff: bool = True,
        void: Void = "ignore",
        exif: Exif = "ignore",
    ) -> None:
        if void not in ("ignore", "background"):
            raise BenchError(f"void must be 'ignore' or 'background', found {void!r}")
        self._file = locate_file(annotations, site)
        self._folder = locate_folder(images, site)
        self._segments = locate_folder(segments, site)
        self._stuff, self._void = stuff, void
        self.exif: Exif = exif
        self._most = site.max_pixels
        self._listed = PanopticFile(self._file, self._segments, pixel_limit=self._most)
        self._ids = sorted(self._listed.annotated, key=id_order)
        if not self._ids:
            raise BenchError(f"{self._file}: 'annotations' is empty, there is nothing to measure")
        first = self._ids
        pictures, names = self._listed.pictures, self._listed.annotated
        require_some(self._folder, [pictures[one] for one in first], self._file.name)
        require_some(self._segments, [names[one].name for one in first], self._file.name)

    def ids(self) -> Sequence[str]:
        """The annotated images' ids as text: numbers first and by value, then by characters."""
        return list(self._ids)

    def read(self, image_id: str) -> Sample:
        """The picture and its segments in the file's order; ``mask_id`` is "<image_id>/<id>".

        Raises ``BenchError`` naming the file that can't be read, isn't of the picture's size, is no
        PNG of colours, or has a colour that ``segments_info`` doesn't list.
        """
        self._check_known(image_id)
        picture, file = self.path(image_id), self._listed.path(image_id)
        image = read_picture(picture, exif=self.exif, pixel_limit=self._most)
        labels = self._listed.labels(image_id)
        height, width = labels.shape
        check_sizes(image, picture, (height, width), file)
        masks = dict(masks_of_values(labels, skip=[VOID]))
        infos = self._listed.infos(image_id)
        self._listed.check_listed(image_id, masks)
        targets = [
            Target(
                f"{image_id}/{info['id']}",
                masks.get(info["id"]) or Mask.empty(height, width),
                category=category.name,
                crowd=bool(info.get("iscrowd", 0)),
                attributes={"kind": str(category.kind)},
                file_box=box_of(info.get("bbox")),
                file_area=area_of(info.get("area")),
            )
            for info, category in self._counted(infos)
        ]
        return Sample(image_id, image, targets, labels == VOID if self._void == "ignore" else None)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the JSON's content and of the names and sizes of pictures and PNGs."""
        chosen = self._ids if image_ids is None else image_ids
        named = [self._listed.annotated[i].name for i in chosen]
        content, shown = self._listed.content, self._listed.pictures
        pictures = hash_files(content, self._folder, (shown[one] for one in chosen))
        return hash_files(pictures, self._segments, named)

    def files_of(self, image_id: str) -> Sequence[Path]:
        """The picture and its PNG; the JSON's content is in the fingerprint."""
        return [self.path(image_id), self._listed.path(image_id)]

    def path(self, image_id: str) -> Path:
        """Where the picture should lie."""
        return self._folder / self._listed.pictures[image_id]

    def mask_count(self, image_id: str) -> int:
        """How many segments of the image are no crowd, of those that count."""
        infos = self._listed.infos(image_id)
        return sum(not info.get("iscrowd", 0) for info, _ in self._counted(infos))

    def categories(self) -> Mapping[int | str, Category]:
        """The file's, by their ids."""
        return dict(self._listed.categories)

    def oddities(self) -> Sequence[Oddity]:
        """Missing and unlisted files, images without an annotation or without segments."""
        tally = Tally()
        annotated, pictures = self._listed.annotated, self._listed.pictures
        for image_id in annotated:
            if not self.path(image_id).is_file():
                tally.add("picture is missing", pictures[image_id], breaks=True)
            if not self._listed.path(image_id).is_file():
                tally.add("PNG of segments is missing", annotated[image_id].name, breaks=True)
            if not self._listed.infos(image_id):
                tally.add("image without segments", image_id)
        for image_id in pictures.keys() - annotated.keys():
            tally.add("image without annotations, left out", image_id)
        for name in unlisted_files(self._segments, {one.name for one in annotated.values()}):
            tally.add("PNG that no annotation names, left out", name)
        return tally.oddities()

    def _check_known(self, image_id: str) -> None:
        if image_id not in self._listed.annotated:
            raise BenchError(f"{self._file}: there is no annotated image with the id {image_id!r}")

    def _counted(
        self, infos: Sequence[Mapping[str, Any]]
    ) -> Sequence[tuple[Mapping[str, Any], Category]]:
        """The segments that are targets, with their categories."""
        known = self._listed.categories
        pairs = [(info, known[info["category_id"]]) for info in infos]
        return [pair for pair in pairs if self._stuff or pair[1].kind == "thing"]


@dataclass(frozen=True, slots=True)
class Annotated:
    """The ``name`` of an annotated image's PNG, and where its annotation stands in the JSON."""

    name: str
    place: int


class PanopticFile:
    """A panoptic JSON and its folder of PNGs, be it of truth or of predictions.

    ``categories`` are the file's own, and ``pictures`` the names of its images' pictures by their
    ids, unless ``categories`` and ``images`` (ids) are given, for a file that lists neither.
    ``annotated`` goes by the image's id, ``content`` is a hash of the JSON. Raises ``BenchError``
    as ``CocoPanoptic`` does.
    """

    def __init__(
        self,
        file: Path,
        segments: Path,
        *,
        pixel_limit: int = MAX_PIXELS,
        categories: Mapping[int | str, Category] | None = None,
        images: Collection[str] | None = None,
    ) -> None:
        self._file, self._segments, self._most = file, segments, pixel_limit
        written = file.read_bytes()
        self.content = hashlib.sha256(written).hexdigest()
        places = array("q")
        try:
            self._text = decode_json(written)
            content = read_object(self._text, {"annotations": lambda at, _: places.append(at)})
        except ValueError as error:
            raise BenchError(f"{file}: not a JSON file: {error}") from None
        _list(file, content, "annotations")
        self.categories = _categories(file, content) if categories is None else categories
        self.pictures = _images(file, content) if images is None else {}
        known = self.pictures.keys() if images is None else images
        self.annotated: dict[str, Annotated] = {}
        unknown: list[str] = []
        for place in places:
            image_id, found = self._annotated_image(place)
            if image_id not in known:
                unknown.append(image_id)
            if image_id in self.annotated:
                raise BenchError(f"{file}: image {image_id} is annotated twice")
            self.annotated[image_id] = found
        if unknown:
            lists = "'images' does not list" if images is None else "the dataset does not have"
            more = f" ({len(unknown)} such annotations)" if len(unknown) > 1 else ""
            raise BenchError(
                f"{file}: an annotation refers to image {unknown[0]}, which {lists}{more}"
            )

    def path(self, image_id: str) -> Path:
        """Where the PNG of an annotated image should lie."""
        return self._segments / self.annotated[image_id].name

    def infos(self, image_id: str) -> Sequence[Mapping[str, Any]]:
        """An annotation's segments, parsed anew."""
        entry = value_at(self._text, self.annotated[image_id].place)[0]
        infos: Sequence[Mapping[str, Any]] = entry["segments_info"]
        return infos

    def labels(self, image_id: str) -> LabelArray:
        """The (H, W) ids of a PNG: R + 256·G + 65536·B, as panopticapi's ``rgb2id``.

        Raises ``BenchError`` naming the file that can't be read or is no PNG of colours.
        """
        file = self.path(image_id)
        kind = look_at(file).kind
        if not kind.endswith((" RGB", " RGBA")):
            raise BenchError(f"{file}: segments are the colours of an RGB picture, found {kind}")
        packed = read_labels(file, pixel_limit=self._most)
        ids: LabelArray = (packed & 255) << 16 | packed & 0xFF00 | packed >> 16
        return ids

    def check_listed(self, image_id: str, seen: Iterable[int]) -> None:
        """Raises ``BenchError`` for ids in a PNG that ``segments_info`` doesn't list."""
        known = {info["id"] for info in self.infos(image_id)} | {VOID}
        if unknown := [value for value in seen if value not in known]:
            raise BenchError(
                f"{self.path(image_id)}: the segment {unknown[0]} isn't listed in 'segments_info' "
                f"of image {image_id} in {self._file.name}"
            )

    def _annotated_image(self, place: int) -> tuple[str, Annotated]:
        """An annotation's image and names, all of it checked."""
        entry = value_at(self._text, place)[0]
        if not isinstance(entry, dict) or not isinstance(entry.get("segments_info"), list):
            raise BenchError(
                f"{self._file}: a panoptic annotation has 'image_id', 'file_name' and a list "
                f"'segments_info', found {str(entry)[:80]}"
            )
        image_id, name = str(entry.get("image_id")), entry.get("file_name")
        if not isinstance(name, str) or not name:
            raise BenchError(f"{self._file}: the annotation of image {image_id} has no 'file_name'")
        check_inside(name, f"{self._file}: annotation of image {image_id}: 'file_name'")
        seen: set[int] = set()
        for info in entry["segments_info"]:
            self._check_info(image_id, info, seen)
        return image_id, Annotated(name, place)

    def _check_info(self, image_id: str, info: Any, seen: set[int]) -> None:
        where = f"{self._file}: image {image_id}"
        own = info.get("id") if isinstance(info, dict) else None
        if type(own) is not int or not VOID < own <= _MOST:
            raise BenchError(
                f"{where}: a segment's 'id' is a whole number from 1 to {_MOST}, found "
                f"{str(info)[:80]}"
            )
        if own in seen:
            raise BenchError(f"{where}: the segment {own} is listed twice")
        seen.add(own)
        if type(info.get("iscrowd", 0)) not in (int, bool) or info.get("iscrowd", 0) not in (0, 1):
            raise BenchError(f"{where}: the segment {own} has an 'iscrowd' that isn't 0 or 1")
        category = info.get("category_id")
        if type(category) not in (int, str) or category not in self.categories:
            raise BenchError(
                f"{where}: the segment {own} refers to category "
                f"{visible_line(repr(category))[:40]}, which 'categories' does not list"
            )


def _categories(file: Path, content: Mapping[str, Any]) -> dict[int | str, Category]:
    found: dict[int | str, Category] = {}
    for entry in _list(file, content, "categories"):
        own: Any = entry.get("id")
        name = entry.get("name")
        if type(own) not in (int, str) or type(name) not in (int, str):
            raise BenchError(
                f"{file}: every entry of 'categories' has 'id' and 'name', found {str(entry)[:80]}"
            )
        if own in found:
            raise BenchError(f"{file}: the id {own} is in 'categories' more than once")
        if entry.get("isthing") not in (0, 1):
            raise BenchError(f"{file}: category {own} has no 'isthing' of 0 or 1")
        found[own] = Category(str(name), "thing" if entry["isthing"] else "stuff")
    return found


def _images(file: Path, content: Mapping[str, Any]) -> dict[str, str]:
    """Each image's picture, by its id as text."""
    found: dict[str, str] = {}
    for entry in _list(file, content, "images"):
        own, name = entry.get("id"), entry.get("file_name")
        if type(own) not in (int, str) or own == "" or not isinstance(name, str) or not name:
            raise BenchError(
                f"{file}: every entry of 'images' has 'id' and 'file_name', found {str(entry)[:80]}"
            )
        if str(own) in found:
            raise BenchError(f"{file}: the id {own} is in 'images' more than once")
        check_inside(name, f"{file}: image {own}: 'file_name'")
        found[str(own)] = name
    return found


def _list(file: Path, content: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    written = content.get(key)
    if not isinstance(written, list) or not all(isinstance(entry, dict) for entry in written):
        there = ", ".join(sorted(map(str, content))[:8]) or "none"
        raise BenchError(
            f"{file}: a panoptic file is an object with a list {key!r} of objects; found the keys: "
            f"{there}"
        )
    return written
