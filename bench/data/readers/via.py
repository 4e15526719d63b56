"""VGG Image Annotator's JSON, version 1 and 2, beside a folder of pictures.

::

    <site.datasets>/
      ndd20/
        ABOVE_LABELS.json     annotations=["ndd20/ABOVE_LABELS.json", "ndd20/BELOW_LABELS.json"]
        ABOVE/*.jpg           images=["ndd20/ABOVE", "ndd20/BELOW"]
        …

A file maps a picture's name and size, written together, to ``{"filename", "regions": …}``.
``regions`` is a list in version 2 and maps "0", "1", … in version 1; each has
``shape_attributes`` (the outline) and ``region_attributes``. A project file holds the same under
``_via_img_metadata``.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.data.formats.files import (
    check_inside,
    hash_files,
    locate_file,
    locate_folder,
    read_json,
    require_some,
    unlisted_files,
)
from bench.data.formats.pictures import Exif, read_picture
from bench.data.formats.segmentation import decode_segmentation
from bench.data.formats.spellings import settle_names
from bench.data.oddities import Oddity, Tally
from bench.files.names import id_order
from bench.types import BenchError, Sample, Site, Target


class Via:
    """Reads VIA annotations: one target per region.

    ``annotations`` and ``images`` are a JSON file and its folder of pictures, or as many of both,
    relative to ``site.datasets`` unless absolute. Ids are the pictures' file names; with several
    folders "<folder's name>/<file name>".

    Polygons and polylines (closed) are drawn as COCO's are, rectangles, circles and ellipses as
    polygons. A region without a shape, a point, and an outline of fewer than three points is an
    empty mask. ``category`` names the region attribute that is the category; the region's other
    attributes that aren't blank are the target's.

    Raises ``BenchError`` where a file, folder or key is missing, a picture is listed twice, a
    shape is unknown, or none of the first pictures is in its folder.
    """

    def __init__(
        self,
        annotations: str | Sequence[str],
        images: str | Sequence[str],
        *,
        site: Site,
        category: str | None = None,
        exif: Exif = "ignore",
    ) -> None:
        files = [annotations] if isinstance(annotations, str) else list(annotations)
        folders = [images] if isinstance(images, str) else list(images)
        if len(files) != len(folders) or not files:
            raise BenchError(f"as many annotations as images are needed: {files} and {folders}")
        self._category = category
        self.exif: Exif = exif
        self._most = site.max_pixels
        self._images: dict[str, _Image] = {}
        self._files = [locate_file(file, site) for file in files]
        self._folders = [locate_folder(folder, site) for folder in folders]
        for file, folder in zip(self._files, self._folders, strict=True):
            prefix = f"{folder.name}/" if len(files) > 1 else ""
            listed = list(_images(file, folder))
            names = settle_names(folder, [image.name for image in listed], file.name)
            found = {
                prefix + image.name: replace(image, picture=name)
                for image, name in zip(listed, names, strict=True)
            }
            if both := found.keys() & self._images.keys():
                raise BenchError(f"{file}: the picture {min(both)!r} is in another file too")
            require_some(folder, names, file.name)
            self._images |= found
        self._ids = sorted(self._images, key=id_order)
        self._content = hashlib.sha256(b"".join(file.read_bytes() for file in self._files))

    def ids(self) -> Sequence[str]:
        """The pictures' names, sorted."""
        return list(self._ids)

    def read(self, image_id: str) -> Sample:
        """The picture and its regions in the file's order; ``mask_id`` is "<image_id>/<key>".

        The key is a region's own in version 1, its place from 0 in version 2. Raises
        ``BenchError`` naming the file that can't be read.
        """
        if image_id not in self._images:
            raise BenchError(f"{self._files[0]}: there is no image with the id {image_id!r}")
        found = self._images[image_id]
        image = read_picture(found.folder / found.picture, exif=self.exif, pixel_limit=self._most)
        height, width = image.shape[:2]
        targets = []
        for key, region in found.regions:
            try:
                outline = _outline(region)
                mask = decode_segmentation([outline], height, width)
            except ValueError as error:
                raise BenchError(f"{found.file}: {found.name}, region {key}: {error}") from None
            attributes = _attributes(region)
            name = attributes.pop(self._category, None) if self._category else None
            targets.append(Target(f"{image_id}/{key}", mask, name, attributes=attributes))
        return Sample(image_id, image, targets)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the JSONs' content and of the pictures' names and sizes in bytes."""
        digest = self._content.hexdigest()
        chosen = [self._images[i] for i in (self._ids if image_ids is None else image_ids)]
        names = [[image.picture for image in chosen if image.folder == f] for f in self._folders]
        hashes = [hash_files(digest, f, n) for f, n in zip(self._folders, names, strict=True)]
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:16]

    def files_of(self, image_id: str) -> Sequence[Path]:
        """The picture; the JSONs' content is in the fingerprint."""
        return [self.path(image_id)]

    def path(self, image_id: str) -> Path:
        """Where the image's picture should lie."""
        image = self._images[image_id]
        return image.folder / image.picture

    def mask_count(self, image_id: str) -> int:
        """How many regions the image has."""
        return len(self._images[image_id].regions)

    def oddities(self) -> Sequence[Oddity]:
        """Missing and unlisted pictures, images without regions, outlines that enclose nothing."""
        tally = Tally()
        for image_id, image in self._images.items():
            if not (image.folder / image.picture).is_file():
                tally.add("picture is missing", image_id, breaks=True)
            if not image.regions:
                tally.add("image without annotations", image_id)
            for key, region in image.regions:
                if len(_outline(region)) < 6:
                    kind = "outline of fewer than 3 points, an empty mask"
                    tally.add(kind, f"{image_id}/{key}")
        for folder in self._folders:
            names = {image.picture for image in self._images.values() if image.folder == folder}
            for name in unlisted_files(folder, names):
                tally.add("picture that no annotation file lists, left out", name)
        return tally.oddities()


