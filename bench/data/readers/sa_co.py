"""SA-Co's pairs of a picture and a noun phrase: a COCO file for each person who annotated them.

::

    <site.datasets>/
      sa_co/gold/
        gold_metaclip_merged_a_release_test.json    annotations: one file, or one for each annotator
        gold_metaclip_merged_b_release_test.json
        metaclip-images/                            images="sa_co/gold/metaclip-images"
          1/1001/metaclip_1_1001_….jpeg             images[].file_name

An entry of ``images`` is a pair: ``{"id", "file_name", "text_input", "width", "height",
"is_instance_exhaustive"}``; several pairs may be of one picture. The ``image_id`` of an annotation
is the pair's ``id``. A pair without an annotation is negative: nothing of the phrase is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.data.abilities import Phrase
from bench.data.formats.coco_file import CocoFile, Entry
from bench.data.formats.files import (
    check_inside,
    check_said_size,
    hash_files,
    locate_file,
    locate_folder,
    require_some,
)
from bench.data.formats.pictures import read_picture
from bench.data.formats.segmentation import decode_segmentation
from bench.data.oddities import Oddity, Tally
from bench.files.names import id_order
from bench.types import BenchError, Sample, Site, Target

_EXHAUSTIVE = "is_instance_exhaustive"


class SaCo:
    """Reads each picture once, with the targets of all its phrases and all annotators.

    ``annotations`` is the JSON file, or one of the same pairs for each annotator; ``images`` the
    folder that file names start from; both relative to ``site.datasets`` unless absolute. An
    image's id is its file name. A target's ``category`` is the phrase; its ``attributes`` are the
    ``phrase``'s id, which is the pair's, and the ``annotator``, the file's stem. Ids of targets
    begin with that where there are several files. ``bbox`` and ``area``, which such files give as
    shares of the picture, are not kept.

    A pair counts where every file says that all instances are annotated
    (``is_instance_exhaustive``), or says nothing of it.

    Raises ``BenchError`` where a file, folder or key is missing, a pair has no phrase, another one
    or another picture in two files, or is missing in one.
    """

    def __init__(self, annotations: str | Sequence[str], images: str, *, site: Site) -> None:
        paths = [annotations] if isinstance(annotations, str) else list(annotations)
        files = [locate_file(path, site) for path in paths]
        if not files or len({file.stem for file in files}) < len(files):
            raise BenchError(f"annotations: files of different names are needed, found {paths}")
        self._folder = locate_folder(images, site)
        self._most = site.max_pixels
        self._files = {file.stem: CocoFile(file) for file in files}
        self._pairs: dict[str, list[_Pair]] = {}
        for pair in _pairs_of(list(self._files.values())):
            check_inside(pair.picture, f"{files[0]}: pair {pair.pair_id}: 'file_name'")
            self._pairs.setdefault(pair.picture, []).append(pair)
        self._ids = sorted(self._pairs, key=id_order)
        require_some(self._folder, self._ids, files[0].name)

    def ids(self) -> Sequence[str]:
        """The pictures' file names: numbers first and by value, then others by characters."""
        return list(self._ids)

    def read(self, image_id: str) -> Sample:
        """The picture and its targets, phrase by phrase, of each annotator in the files' order.

        Raises ``BenchError`` naming the file that can't be read, or is of another size.
        """
        pairs = self._of(image_id)
        path = self.path(image_id)
        image = read_picture(path, pixel_limit=self._most)
        height, width = image.shape[:2]
        targets = []
        for pair in pairs:
            for name, file in self._files.items():
                entry = file.images[pair.pair_id]
                check_said_size(image, path, entry, file.path, f"pair {pair.pair_id}")
                targets += [
                    self._target(name, pair, annotation, height, width)
                    for annotation in file.annotations(pair.pair_id)
                ]
        return Sample(image_id, image, targets)

    def phrases(self, image_id: str) -> Sequence[Phrase]:
        """The phrases of the picture's pairs, in the first file's order."""
        people = tuple(self._files)
        return [
            Phrase(pair.pair_id, pair.text, people, exhaustive=pair.exhaustive)
            for pair in self._of(image_id)
        ]

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the files' content and of the pictures' names and sizes in bytes."""
        contents = "\n".join(file.content for file in self._files.values())
        content = hashlib.sha256(contents.encode()).hexdigest()
        return hash_files(content, self._folder, self._ids if image_ids is None else image_ids)

    def files_of(self, image_id: str) -> Sequence[Path]:
        """The picture; the files' content is in the fingerprint."""
        return [self.path(image_id)]

    def path(self, image_id: str) -> Path:
        """Where the picture should lie."""
        self._of(image_id)
        return self._folder / image_id

    def mask_count(self, image_id: str) -> int:
        """How many annotations of the picture are no crowd, of all annotators."""
        return sum(
            not annotation.get("iscrowd", 0)
            for pair in self._of(image_id)
            for file in self._files.values()
            for annotation in file.annotations(pair.pair_id)
        )

    def oddities(self) -> Sequence[Oddity]:
        """Missing pictures, and pairs that aren't exhaustively annotated."""
        tally = Tally()
        for image_id, pairs in self._pairs.items():
            if not self.path(image_id).is_file():
                tally.add("picture is missing", image_id, breaks=True)
            for pair in pairs:
                if not pair.exhaustive:
                    tally.add("phrase not exhaustively annotated, not asked", pair.pair_id)
        return tally.oddities()

    def _of(self, image_id: str) -> list[_Pair]:
        if image_id not in self._pairs:
            raise BenchError(f"{self._first.path}: there is no picture {image_id!r}")
        return self._pairs[image_id]

    @property
    def _first(self) -> CocoFile:
        return next(iter(self._files.values()))

    def _target(
        self, annotator: str, pair: _Pair, annotation: Entry, height: int, width: int
    ) -> Target:
        file, own = self._files[annotator], str(annotation["id"])
        try:
            mask = decode_segmentation(annotation["segmentation"], height, width)
        except ValueError as error:
            raise BenchError(f"{file.path}: annotation {own}: {error}") from None
        return Target(
            f"{annotator}/{own}" if len(self._files) > 1 else own,
            mask,
            category=pair.text,
            crowd=bool(annotation.get("iscrowd", 0)),
            attributes={"phrase": pair.pair_id, "annotator": annotator},
        )


