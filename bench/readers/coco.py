"""COCO's JSON of annotations beside a folder of pictures.

::

    <site.datasets>/
      coco/
        annotations/
          instances_val2017.json    annotations="coco/annotations/instances_val2017.json"
        val2017/                    images="coco/val2017"
          000000000139.jpg          images[].file_name, may lie in sub-folders
          …
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from bench.documents import parse_json
from bench.readers.files import check_inside, hash_files, id_order, locate_file, locate_folder
from bench.readers.pictures import Exif, read_picture
from bench.readers.segmentation import decode_segmentation
from bench.types import BenchError, ImageArray, Sample, Site, Target

Entry: TypeAlias = Mapping[str, Any]

_TRIED = 20  # pictures that are looked for before the whole folder is called wrong


class Coco:
    """Reads a COCO file: polygons, RLE strings and RLE lists, crowds included.

    ``annotations`` is the JSON file and ``images`` the folder that ``file_name`` starts from, both
    relative to ``site.datasets`` unless absolute. ``exif`` "apply" turns pictures by their EXIF
    orientation; COCO's masks lie on the stored pixels, hence the default. ``strip`` is cut off
    where a ``file_name`` begins with it (LVIS v0.5 writes ``COCO_val2014_000000266409.jpg`` for
    ``000000266409.jpg``).

    Every image is an id, those without annotations too. Every annotation is a target: crowds
    (``iscrowd``, false where it is missing) as such, an empty ``segmentation`` and polygons of
    fewer than three points as an empty mask. Box and area are always the mask's own, never the
    file's. ``category`` is the category's name, none in a file without ``categories``;
    ``attributes`` are the annotation's own, as text, without those that are null.

    The JSON is parsed once, when opened; pictures and masks are decoded in ``read``. Raises
    ``BenchError`` where a file, folder or key is missing, an id is missing, of a wrong type or
    there twice, or an annotation refers to an unknown image or category.
    """

    def __init__(
        self,
        annotations: str,
        images: str,
        *,
        site: Site,
        exif: Exif = "ignore",
        strip: str = "",
    ) -> None:
        self._file = locate_file(annotations, site)
        self._folder = locate_folder(images, site)
        self._exif: Exif = exif
        self._most = site.max_pixels
        written = self._file.read_bytes()
        self._content = hashlib.sha256(written).hexdigest()
        content = _parse(self._file, written)
        self._images = {
            _id(self._file, "images", image, "id"): image
            for image in _unique(self._file, "images", content["images"])
        }
        if not self._images:
            raise BenchError(f"{self._file}: 'images' is empty, there is nothing to measure")
        self._names = {
            image_id: _file_name(self._file, image).removeprefix(strip)
            for image_id, image in self._images.items()
        }
        for image_id, name in self._names.items():
            check_inside(name, f"{self._file}: image {image_id}: 'file_name'")
        self._categories = _categories(self._file, content)
        self._annotations = self._by_image(content["annotations"])
        self._ids = sorted(self._images, key=id_order)
        self._check_folder()

    def ids(self) -> Sequence[str]:
        """The images' ids as text: numbers first and by value, then others by their characters."""
        return list(self._ids)

    def read(self, image_id: str) -> Sample:
        """The picture and its targets, in the file's order; ``mask_id`` is the annotation's id.

        Raises ``BenchError`` naming the file where the picture can't be read or its size is not
        the one that the JSON says, and where a segmentation can't be decoded.
        """
        image = self._picture(image_id)
        height, width = image.shape[:2]
        targets = [
            self._target(annotation, height, width)
            for annotation in self._annotations.get(image_id, [])
        ]
        return Sample(image_id, image, targets)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the JSON's content and of the pictures' names and sizes in bytes."""
        ids = self._ids if image_ids is None else image_ids
        return hash_files(self._content, self._folder, (self._names[i] for i in ids))

    def entry(self, image_id: str) -> Entry:
        """The image's own entry in the JSON; raises ``BenchError`` for an unknown id."""
        if image_id not in self._images:
            raise BenchError(f"{self._file}: there is no image with the id {image_id!r}")
        return self._images[image_id]

    def path(self, image_id: str) -> Path:
        """Where the image's picture should lie."""
        self.entry(image_id)
        return self._folder / self._names[image_id]

    def _picture(self, image_id: str) -> ImageArray:
        entry, path = self.entry(image_id), self.path(image_id)
        image = read_picture(path, exif=self._exif, pixel_limit=self._most)
        height, width = image.shape[:2]
        said = entry.get("height", height), entry.get("width", width)
        if said != (height, width):
            raise BenchError(
                f"{path}: the picture is {height}×{width} (H×W), {self._file.name} says "
                f"{said[0]}×{said[1]} for image {image_id}"
            )
        return image

    def _target(self, annotation: Entry, height: int, width: int) -> Target:
        mask_id = str(annotation["id"])
        try:
            mask = decode_segmentation(annotation["segmentation"], height, width)
        except ValueError as error:
            raise BenchError(f"{self._file}: annotation {mask_id}: {error}") from None
        category = annotation.get("category_id") if self._categories else None
        return Target(
            mask_id,
            mask,
            category=None if category is None else self._categories[category],
            crowd=bool(annotation.get("iscrowd", 0)),
            attributes=_attributes(annotation.get("attributes")),
        )

    def _by_image(self, annotations: Sequence[Any]) -> dict[str, list[Entry]]:
        """The annotations of each image, checked."""
        found: dict[str, list[Entry]] = {}
        for annotation in _unique(self._file, "annotations", annotations):
            mask_id = annotation["id"]
            if "segmentation" not in annotation:
                raise BenchError(
                    f"{self._file}: annotation {mask_id} has no 'segmentation'; a file of boxes, "
                    f"captions or keypoints alone has no masks to measure"
                )
            image_id = _id(self._file, "annotations", annotation, "image_id")
            if image_id not in self._images:
                raise BenchError(
                    f"{self._file}: annotation {mask_id} refers to image {image_id}, which "
                    f"'images' does not list"
                )
            category = annotation.get("category_id")
            if (
                self._categories
                and category is not None
                and (type(category) not in (int, str) or category not in self._categories)
            ):
                raise BenchError(
                    f"{self._file}: annotation {mask_id} refers to category {category}, which "
                    f"'categories' does not list"
                )
            crowd = annotation.get("iscrowd", 0)
            if not isinstance(crowd, int) or crowd not in (0, 1):
                raise BenchError(
                    f"{self._file}: annotation {mask_id} has 'iscrowd' "
                    f"{str(crowd)[:40]!r}, expected 0 or 1"
                )
            found.setdefault(image_id, []).append(annotation)
        return found

    def _check_folder(self) -> None:
        """One missing picture is that image's error, none at all means a wrong folder."""
        tried = [self.path(image_id) for image_id in self._ids[:_TRIED]]
        if not any(path.is_file() for path in tried):
            raise BenchError(
                f"{self._folder}: none of the first {len(tried)} pictures of {self._file.name} is "
                f"here, {tried[0].name!r} for one; is this the right folder of images?"
            )


