"""SA-1B: a JSON of RLE masks beside each picture.

::

    <site.datasets>/
      sa_1b/               folder="sa_1b"
        sa_1.jpg           images="{id}.jpg"
        sa_1.json          annotations="{id}.json"

A JSON is ``{"image": {"image_id", "width", "height", "file_name"}, "annotations": [{"id",
"segmentation": {"size", "counts"}, "predicted_iou", "stability_score", …}]}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.data.formats.coco_file import area_of, box_of
from bench.data.formats.files import (
    check_said_size,
    read_json,
)
from bench.data.formats.pairs import PairedFiles, Pairs
from bench.data.formats.pictures import read_picture
from bench.data.formats.segmentation import decode_segmentation
from bench.data.oddities import Oddity
from bench.types import BenchError, Sample, Site, Target

_ATTRIBUTES = ("predicted_iou", "stability_score")


class Sa1b(PairedFiles):
    """Reads SA-1B: one target per annotation of a picture's JSON.

    ``folder`` is relative to ``site.datasets`` unless absolute; ``images`` and ``annotations`` are
    patterns inside it (``bench.data.formats.patterns``), ``{folder}/{id}.jpg`` for archives that
    were unpacked into folders of their own. The ids are what ``annotations`` finds. The model's own
    estimates of a mask are its attributes.

    Raises ``BenchError`` as ``Pairs`` does.
    """

    def __init__(
        self,
        folder: str,
        images: str = "{id}.jpg",
        annotations: str = "{id}.json",
        *,
        site: Site,
    ) -> None:
        self._most = site.max_pixels
        self._pairs = Pairs(folder, images, annotations, site=site)

    def ids(self) -> Sequence[str]:
        """What stands for ``{id}``, such as ``sa_1``."""
        return self._pairs.ids()

    def read(self, image_id: str) -> Sample:
        """The picture and its masks; ``mask_id`` is "<image_id>/<the annotation's id>".

        Raises ``BenchError`` naming the file that can't be read, lists an id twice, belongs to
        another picture or is of another size.
        """
        picture, file = self._pairs.of(image_id)
        image = read_picture(picture, pixel_limit=self._most)
        height, width = image.shape[:2]
        content = _content(file)
        said = content["image"]
        check_said_size(image, picture, said, file, "it")
        if said.get("file_name") not in (None, picture.name):
            raise BenchError(f"{file}: it belongs to {said['file_name']!r}, not {picture.name!r}")
        targets: dict[str, Target] = {}
        for annotation in content["annotations"]:
            mask_id = f"{image_id}/{annotation.get('id')}"
            if annotation.get("id") is None or mask_id in targets:
                raise BenchError(f"{file}: an annotation needs an id of its own, found {mask_id}")
            try:
                mask = decode_segmentation(annotation.get("segmentation"), height, width)
            except ValueError as error:
                raise BenchError(f"{file}: annotation {mask_id}: {error}") from None
            attributes = {
                k: str(annotation[k]) for k in _ATTRIBUTES if annotation.get(k) is not None
            }
            targets[mask_id] = Target(
                mask_id,
                mask,
                attributes=attributes,
                file_box=box_of(annotation.get("bbox")),
                file_area=area_of(annotation.get("area")),
            )
        return Sample(image_id, image, list(targets.values()))

    def mask_count(self, image_id: str) -> int:
        """How many annotations the image has."""
        return len(_content(self._pairs.files[image_id])["annotations"])

    def oddities(self) -> Sequence[Oddity]:
        """Pictures without a JSON."""
        return self._pairs.tally().oddities()


def _content(file: Path) -> Mapping[str, Any]:
    content = read_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("image"), dict):
        raise BenchError(f"{file}: an SA-1B file has 'image' and 'annotations'")
    annotations = content.get("annotations")
    if not isinstance(annotations, list) or not all(isinstance(a, dict) for a in annotations):
        raise BenchError(f"{file}: an SA-1B file has a list 'annotations' of objects")
    return content
