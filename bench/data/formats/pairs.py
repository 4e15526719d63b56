"""A picture and one file of annotations for each image, found by patterns inside a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.data.formats.files import hash_files, locate_folder
from bench.data.formats.patterns import (
    PICTURES,
    check_patterns,
    cluster_of,
    find_chosen,
    find_partners,
    strays,
)
from bench.data.oddities import Tally
from bench.types import BenchError, Site


class Pairs:
    """The pictures and annotation files of a folder, by image id.

    ``images`` and ``annotations`` are patterns inside the folder
    (``bench.data.formats.patterns``). The ids are what ``annotations`` finds, or those of the list
    file ``listed``, of them those that ``keep`` matches. Raises ``BenchError`` where the folder or
    every file is missing, and where an annotation file has no picture. Where ``images`` ends in
    ``.*`` it finds pictures alone, whatever lies beside them.
    """

    def __init__(
        self,
        folder: str,
        images: str,
        annotations: str,
        *,
        site: Site,
        listed: str | None = None,
        keep: Sequence[str] = (),
    ) -> None:
        check_patterns(images, annotations=annotations)
        self.folder = locate_folder(folder, site)
        self._patterns = images, annotations
        self.files = find_chosen("annotation", self.folder, annotations, listed, keep, site)
        self.pictures = find_partners(self.folder, images, list(self.files), PICTURES)
        lonely = [i for i, path in self.pictures.items() if not path.is_file()]
        if lonely:
            raise BenchError(
                f"{self.files[lonely[0]]}: this annotation has no picture that matches {images!r} "
                f"({len(lonely)} of {len(self.files)} have none); is this the right split, and "
                f"downloaded whole?"
            )

    def ids(self) -> list[str]:
        """The images' ids: numbers first and by value, then others by their characters."""
        return list(self.files)

    def of(self, image_id: str) -> tuple[Path, Path]:
        """The picture and the annotation file; raises ``BenchError`` for an unknown id."""
        if image_id not in self.files:
            raise BenchError(f"{self.folder}: there is no image with the id {image_id!r}")
        return self.pictures[image_id], self.files[image_id]

    def cluster(self, image_id: str) -> str | None:
        """What the image belongs to by the words of the pattern."""
        return cluster_of(self._patterns[0], image_id)

    def fingerprint(self, image_ids: Sequence[str] | None = None, also: Sequence[Path] = ()) -> str:
        """A hash of the names and sizes in bytes of the pairs, and of further files."""
        ids = self.files if image_ids is None else image_ids
        paths = [path for i in ids for path in (self.pictures[i], self.files[i])] + list(also)
        return hash_files("", self.folder, (p.relative_to(self.folder).as_posix() for p in paths))

    def tally(self) -> Tally:
        """A tally that holds the pictures without an annotation."""
        tally = Tally()
        for name in strays(self.folder, self._patterns[0], self.pictures.values(), PICTURES):
            tally.add("picture without annotation, or of another split, left out", name)
        return tally


class PairedFiles:
    """What every reader of pairs says of its files; it has them as ``_pairs``."""

    _pairs: Pairs

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the names and sizes in bytes of the pictures and their files."""
        return self._pairs.fingerprint(image_ids)

    def files_of(self, image_id: str) -> Sequence[Path]:
        """The picture and its file of annotations."""
        return self._pairs.of(image_id)

    def path(self, image_id: str) -> Path:
        """Where the image's picture lies."""
        return self._pairs.pictures[image_id]