def _parse(file: Path, written: bytes) -> dict[str, Any]:
    """The JSON's top level, with its lists ``images`` and ``annotations``."""
    try:
        content = parse_json(written)
    except ValueError as error:
        raise BenchError(f"{file}: not a JSON file: {error}") from None
    if not isinstance(content, dict):
        raise BenchError(f"{file}: a COCO file is an object, found {type(content).__name__}")
    for key in ("images", "annotations"):
        if not isinstance(content.get(key), list):
            found = ", ".join(sorted(content)[:8]) or "none"
            raise BenchError(f"{file}: a COCO file has a list {key!r}; found the keys: {found}")
    return content


def _unique(file: Path, key: str, entries: Sequence[Any]) -> Sequence[Entry]:
    """The entries of a list, all of them objects whose ids as text differ."""
    seen: set[str] = set()
    for entry in entries:
        own = _id(file, key, entry, "id")
        if own in seen:
            raise BenchError(f"{file}: the id {own} is in {key!r} more than once")
        seen.add(own)
    return entries


def _id(file: Path, key: str, entry: Any, name: str) -> str:
    """An id as text; it must be a whole number or a text that isn't empty."""
    own = entry.get(name) if isinstance(entry, dict) else None
    if isinstance(own, bool) or not isinstance(own, int | str) or own == "":
        raise BenchError(
            f"{file}: every entry of {key!r} has a number or text {name!r}, found {str(entry)[:80]}"
        )
    return str(own)


def _file_name(file: Path, image: Entry) -> str:
    name = image.get("file_name")
    if not isinstance(name, str) or not name:
        raise BenchError(f"{file}: image {image['id']} has no 'file_name'")
    return name


def _categories(file: Path, content: Entry) -> dict[Any, str]:
    """Names by id; empty where the file has no categories."""
    found: dict[Any, str] = {}
    entries = content.get("categories") or []
    for entry in entries if isinstance(entries, list) else [entries]:
        own = entry.get("id") if isinstance(entry, dict) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        if type(own) not in (int, str) or type(name) not in (int, str):
            raise BenchError(
                f"{file}: every entry of 'categories' has 'id' and 'name', found {str(entry)[:80]}"
            )
        if own in found:
            raise BenchError(f"{file}: the id {own} is in 'categories' more than once")
        found[own] = str(name)
    return found


def _attributes(written: object) -> dict[str, str]:
    """Key → text; what isn't text is written as in JSON, nulls are left out."""
    if not isinstance(written, Mapping):
        return {}
    return {
        str(key): value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in written.items()
        if value is not None
    }
