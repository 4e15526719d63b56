"""Hypersim: tone-mapped renderings, and instances as HDF5 arrays.

::

    <site.datasets>/
      hypersim/                                                              folder="hypersim"
        ai_001_001/images/
          scene_cam_00_final_preview/frame.0000.tonemap.jpg                  images
          scene_cam_00_geometry_hdf5/frame.0000.semantic_instance.hdf5       labels

An HDF5 file holds ``dataset``, (H, W) int16: an instance's number, -1 for none.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.data.formats.files import need_package
from bench.data.formats.hdf5 import load_labels
from bench.data.formats.labels import masks_of_values
from bench.data.formats.pairs import PairedFiles, Pairs
from bench.data.formats.pictures import read_picture
from bench.data.oddities import Oddity
from bench.types import BenchError, Sample, Site, Target


class Hypersim(PairedFiles):
    """Reads Hypersim's instances: every number but -1 is a target.

    ``folder`` is relative to ``site.datasets`` unless absolute; ``images`` and ``labels`` are
    patterns inside it (``bench.data.formats.patterns``); ids are "ai_001_001/cam_00/0000". Scenes
    of the volumes in ``without`` are left out; a scene's volume is the number behind ``ai_``.

    Needs h5py. Raises ``BenchError`` without it, as ``Pairs`` does, and where no scene is left.
    """

    def __init__(
        self,
        folder: str,
        images: str = "{scene}/images/scene_{camera}_final_preview/frame.{id}.tonemap.jpg",
        labels: str = (
            "{scene}/images/scene_{camera}_geometry_hdf5/frame.{id}.semantic_instance.hdf5"
        ),
        *,
        site: Site,
        without: Sequence[int] = (),
    ) -> None:
        need_package("h5py", "Hypersim")
        self._most = site.max_pixels
        self._pairs = Pairs(folder, images, labels, site=site)
        out = {f"ai_{volume:03d}_" for volume in without}
        self._ids = [i for i in self._pairs.ids() if i[:7] not in out]
        self._left_out = [i for i in self._pairs.ids() if i[:7] in out]
        self._known = frozenset(self._ids)
        if not self._ids:
            raise BenchError(f"{self._pairs.folder}: every scene is of a volume in {without}")

    def ids(self) -> Sequence[str]:
        """The frames' ids, sorted."""
        return list(self._ids)

    def read(self, image_id: str) -> Sample:
        """The rendering and its instances by number; ``mask_id`` is "<image_id>/<number>".

        Its ``cluster`` is the scene.
        Raises ``BenchError`` naming the file that can't be read or isn't of the picture's size.
        """
        if image_id not in self._known:
            raise BenchError(f"{self._pairs.folder}: there is no image with the id {image_id!r}")
        picture, file = self._pairs.of(image_id)
        image = read_picture(picture, pixel_limit=self._most)
        labels = load_labels(file, "dataset", image, picture)
        targets = [
            Target(f"{image_id}/{number}", mask)
            for number, mask in masks_of_values(labels, skip=[-1])
        ]
        return Sample(image_id, image, targets, cluster=self._pairs.cluster(image_id))

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the names and sizes in bytes of the pictures and HDF5 files."""
        return self._pairs.fingerprint(self._ids if image_ids is None else image_ids)

    def oddities(self) -> Sequence[Oddity]:
        """Renderings without instances, and frames of volumes that are left out."""
        tally = self._pairs.tally()
        for image_id in self._left_out:
            tally.add("frame of a volume that is left out", image_id)
        return tally.oddities()