@dataclass(frozen=True, slots=True)
class _Pair:
    """A picture, by its file's name, and a phrase; whether all annotators found all instances."""

    pair_id: str
    picture: str
    text: str
    exhaustive: bool


def _pairs_of(files: Sequence[CocoFile]) -> Iterator[_Pair]:
    """The pairs that all files list, in the first one's order."""
    first, *others = files
    for file in others:
        if missing := first.images.keys() ^ file.images.keys():
            raise BenchError(
                f"{file.path}: annotators answer the same pairs, and {len(missing)} are in this "
                f"file or in {first.path.name} alone, such as {min(missing, key=id_order)}"
            )
    for pair_id in first.images:
        said = [_said(file, pair_id) for file in files]
        if len(set(said)) > 1:
            raise BenchError(
                f"{first.path}: pair {pair_id} is of {said[0]}, and of "
                f"{next(each for each in said if each != said[0])} in another annotator's file"
            )
        exhaustive = all(bool(file.images[pair_id].get(_EXHAUSTIVE, True)) for file in files)
        yield _Pair(pair_id, *said[0], exhaustive)


def _said(file: CocoFile, pair_id: str) -> tuple[str, str]:
    """A pair's picture and phrase, without blanks around it."""
    entry: Mapping[str, object] = file.images[pair_id]
    name, text = entry.get("file_name"), entry.get("text_input")
    if not isinstance(name, str) or not name:
        raise BenchError(f"{file.path}: pair {pair_id} has no 'file_name'")
    if not isinstance(text, str) or not text.strip():
        raise BenchError(
            f"{file.path}: pair {pair_id} has no phrase: 'text_input' is a text, found "
            f"{str(text)[:40]!r}"
        )
    return name, text.strip()
