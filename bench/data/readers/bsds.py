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
from bench.data.formats.pictures import LabelArray, read_picture
from bench.data.oddities import Oddity
from bench.types import BenchError, Mask, Sample, Site, Target


class Bsds(PairedFiles):
    """Reads every person's every segment as a target; those of one person tile the picture.

    People cut a picture up differently and name nothing, so what another person drew of a target is
    that one's segment that agrees with it best, by IoU (``Target.others``).

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
        drawn: dict[str, _Drawn] = {}
        for number, cell in enumerate(people, start=1):
            labels = labels_of(file, first_of(file, cell, "groundTruth"), "Segmentation")
            check_sizes(image, picture, (labels.shape[0], labels.shape[1]), file)
            drawn[str(number)] = _Drawn(labels)
        targets = []
        for name, one in drawn.items():
            nearest = {n: one.nearest_of(other) for n, other in drawn.items() if n != name}
            for place, (label, mask) in enumerate(one.masks.items()):
                others = {n: masks[place] for n, masks in nearest.items()}
                mask_id, whose = f"{image_id}/{name}/{label}", {"annotator": name}
                targets.append(Target(mask_id, mask, attributes=whose, others=others))
        return Sample(image_id, image, targets)

    def oddities(self) -> Sequence[Oddity]:
        """Pictures without a ``.mat``."""
        return self._pairs.tally().oddities()


class _Drawn:
    """One person's segments: ``masks`` by their labels, and of each pixel which one it is in."""

    def __init__(self, labels: LabelArray) -> None:
        self.masks = dict(masks_of_values(labels, skip=[]))
        self._places = np.searchsorted(list(self.masks), labels)

    def nearest_of(self, other: _Drawn) -> list[Mask]:
        """For each segment the other person's of the highest IoU, the first of several."""
        sizes = len(self.masks), len(other.masks)
        pairs = np.ravel(self._places * sizes[1] + other._places)
        shared = np.bincount(pairs, minlength=sizes[0] * sizes[1]).reshape(sizes)
        either = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0) - shared
        theirs = list(other.masks.values())
        return [theirs[place] for place in (shared / either).argmax(axis=1)]