@dataclass(frozen=True, slots=True)
class _Image:
    """A picture's name and folder, its regions by key, and its file in the folder."""

    file: Path
    folder: Path
    name: str
    regions: Sequence[tuple[str, Mapping[str, Any]]]
    picture: str


def _images(file: Path, folder: Path) -> Iterator[_Image]:
    content = read_json(file)
    if isinstance(content, dict):
        content = content.get("_via_img_metadata", content)
    if not isinstance(content, dict) or not content:
        raise BenchError(f"{file}: a VIA file maps pictures to regions, found {str(content)[:60]}")
    seen: set[str] = set()
    for key, entry in content.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str):
            raise BenchError(f"{file}: the entry {key!r} has no 'filename'")
        name = entry["filename"]
        check_inside(name, f"{file}: 'filename'")
        if name in seen:
            raise BenchError(f"{file}: the picture {name!r} is there twice")
        seen.add(name)
        written = entry.get("regions") or []
        if not isinstance(written, dict | list):
            raise BenchError(f"{file}: {name}: 'regions' is a list or an object")
        pairs = written.items() if isinstance(written, dict) else enumerate(written)
        regions = [(str(number), region or {}) for number, region in pairs]
        for number, region in regions:
            if not isinstance(region, dict):
                raise BenchError(f"{file}: {name}, region {number} is no object")
            try:
                _outline(region)
            except ValueError as error:
                raise BenchError(f"{file}: {name}, region {number}: {error}") from None
        yield _Image(file, folder, name, regions, name)


def _outline(region: Mapping[str, Any]) -> list[float]:
    """A region's outline [x0, y0, x1, y1, …]; empty where it encloses nothing.

    Raises ``ValueError`` for an unknown shape, missing numbers, or more x than y.
    """
    shape = region.get("shape_attributes") or {}
    if not isinstance(shape, dict):
        raise ValueError("its 'shape_attributes' is no object")
    kind = shape.get("name")
    if kind in (None, "", "point"):
        return []
    try:
        if kind in ("polygon", "polyline"):
            xs, ys = shape.get("all_points_x") or [], shape.get("all_points_y") or []
            return [float(value) for point in zip(xs, ys, strict=True) for value in point]
        if kind == "rect":
            x, y, w, h = (float(shape[key]) for key in ("x", "y", "width", "height"))
            return [x, y, x + w, y, x + w, y + h, x, y + h]
        if kind in ("circle", "ellipse"):
            cx, cy = float(shape["cx"]), float(shape["cy"])
            rx = float(shape["r"] if kind == "circle" else shape["rx"])
            ry = rx if kind == "circle" else float(shape["ry"])
            turn = float(shape.get("theta", 0))
            return _ellipse(cx, cy, rx, ry, turn)
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"its {kind} lacks a number: {error}") from None
    raise ValueError(f"the shape {kind!r} is unknown")


def _ellipse(cx: float, cy: float, rx: float, ry: float, turn: float) -> list[float]:
    """The outline of an ellipse turned by ``turn`` radians, in 360 corners.

    >>> [round(side, 2) for side in _ellipse(10, 20, 4, 2, math.pi / 6)[:2]]
    [13.46, 22.0]
    """
    points = []
    for degree in range(360):
        angle = math.radians(degree)
        a, b = rx * math.cos(angle), ry * math.sin(angle)
        points.append(cx + a * math.cos(turn) - b * math.sin(turn))
        points.append(cy + a * math.sin(turn) + b * math.cos(turn))
    return points


def _attributes(region: Mapping[str, Any]) -> dict[str, str]:
    """The region's attributes as text, without blank ones."""
    written = region.get("region_attributes")
    if not isinstance(written, Mapping):
        return {}
    text = {
        str(key): value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in written.items()
        if value is not None
    }
    return {key: value for key, value in text.items() if value.strip()}
