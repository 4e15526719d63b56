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

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from bench.data.formats.files import hash_files, locate_folder
from bench.data.formats.patterns import (
    check_patterns,
    cluster_of,
    fill_pattern,
    find_chosen,
    find_of_ids,
    find_partners,
    has_wildcard,
    strays,
)
from bench.data.formats.pictures import Exif, LabelArray, read_levels, read_picture, turn_remedy
from bench.data.oddities import Oddity, Tally
from bench.types import BenchError, BoolArray, Mask, Sample, Site, Target

NO_OTHERS: Mapping[str, str] = MappingProxyType({})


class MaskFolder:
    """Reads pictures with one file per mask; masks may overlap.

    ``folder`` is relative to ``site.datasets`` unless absolute; it is listed once, when opened.
    ``images`` and ``masks`` are patterns inside it: ``{id}`` is the image's id, the same wherever
    it stands; ``*``, ``?`` and ``**/`` are those of a shell (``bench.data.formats.patterns``). The
    ids are what ``images`` finds, or those of the list file ``listed``, of them those that a shell
    pattern in ``keep`` matches.

    A pixel is in a mask where its brightness is above ``threshold`` (``read_levels``: grey as
    stored, else the brightest channel): 0 takes every pixel that isn't black, and is right for
    PNGs of {0, 1} and {0, 255}; 127 is for JPEGs and soft edges, and ``check`` and a run say where
    there are levels in between (``bench.data.doubts``). Pixels of a brightness in
    ``ignore`` count in no score and belong to no mask. ``exif`` turns pictures, never masks.

    Where several people drew the masks, ``annotator`` names whose ``masks`` are and ``others``
    gives a pattern for each further one, by name: what he or she drew of a mask is the file of the
    same stem, or the image's only one where ``masks`` has no ``*``. Targets are those of ``masks``
    alone, and their scores against the others stand beside (``Target.others``).

    A mask file without a pixel set is an empty target. An image whose folder of masks is empty
    has no targets; where ``masks`` has no ``*`` but for an ending ``.*``, an image whose one mask
    file is missing is an error of that image. Raises ``BenchError`` where the folder is missing,
    no picture is found, a listed one is missing, two pictures have the same id, a mask matches
    two ids, no image at all has a mask, or one of somebody, or ``others`` are given and no
    ``annotator``.
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
        ignore: Sequence[int] = (),
        listed: str | None = None,
        keep: Sequence[str] = (),
        annotator: str | None = None,
        others: Mapping[str, str] = NO_OTHERS,
    ) -> None:
        check_patterns(images, masks=masks)
        for name, pattern in others.items():
            check_patterns(images, **{f"others.{name}": pattern})
        if others and (annotator is None or annotator in others):
            raise BenchError(
                "dataset.args.others names further annotators: dataset.args.annotator must say "
                f"whose dataset.args.masks are, none of {', '.join(others)}"
            )
        self._folder = locate_folder(folder, site)
        self.threshold = threshold
        self.exif: Exif = exif
        self._most = site.max_pixels
        self.ignore = list(ignore)
        self._patterns = images, masks
        self._pictures = find_chosen("picture", self._folder, images, listed, keep, site)
        self._alone = not has_wildcard(masks.removesuffix(".*"))
        self._masks = self._found(masks)
        self._annotator = annotator
        self._others = {name: self._found(pattern) for name, pattern in others.items()}
        if not any(self._masks.values()):
            raise BenchError(f"{self._folder}: no mask of any image matches the pattern {masks!r}")
        for name, pattern in others.items():
            if not any(self._others[name].values()):
                raise BenchError(
                    f"{self._folder}: no mask of any image that {name} drew matches the pattern "
                    f"{pattern!r} (dataset.args.others)"
                )

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
        image = read_picture(picture, exif=self.exif, pixel_limit=self._most)
        targets: dict[str, Target] = {}
        ignored = np.zeros(image.shape[:2], dtype=bool)
        if not self._masks[image_id]:
            self._check_masks_folder(image_id)
        for path in self._masks[image_id]:
            mask_id = f"{image_id}/{path.stem}"
            if mask_id in targets:
                raise BenchError(f"{path}: another mask of this image is called {path.stem!r} too")
            mask, unknown = self._mask(path, picture, image.shape[:2])
            ignored |= unknown
            others = {
                name: self._mask(drawn, picture, image.shape[:2])[0]
                for name, files in self._others.items()
                if (drawn := self._drawn(path, files[image_id])) is not None
            }
            whose = {} if self._annotator is None else {"annotator": self._annotator}
            targets[mask_id] = Target(mask_id, mask, attributes=whose, others=others)
        ignore = ignored if self.ignore else None
        cluster = cluster_of(self._patterns[0], image_id)
        return Sample(image_id, image, list(targets.values()), ignore, cluster)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the names and sizes in bytes of the pictures and their masks, all people's."""
        paths = [
            path
            for image_id in (self._pictures if image_ids is None else image_ids)
            for path in self.files_of(image_id)
        ]
        return hash_files("", self._folder, (p.relative_to(self._folder).as_posix() for p in paths))

    def files_of(self, image_id: str) -> Sequence[Path]:
        """The picture and its masks, the other annotators' last."""
        others = (path for files in self._others.values() for path in files[image_id])
        return [self._pictures[image_id], *self._masks[image_id], *others]

    def path(self, image_id: str) -> Path:
        """Where the image's picture lies."""
        return self._pictures[image_id]

    def mask_count(self, image_id: str) -> int:
        """How many mask files the image has."""
        return len(self._masks[image_id])

    def oddities(self) -> Sequence[Oddity]:
        """Pictures without masks, masks without a picture, what one annotator alone drew."""
        tally = Tally()
        for image_id in (i for i, masks in self._masks.items() if not masks):
            if self._alone:
                tally.add("the picture's mask file is missing", image_id, breaks=True)
            else:
                tally.add("picture without masks", image_id)
        for name in strays(self._folder, self._patterns[0], self._pictures.values()):
            tally.add("picture of another split, left out", name)
        owned = (path for paths in self._masks.values() for path in paths)
        for name in strays(self._folder, self._patterns[1], owned):
            tally.add("mask file of no picture, or of another split, left out", name)
        for name, files in self._others.items():
            for image_id, masks in self._masks.items():
                drawn = [self._drawn(path, files[image_id]) for path in masks]
                if None in drawn:
                    tally.add(f"not drawn by {name}, whose score lacks it", image_id)
                if len(files[image_id]) > len(masks) - drawn.count(None):
                    tally.add(f"drawn by {name} alone, left out", image_id)
        return tally.oddities()

    def _check_masks_folder(self, image_id: str) -> None:
        """No masks may mean no objects; no folder or file for them means that a part is missing."""
        masks = self._patterns[1]
        expected = Path(fill_pattern(masks, masks, image_id))
        if self._alone:
            raise BenchError(f"{self._folder / expected}: no such mask file")
        parent = expected.parent
        if not has_wildcard(parent.as_posix()) and not (self._folder / parent).is_dir():
            raise BenchError(f"{self._folder / parent}: no such folder of masks")

    def _drawn(self, mask: Path, files: Sequence[Path]) -> Path | None:
        """Which of another annotator's files of the image is of the same thing as a mask's."""
        same = files if self._alone else [path for path in files if path.stem == mask.stem]
        return same[0] if same else None

    def _mask(self, path: Path, picture: Path, size: tuple[int, ...]) -> tuple[Mask, BoolArray]:
        """A file's mask, and which pixels (H, W) of it count in no score."""
        levels = self._levels(path, picture, size)
        unknown = np.isin(levels, self.ignore)
        return Mask.from_dense((levels > self.threshold) & ~unknown), unknown

    def _levels(self, path: Path, picture: Path, size: tuple[int, ...]) -> LabelArray:
        levels = read_levels(path, pixel_limit=self._most)
        if levels.shape != size:
            raise BenchError(
                f"{path}: the mask is {levels.shape[0]}×{levels.shape[1]} (H×W), its picture "
                f"{picture.name} is {size[0]}×{size[1]}"
                f"{turn_remedy(picture, size, levels.shape, self.exif)}"
            )
        return levels

    def _found(self, pattern: str) -> Mapping[str, Sequence[Path]]:
        """The files of each image that a pattern of masks finds."""
        if has_wildcard(pattern):
            return find_of_ids(self._folder, pattern, self._pictures)
        alone = find_partners(self._folder, pattern, list(self._pictures))
        return {i: [path] if path.is_file() else [] for i, path in alone.items()}
