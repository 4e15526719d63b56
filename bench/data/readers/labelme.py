"""labelme: a JSON of shapes for each picture.

::

    <site.datasets>/
      mine/              folder="mine"
        a.jpg            images="{id}.jpg"; "{id}.*" for pictures of several endings
        a.json           annotations="{id}.json"

A JSON is ``{"imagePath", "imageHeight", "imageWidth", "imageData", "shapes": [{"label", "points":
[[x, y], …], "shape_type", "group_id", "description", "flags", "mask"}]}``; ``mask`` is a PNG in
base64.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from bench.data.formats.files import check_said_size, read_json, said_size
from bench.data.formats.outlines import check_outline, points_of
from bench.data.formats.pairs import PairedFiles, Pairs
from bench.data.formats.pictures import Exif, read_held_levels, read_picture, turn_remedy
from bench.data.formats.segmentation import SHARES, combine, lie_in_first_pixel
from bench.data.oddities import Oddity
from bench.types import BenchError, Mask, Sample, Site, Target

Points: TypeAlias = npt.NDArray[np.float64]

_MOST_CORNERS, _LONGEST_RADIUS = 100_000, 100_000
_OPEN = ("point", "points", "line", "linestrip")
"""Shapes that enclose nothing."""


class Labelme(PairedFiles):
    """Reads labelme's shapes, drawn as labelme's own tools draw them.

    ``folder`` is relative to ``site.datasets`` unless absolute; ``images`` and ``annotations`` are
    patterns inside it (``bench.data.formats.patterns``). The ids are what ``annotations`` finds;
    what a JSON holds of its picture (``imageData``, ``imagePath``) is not looked at.

    Polygons, rectangles, circles and masks are targets, points and lines empty ones, as are
    polygons of fewer than three points. A rectangle may have four corners, or be turned
    (``rotation``), as X-AnyLabeling writes it. Shapes of one label and one ``group_id`` are one
    target. ``category`` is the label; ``attributes`` are the flags and the description, where it
    isn't blank. Pictures are turned by their EXIF orientation, as labelme shows them; ``exif``
    "ignore" takes them as stored.

    Raises ``BenchError`` as ``Pairs`` does.
    """

    def __init__(
        self,
        folder: str,
        images: str = "{id}.jpg",
        annotations: str = "{id}.json",
        *,
        site: Site,
        exif: Exif = "apply",
        keep: Sequence[str] = (),
    ) -> None:
        self._most = site.max_pixels
        self.exif: Exif = exif
        self._pairs = Pairs(folder, images, annotations, site=site, keep=keep)

    def ids(self) -> Sequence[str]:
        """What stands for ``{id}``: numbers first and by value, then others by characters."""
        return self._pairs.ids()

    def read(self, image_id: str) -> Sample:
        """The picture and its objects in the file's order.

        ``mask_id`` is "<image_id>/<n>", n the place from 0 of the object's first shape. Raises
        ``BenchError`` naming the file that can't be read, is of another size than its picture, or
        has a shape that isn't known.
        """
        picture, file = self._pairs.of(image_id)
        image = read_picture(picture, exif=self.exif, pixel_limit=self._most)
        height, width = image.shape[:2]
        content = _content(file)
        told = said_size(content, "imageHeight", "imageWidth")
        said = {"height": told[0] or None, "width": told[1] or None}

        def remedy() -> str:
            return turn_remedy(picture, image.shape, tuple(said.values()), self.exif)

        check_said_size(image, picture, said, file, "it", remedy)
        targets = []
        for numbers in _objects(content["shapes"]):
            shapes = [content["shapes"][number] for number in numbers]
            masks = [
                self._mask(file, number, shape, height, width)
                for number, shape in zip(numbers, shapes, strict=True)
            ]
            targets.append(
                Target(
                    f"{image_id}/{numbers[0]}",
                    masks[0] if len(masks) == 1 else combine(masks, np.logical_or),
                    category=shapes[0]["label"],
                    attributes=_attributes(shapes[0]),
                )
            )
        return Sample(image_id, image, targets, cluster=self._pairs.cluster(image_id))

    def mask_count(self, image_id: str) -> int:
        """How many objects the image has."""
        return len(_objects(_content(self._pairs.files[image_id])["shapes"]))

    def oddities(self) -> Sequence[Oddity]:
        """Pictures without a JSON, JSONs that name another picture, shapes that enclose nothing."""
        tally = self._pairs.tally()
        for image_id, file in self._pairs.files.items():
            content = _content(file)
            named = content.get("imagePath")
            if isinstance(named, str) and PureWindowsPath(named).name != self.path(image_id).name:
                tally.add("JSON that names another picture, read all the same", file.name)
            if not content["shapes"]:
                tally.add("image without annotations", image_id)
            for number, shape in enumerate(content["shapes"]):
                place, kind = f"{file.name}, shape {number}", _kind(shape)
                if kind in _OPEN:
                    tally.add("point or line, an empty mask", place)
                elif kind != "mask" and kind not in _DRAWN:
                    tally.add("shape that isn't known", place, breaks=True)
                elif kind == "polygon" and len(shape["points"]) < 3:
                    tally.add("polygon of fewer than 3 points, an empty mask", place)
        return tally.oddities()

    def _mask(
        self, file: Path, number: int, shape: Mapping[str, Any], height: int, width: int
    ) -> Mask:
        try:
            kind, points = _kind(shape), points_of(shape["points"])
            if kind == "mask":
                return self._held(file, shape, points, height, width)
            if kind in _OPEN:
                return Mask.empty(height, width)
            if kind not in _DRAWN:
                raise ValueError(f"the shape {kind!r} is unknown")
            return _drawn(kind, points, height, width)
        except ValueError as error:
            raise BenchError(f"{file}: shape {number}: {error}") from None

    def _held(
        self, file: Path, shape: Mapping[str, Any], points: Points, height: int, width: int
    ) -> Mask:
        """A shape that holds its own mask, between two corners that are both in it."""
        if len(points) != 2 or not isinstance(shape.get("mask"), str):
            raise ValueError("a mask has two points, and a PNG in base64")
        try:
            written = base64.b64decode(shape["mask"], validate=True)
        except binascii.Error as error:
            raise ValueError(f"its mask is not base64: {error}") from None
        (x0, y0), (x1, y1) = points.astype(int).tolist()
        bits = read_held_levels(written, file, pixel_limit=self._most) > 0
        if bits.shape != (y1 - y0 + 1, x1 - x0 + 1):
            raise ValueError(
                f"its mask is {bits.shape[0]}×{bits.shape[1]} (H×W), its points enclose "
                f"{y1 - y0 + 1}×{x1 - x0 + 1}"
            )
        if min(x0, y0) < 0 or x1 >= width or y1 >= height:
            raise ValueError(f"its mask reaches beyond the picture of {height}×{width} (H×W)")
        return Mask.from_crop(bits, y0, x0, height, width)


def _rectangle(points: Points) -> Points:
    if len(points) == 4 and not all(len(np.unique(points[:, axis])) <= 2 for axis in (0, 1)):
        raise ValueError("a rectangle of four corners has two x and two y; is it a polygon?")
    if len(points) not in (2, 4):
        raise ValueError(f"a rectangle has two points, or four corners, found {len(points)}")
    return np.stack([points.min(axis=0), points.max(axis=0)])


def _circle(points: Points) -> Points:
    """The box around a circle that is given by its middle and a point on it."""
    if len(points) != 2:
        raise ValueError(f"a circle has two points, found {len(points)}")
    radius = float(np.hypot(*(points[1] - points[0])))
    if radius > _LONGEST_RADIUS:
        raise ValueError(f"a radius of {radius:.0f} pixels is beyond {_LONGEST_RADIUS}")
    return np.stack([points[0] - radius, points[0] + radius])


_DRAWN: Mapping[str, tuple[str, Callable[[Points], Points]]] = MappingProxyType(
    {
        "polygon": ("polygon", lambda points: points),
        "rotation": ("polygon", lambda points: points),
        "rectangle": ("rectangle", _rectangle),
        "circle": ("ellipse", _circle),
    }
)
"""What of Pillow draws each shape, and from which corners, as ``labelme.utils.shape_to_mask``."""


def _drawn(kind: str, points: Points, height: int, width: int) -> Mask:
    """The mask of a shape in ``_DRAWN``, its outline in it."""
    tool, corners_of = _DRAWN[kind]
    corners = corners_of(points)
    if len(corners) < (3 if tool == "polygon" else 2):
        return Mask.empty(height, width)
    if len(corners) > _MOST_CORNERS:
        raise ValueError(
            f"{len(corners)} corners are more than the {_MOST_CORNERS} that are drawn; simplify "
            f"the polygon"
        )
    if tool == "polygon":
        if lie_in_first_pixel([corners]):
            raise ValueError(SHARES)
        check_outline([corners], height, width)
    x0, y0 = np.clip(corners.min(axis=0).astype(int) - 1, 0, (width, height)).tolist()
    x1, y1 = np.clip(corners.max(axis=0).astype(int) + 1, 0, (width, height)).tolist()
    if x0 >= x1 or y0 >= y1:
        return Mask.empty(height, width)
    # From the picture's left side: Pillow rounds as it does there, but rows are whole numbers.
    canvas = Image.new("L", (x1, y1 - y0))
    xy = [(x, y - y0) for x, y in corners.tolist()]
    getattr(ImageDraw.Draw(canvas), tool)(xy, outline=1, fill=1)
    return Mask.from_crop(np.asarray(canvas)[:, x0:] != 0, y0, x0, height, width)


def _content(file: Path) -> Mapping[str, Any]:
    content = read_json(file)
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(shapes, list):
        raise BenchError(f"{file}: a labelme file has a list 'shapes', found {str(content)[:60]}")
    for number, shape in enumerate(shapes):
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            raise BenchError(f"{file}: shape {number} has no text 'label'")
        if not isinstance(shape.get("points"), list):
            raise BenchError(f"{file}: shape {number} has no list 'points'")
        if type(shape.get("group_id")) not in (int, str, type(None)):
            raise BenchError(f"{file}: shape {number} has a 'group_id' that is no number")
    return content


def _kind(shape: Mapping[str, Any]) -> str:
    """The shape's type; a polygon where the file, as old ones, names none."""
    kind = shape.get("shape_type")
    return "polygon" if kind is None else str(kind)[:40]


def _objects(shapes: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """The places of each object's shapes, by its first: those of one label and group are one."""
    found: dict[tuple[object, ...], list[int]] = {}
    for number, shape in enumerate(shapes):
        group = shape.get("group_id")
        key = (number,) if group is None else (shape["label"], type(group), group)
        found.setdefault(key, []).append(number)
    return list(found.values())


def _attributes(shape: Mapping[str, Any]) -> dict[str, str]:
    """The shape's flags as text, and its description where it isn't blank."""
    flags = shape.get("flags")
    said = {str(k): json.dumps(v) for k, v in flags.items()} if isinstance(flags, dict) else {}
    description = shape.get("description")
    if isinstance(description, str) and description.strip():
        said["description"] = description
    return said
