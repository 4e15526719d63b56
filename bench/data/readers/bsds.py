"""BSDS500: photographs segmented by several people each.

::

    <site.datasets>/
      BSR/BSDS500/data/                  folder="BSR/BSDS500/data"
        images/test/100007.jpg           images="images/test/{id}.jpg"
        groundTruth/test/100007.mat      annotations="groundTruth/test/{id}.mat"

A ``.mat`` holds ``groundTruth``, a cell for each person with ``Segmentation`` (H, W), labels from
1, and ``Boundaries`` (H, W) of {0, 1}.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.data.formats.files import check_sizes
from bench.data.formats.labels import masks_of_values
from bench.data.formats.matlab import first_of, labels_of, load_variable
from bench.data.formats.pairs import PairedFiles, Pairs
from bench.data.formats.pictures import read_picture
from bench.data.oddities import Oddity
from bench.types import BenchError, Sample, Site, Target


class Bsds(PairedFiles):
    """Reads every person's every segment as a target; those of one person tile the picture.

    ``folder`` is relative to ``site.datasets`` unless absolute; ``images`` and ``annotations`` are
    patterns inside it (``bench.data.formats.patterns``). ``attributes`` tell the ``annotator``,
    from "1" in the file's order; the numbers of different pictures are not the same people.

    Raises ``BenchError`` as ``Pairs`` does.
    """

    def __init__(
        self,
        folder: str,
        images: str = "images/test/{id}.jpg",
        annotations: str = "groundTruth/test/{id}.mat",
        *,
        site: Site,
    ) -> None:
        self._most = site.max_pixels
        self._pairs = Pairs(folder, images, annotations, site=site)

    def ids(self) -> Sequence[str]:
        """What stands for ``{id}``, sorted by value."""
        return self._pairs.ids()

    def read(self, image_id: str) -> Sample:
        """The picture and its segments, person by person and by rising label.

        ``mask_id`` is "<image_id>/<annotator>/<label>". Raises ``BenchError`` naming the file that
        can't be read or isn't of the picture's size.
        """
        picture, file = self._pairs.of(image_id)
        image = read_picture(picture, pixel_limit=self._most)
        people = np.ravel(load_variable(file, "groundTruth", image.shape[:2]))
        if people.size == 0:
            raise BenchError(f"{file}: 'groundTruth' is empty, nobody segmented the picture")
        targets = []
        for number, cell in enumerate(people, start=1):
            labels = labels_of(file, first_of(file, cell, "groundTruth"), "Segmentation")
            check_sizes(image, picture, (labels.shape[0], labels.shape[1]), file)
            for label, mask in masks_of_values(labels, skip=[]):
                mask_id = f"{image_id}/{number}/{label}"
                targets.append(Target(mask_id, mask, attributes={"annotator": str(number)}))
        return Sample(image_id, image, targets)

    def oddities(self) -> Sequence[Oddity]:
        """Pictures without a ``.mat``."""
        return self._pairs.tally().oddities()
