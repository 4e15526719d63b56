"""A few real photos with masks drawn for this project.

The annotations come with the package; the pictures are those that scikit-image installs.

::

    bench/demo/photos/annotations.json      COCO; images[].sha256 is the picture file's
    <site-packages>/skimage/data/           chelsea.png, coffee.png, …
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from bench.data.readers.coco import Coco
from bench.demo.photos import ANNOTATIONS, installed_pictures
from bench.types import BenchError, Sample, Site


class Photos:
    """Reads the embedded photos; nothing of it lies in ``site.datasets``.

    Raises ``BenchError`` where scikit-image is not installed, or a picture that it installs is
    missing or another file than the one that the masks were drawn on.
    """

    def __init__(self, *, site: Site) -> None:
        self._coco = Coco(str(ANNOTATIONS), str(installed_pictures()), site=site)
        for image_id in self._coco.ids():
            _check_picture(self._coco.path(image_id), str(self._coco.entry(image_id).get("sha256")))

    def ids(self) -> Sequence[str]:
        """The images' ids, as ``Coco`` sorts them."""
        return self._coco.ids()

    def read(self, image_id: str) -> Sample:
        """The photo and its targets, as ``Coco`` reads them."""
        return self._coco.read(image_id)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the annotations, which hold the pictures' own hashes."""
        return self._coco.fingerprint(image_ids)

    def files_of(self, image_id: str) -> Sequence[Path]:
        """The photo; the JSON's content is in the fingerprint."""
        return self._coco.files_of(image_id)

    def path(self, image_id: str) -> Path:
        """Where the photo lies."""
        return self._coco.path(image_id)

    def mask_count(self, image_id: str) -> int:
        """How many masks are drawn on the photo."""
        return self._coco.mask_count(image_id)


def _check_picture(path: Path, expected: str) -> None:
    if not path.is_file():
        raise BenchError(
            f"{path}: this scikit-image does not bring the picture; install another version: "
            f"pip install 'sam-bench[demo]'"
        )
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise BenchError(
            f"{path}: not the picture that the masks were drawn on: sha256 {found[:16]}…, "
            f"expected {expected[:16]}…; install another version of scikit-image"
        )
