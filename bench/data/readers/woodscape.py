"""WoodScape: fisheye pictures with one JSON of polygons each, stacked by their z-order.

::

    <site.datasets>/
      woodscape/                              folder="woodscape"
        rgb_images/00001_FV.png               images="rgb_images/{id}.png"
        instance_annotations/00001_FV.json    annotations="instance_annotations/{id}.json"

A JSON is ``{"00001_FV.json": {"image_width", "image_height", "annotation": [{"id", "tags",
"z_order", "states", "segmentation": [[x, y], …]}, …]}}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.formats.files import read_json
from bench.data.formats.outlines import COORDINATE_LIMIT, draw_outlines, points_of
from bench.data.formats.pairs import PairedFiles, Pairs
from bench.data.formats.pictures import read_picture
from bench.data.oddities import Oddity
from bench.types import BenchError, BoolArray, Mask, Sample, Site, Target


class WoodScape(PairedFiles):
    """Reads WoodScape's instance annotations as the authors' own scripts draw them.

    What has another number of tags than one is left out. Polygons are scaled from the JSON's size
    to the picture's. With ``occlude`` an object loses the pixels that objects of a higher
    ``z_order`` cover (of equal ones the later in the file); it may lose all and be empty.
    ``tags`` keeps only targets of these tags; the others still cover what lies below them.

    ``category`` is the tag. Raises ``BenchError`` as ``Pairs`` does.
    """

    def __init__(
        self,
        folder: str,
        images: str = "rgb_images/{id}.png",
        annotations: str = "instance_annotations/{id}.json",
        *,
        site: Site,
        occlude: bool = True,
        tags: Sequence[str] | None = None,
        keep: Sequence[str] = (),
    ) -> None:
        self._most = site.max_pixels
        self._pairs = Pairs(folder, images, annotations, site=site, keep=keep)
        self._occlude = occlude
        self._tags = None if tags is None else set(tags)

    def ids(self) -> Sequence[str]:
        """What stands for ``{id}``, such as ``00001_FV``."""
        return self._pairs.ids()

    def read(self, image_id: str) -> Sample:
        """The picture and its objects in the file's order.

        ``mask_id`` is "<image_id>/<n>", n the object's place in the file from 0. Raises
        ``BenchError`` naming the file that can't be read.
        """
        picture, file = self._pairs.of(image_id)
        image = read_picture(picture, pixel_limit=self._most)
        height, width = image.shape[:2]
        covered: BoolArray = np.zeros((height, width), dtype=bool)
        targets: dict[int, Target] = {}
        content = _content(file)
        scale = width / _size(file, content, "width"), height / _size(file, content, "height")
        objects = [(n, one) for n, one in _objects(file, content) if len(one["tags"]) == 1]
        for number, thing in sorted(objects, key=lambda o: (_order(o[1]), o[0]))[::-1]:
            try:
                outline = points_of(thing["segmentation"]) * scale
                mask = draw_outlines([outline], height, width)
            except ValueError as error:
                raise BenchError(f"{file}: object {number}: {error}") from None
            if self._occlude:
                mask = _uncovered(mask, covered)
            tag = str(thing["tags"][0])
            if self._tags is None or tag in self._tags:
                attributes = {"z_order": str(_order(thing))}
                targets[number] = Target(f"{image_id}/{number}", mask, tag, attributes=attributes)
        return Sample(image_id, image, [targets[number] for number in sorted(targets)])

    def mask_count(self, image_id: str) -> int:
        """How many objects of the image have one tag, of those that count."""
        file = self._pairs.files[image_id]
        tags = [thing["tags"] for _, thing in _objects(file, _content(file))]
        alone = [str(each[0]) for each in tags if len(each) == 1]
        return sum(self._tags is None or tag in self._tags for tag in alone)

    def oddities(self) -> Sequence[Oddity]:
        """Objects without exactly one tag, and polygons that enclose nothing."""
        tally = self._pairs.tally()
        for file in self._pairs.files.values():
            for number, thing in _objects(file, _content(file)):
                place = f"{file.name}, object {number}"
                if len(thing["tags"]) != 1:
                    tally.add("object without exactly one tag, left out", place)
                elif len(thing["segmentation"] or ()) < 3:
                    tally.add("polygon of fewer than 3 points, an empty mask", place)
        return tally.oddities()


def _uncovered(mask: Mask, covered: BoolArray) -> Mask:
    """What of a mask isn't covered yet; marks its pixels as covered."""
    h, w = mask.bits.shape
    window = covered[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w]
    visible = mask.bits & ~window
    window |= mask.bits
    return Mask.from_crop(visible, mask.y0, mask.x0, mask.height, mask.width)


def _content(file: Path) -> Mapping[str, Any]:
    content = read_json(file)
    entry = next(iter(content.values()), None) if isinstance(content, dict) else None
    if not isinstance(entry, dict) or not isinstance(entry.get("annotation"), list):
        raise BenchError(f"{file}: a WoodScape file holds one entry with a list 'annotation'")
    return entry


def _order(thing: Mapping[str, Any]) -> Any:
    found = thing.get("z_order")
    return 0 if found is None else found


def _size(file: Path, content: Mapping[str, Any], side: str) -> float:
    size = content.get(f"image_{side}")
    if not isinstance(size, int | float) or not 1 <= size <= COORDINATE_LIMIT:
        raise BenchError(f"{file}: image_{side} is a number of pixels, found {size!r}")
    return float(size)


def _objects(file: Path, content: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, thing in enumerate(content["annotation"]):
        if not isinstance(thing, dict) or not {"tags", "segmentation"} <= set(thing):
            raise BenchError(f"{file}: object {number} needs 'tags' and 'segmentation'")
        if not isinstance(thing["tags"], list) or type(_order(thing)) not in (int, float):
            raise BenchError(f"{file}: object {number}: 'tags' is a list, 'z_order' a number")
        if not isinstance(thing["segmentation"], list | None):
            raise BenchError(f"{file}: object {number}: 'segmentation' is a list of corners")
        yield number, thing
