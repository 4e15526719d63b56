"""SBD, the Semantic Boundaries Dataset: instances of VOC's classes as ``.mat`` files.

::

    <site.datasets>/
      benchmark_RELEASE/dataset/         folder="benchmark_RELEASE/dataset"
        val.txt                          listed="val.txt", one id a line
        img/2008_000051.jpg              images="img/{id}.jpg"
        inst/2008_000051.mat             annotations="inst/{id}.mat"

A ``.mat`` holds ``GTinst`` with ``Segmentation`` (H, W), instance numbers from 1 and 0 for nothing,
and ``Categories``, the class of each instance from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.data.formats.files import check_sizes
from bench.data.formats.labels import masks_of_values, whole_numbers
from bench.data.formats.matlab import first_of, labels_of, load_variable
from bench.data.formats.pairs import PairedFiles, Pairs
from bench.data.formats.pictures import read_picture
from bench.data.oddities import Oddity
from bench.types import BenchError, Sample, Site, Target

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
"""Pascal VOC's classes, from 1."""


class Sbd(PairedFiles):
    """Reads SBD's instances: every number but 0 is a target.

    ``folder`` is relative to ``site.datasets`` unless absolute; ``images`` and ``annotations`` are
    patterns inside it (``bench.data.formats.patterns``), ``listed`` is the split's list of ids.

    Raises ``BenchError`` as ``Pairs`` does, and where a listed file is missing.
    """

    def __init__(
        self,
        folder: str,
        images: str = "img/{id}.jpg",
        annotations: str = "inst/{id}.mat",
        *,
        site: Site,
        listed: str | None = "val.txt",
    ) -> None:
        self._most = site.max_pixels
        self._pairs = Pairs(folder, images, annotations, site=site, listed=listed)

    def ids(self) -> Sequence[str]:
        """The split's ids, sorted."""
        return self._pairs.ids()

    def read(self, image_id: str) -> Sample:
        """The picture and its instances by number; ``mask_id`` is "<image_id>/<number>".

        Raises ``BenchError`` naming the file that can't be read or isn't of the picture's size.
        """
        picture, file = self._pairs.of(image_id)
        image = read_picture(picture, pixel_limit=self._most)
        truth = first_of(file, load_variable(file, "GTinst", image.shape[:2]), "GTinst")
        labels = labels_of(file, truth, "Segmentation")
        check_sizes(image, picture, (labels.shape[0], labels.shape[1]), file)
        classes = _classes(file, truth)
        targets = [
            Target(f"{image_id}/{number}", mask, category=classes.get(number))
            for number, mask in masks_of_values(labels, skip=[0])
        ]
        return Sample(image_id, image, targets)

    def oddities(self) -> Sequence[Oddity]:
        """Pictures of other splits."""
        return self._pairs.tally().oddities()


def _classes(file: Path, truth: Any) -> dict[int, str]:
    """The class of each instance, by its number."""
    try:
        numbers = whole_numbers(getattr(truth, "Categories", []))
    except ValueError as error:
        raise BenchError(f"{file}: 'Categories': {error}") from None
    if not all(1 <= number <= len(CLASSES) for number in numbers):
        raise BenchError(f"{file}: a class is 1 to {len(CLASSES)}, found {numbers}")
    return {place: CLASSES[number - 1] for place, number in enumerate(numbers, start=1)}
