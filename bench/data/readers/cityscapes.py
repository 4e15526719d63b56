"""Cityscapes' panoptic truth, made from its instance label images.

::

    <site.datasets>/
      cityscapes/                                                          folder="cityscapes"
        leftImg8bit/val/<city>/<city>_<seq>_<frame>_leftImg8bit.png        images
        gtFine/val/<city>/<city>_<seq>_<frame>_gtFine_instanceIds.png      labels, 16 bit

A pixel of 1000 or more is instance ``value % 1000`` of class ``value // 1000``. One below is a
class without instances, or a group of a class that has some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bench.data.formats.files import check_sizes
from bench.data.formats.labels import masks_of_values
from bench.data.formats.pairs import PairedFiles, Pairs
from bench.data.formats.pictures import read_labels, read_picture
from bench.data.oddities import Oddity
from bench.types import BenchError, Sample, Site, Target

STUFF: Mapping[int, str] = MappingProxyType(
    {
        7: "road",
        8: "sidewalk",
        11: "building",
        12: "wall",
        13: "fence",
        17: "pole",
        19: "traffic light",
        20: "traffic sign",
        21: "vegetation",
        22: "terrain",
        23: "sky",
    }
)
"""Classes without instances that count in the official evaluation."""

THINGS: Mapping[int, str] = MappingProxyType(
    {
        24: "person",
        25: "rider",
        26: "car",
        27: "truck",
        28: "bus",
        31: "train",
        32: "motorcycle",
        33: "bicycle",
    }
)
"""Classes with instances that count in the official evaluation."""

IGNORED = frozenset({0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30, 65535})
"""Classes that don't count: their pixels belong to no target. 65535 is -1, license plates."""


class Cityscapes(PairedFiles):
    """Reads things and stuff as targets, groups as crowds, as the official conversion does.

    ``folder`` is relative to ``site.datasets`` unless absolute; ``images`` and ``labels`` are
    patterns inside it (``bench.data.formats.patterns``); ids are "<city>/<city>_<seq>_<frame>".
    Without ``stuff`` only classes with instances are targets. ``attributes`` say of each whether it
    is ``thing`` or ``stuff``.

    Raises ``BenchError`` as ``Pairs`` does.
    """

    def __init__(
        self,
        folder: str,
        images: str = "leftImg8bit/val/{city}/{id}_leftImg8bit.png",
        labels: str = "gtFine/val/{city}/{id}_gtFine_instanceIds.png",
        *,
        site: Site,
        stuff: bool = True,
    ) -> None:
        self._most = site.max_pixels
        self._pairs = Pairs(folder, images, labels, site=site)
        self._stuff = stuff

    def ids(self) -> Sequence[str]:
        """The images' ids, sorted."""
        return self._pairs.ids()

    def read(self, image_id: str) -> Sample:
        """The picture and its segments by rising value; ``mask_id`` is "<image_id>/<value>".

        Raises ``BenchError`` naming the file that can't be read, isn't of the picture's size or
        has a value that is no class.
        """
        picture, file = self._pairs.of(image_id)
        image = read_picture(picture, pixel_limit=self._most)
        labels = read_labels(file, pixel_limit=self._most)
        check_sizes(image, picture, (labels.shape[0], labels.shape[1]), file)
        targets = []
        for value, mask in masks_of_values(labels, skip=sorted(IGNORED)):
            kind = value // 1000 if value >= 1000 else value
            if kind in IGNORED:
                continue
            if kind not in THINGS and kind not in STUFF:
                raise BenchError(f"{file}: the value {value} is no class of Cityscapes")
            if kind in STUFF and not self._stuff:
                continue
            targets.append(
                Target(
                    f"{image_id}/{value}",
                    mask,
                    category={**STUFF, **THINGS}[kind],
                    crowd=kind in THINGS and value < 1000,
                    attributes={"kind": "thing" if kind in THINGS else "stuff"},
                )
            )
        return Sample(image_id, image, targets)

    def oddities(self) -> Sequence[Oddity]:
        """Pictures without a label image."""
        return self._pairs.tally().oddities()
