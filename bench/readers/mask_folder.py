"""One mask file per object, as BBBC038 and many tools write them.

::

    <site.datasets>/
      bbbc038/stage1_train/            folder="bbbc038/stage1_train"
        <id>/
          images/<id>.png              images="{id}/images/{id}.png"
          masks/<any name>.png         masks="{id}/masks/*.png", one object each
          masks/…
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.readers.files import check_pattern, find_by_id, find_of_ids, hash_files, locate_folder
from bench.readers.pictures import Exif, read_levels, read_picture
from bench.types import BenchError, Mask, Sample, Site, Target


class MaskFolder:
    """Reads pictures with one file per mask; masks may overlap.

    ``folder`` is relative to ``site.datasets`` unless absolute; it is listed once, when opened.
    ``images`` and ``masks`` are patterns inside it: ``{id}`` is the image's id, the same wherever
    it stands; ``*``, ``?`` and ``**/`` are those of a shell. The ids are what ``images`` finds.

    A pixel is in a mask where its brightness is above ``threshold`` (``read_levels``: grey as
    stored, else the brightest channel): 0 takes every pixel that isn't black, and is right for
    PNGs of {0, 1} and {0, 255}; 127 is for JPEGs and soft edges. ``exif`` turns pictures, never
    masks.

    A mask file without a pixel set is an empty target. An image whose folder of masks is empty
    has no targets. Raises ``BenchError`` where the folder is missing, no picture is found, two
    pictures have the same id, a mask matches two ids, or no image at all has a mask.
    """

    def __init__(
        self,
        folder: str,
        images: str,
        masks: str,
        *,
        site: Site,
        threshold: int = 0,
        exif: Exif = "ignore",
    ) -> None:
        check_pattern("images", images)
        check_pattern("masks", masks)
        self._folder = locate_folder(folder, site)
        self._threshold = threshold
        self._exif: Exif = exif
        self._most = site.max_pixels
        self._pictures = find_by_id(self._folder, images)
        if not self._pictures:
            raise BenchError(f"{self._folder}: no picture matches the pattern {images!r}")
        self._masks = find_of_ids(self._folder, masks, self._pictures)
        self._masks_pattern = masks
        if not any(self._masks.values()):
            raise BenchError(f"{self._folder}: no mask of any image matches the pattern {masks!r}")

    def ids(self) -> Sequence[str]:
        """What stands for ``{id}``: numbers first and by value, then others by characters."""
        return list(self._pictures)

    def read(self, image_id: str) -> Sample:
        """The picture and its masks, sorted by path; ``mask_id`` is "<image_id>/<file stem>".

        Raises ``BenchError`` naming the file that can't be read, whose size isn't the picture's,
        or whose stem another mask of the image has; and where the folder of masks is missing.
        """
        if image_id not in self._pictures:
            raise BenchError(f"{self._folder}: there is no image with the id {image_id!r}")
        picture = self._pictures[image_id]
        image = read_picture(picture, exif=self._exif, pixel_limit=self._most)
        targets: dict[str, Target] = {}
        if not self._masks[image_id]:
            self._check_masks_folder(image_id)
        for path in self._masks[image_id]:
            mask_id = f"{image_id}/{path.stem}"
            if mask_id in targets:
                raise BenchError(f"{path}: another mask of this image is called {path.stem!r} too")
            targets[mask_id] = Target(mask_id, self._mask(path, picture, image.shape[:2]))
        return Sample(image_id, image, list(targets.values()))

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the names and sizes in bytes of the pictures and their masks."""
        paths = [
            path
            for image_id in (self._pictures if image_ids is None else image_ids)
            for path in (self._pictures[image_id], *self._masks[image_id])
        ]
        return hash_files("", self._folder, (p.relative_to(self._folder).as_posix() for p in paths))

    def _check_masks_folder(self, image_id: str) -> None:
        """No masks may mean no objects; no folder for them means that a part is not there."""
        parent = Path(self._masks_pattern.replace("{id}", image_id)).parent
        if not any(c in parent.as_posix() for c in "*?[") and not (self._folder / parent).is_dir():
            raise BenchError(f"{self._folder / parent}: no such folder of masks")

    def _mask(self, path: Path, picture: Path, size: tuple[int, ...]) -> Mask:
        levels = read_levels(path, pixel_limit=self._most)
        if levels.shape != size:
            raise BenchError(
                f"{path}: the mask is {levels.shape[0]}×{levels.shape[1]} (H×W), its picture "
                f"{picture.name} is {size[0]}×{size[1]}"
            )
        return Mask.from_dense(levels > self._threshold)
