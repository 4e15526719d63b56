"""EPIC-KITCHENS VISOR's sparse annotations: one JSON a video, frames in folders of videos.

::

    <site.datasets>/
      visor/
        GroundTruth-SparseAnnotations/annotations/val/P01_107.json    annotations="visor/…/val"
        rgb_frames/val/P01/P01_107/P01_107_frame_0000000049.jpg       frames="visor/rgb_frames/val"

A JSON is ``{"video_annotations": [{"image": {"name", "video", …}, "annotations": [{"id", "name",
"class_id", "exhaustive", "in_contact_object", "on_which_hand", "segments": [[[x, y], …], …]}]}]}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.data.formats.files import check_inside, hash_files, locate_folder, require_some
from bench.data.formats.json_lists import read_object
from bench.data.formats.outlines import draw_outlines, points_of
from bench.data.formats.pictures import read_picture
from bench.data.formats.spellings import settle_names
from bench.data.oddities import Oddity, Tally
from bench.files.documents import decode_json, value_at
from bench.files.names import id_order
from bench.types import BenchError, Sample, Site, Target

_WORD = re.compile(r"\{(participant|video|name)\}")
_NAME = re.compile(rf"(?:[^{{}}]|{_WORD.pattern})*")
_ATTRIBUTES = ("class_id", "exhaustive", "in_contact_object", "on_which_hand")


class Visor:
    """Reads VISOR's annotated frames: one target per annotation, of all its polygons.

    ``annotations`` is the folder of JSON files, ``frames`` that of the frames, both relative to
    ``site.datasets`` unless absolute. ``name`` is where a frame lies below it: ``{name}`` is the
    JSON's name of the picture, ``{video}`` the video's and ``{participant}`` what stands in it
    before the underscore. Ids are the names without their ending.

    Polygons of one annotation are filled together, even-odd, as the official code does; empty ones
    and those of fewer than three points enclose nothing. ``category`` is the annotation's name.

    Raises ``BenchError`` where a folder is missing or empty, a file isn't VISOR's, a frame is
    listed twice, or none of the first frames is there.
    """

    def __init__(
        self,
        annotations: str,
        frames: str,
        *,
        site: Site,
        name: str = "{participant}/{video}/{name}",
    ) -> None:
        folder = locate_folder(annotations, site)
        self._folder = locate_folder(frames, site)
        self._most = site.max_pixels
        if not _NAME.fullmatch(name):
            raise BenchError(
                f"name may have {{participant}}, {{video}} and {{name}}, found {name!r}"
            )
        self._files = sorted(folder.glob("*.json"))
        if not self._files:
            raise BenchError(f"{folder}: no JSON file is here; is this the right folder?")
        self._texts: list[str] = []
        self._frames: dict[str, _Frame] = {}
        for number, file in enumerate(self._files):
            self._texts.append(self._index(file, number, name))
        self._ids = sorted(self._frames, key=id_order)
        if not self._ids:
            raise BenchError(f"{folder}: its JSON files list no frame")
        names = settle_names(self._folder, [self._frames[i].path for i in self._ids], folder.name)
        require_some(self._folder, names, folder.name)
        for image_id, name in zip(self._ids, names, strict=True):
            self._frames[image_id] = replace(self._frames[image_id], path=name)

    def ids(self) -> Sequence[str]:
        """The frames' names, such as ``P01_107_frame_0000000049``."""
        return list(self._ids)

    def read(self, image_id: str) -> Sample:
        """The frame and its annotations in the file's order; its ``cluster`` is the video.

        ``mask_id`` is "<image_id>/<n>", n the annotation's place from 0. Raises ``BenchError``
        naming the file that can't be read.
        """
        if image_id not in self._frames:
            raise BenchError(f"{self._files[0].parent}: there is no frame {image_id!r}")
        frame = self._frames[image_id]
        image = read_picture(self._folder / frame.path, pixel_limit=self._most)
        height, width = image.shape[:2]
        targets = []
        for number, annotation in enumerate(self._annotations(frame)):
            try:
                outlines = [points_of(polygon) for polygon in annotation.get("segments") or ()]
                mask = draw_outlines(outlines, height, width)
            except ValueError as error:
                file = self._files[frame.file]
                raise BenchError(f"{file}: {image_id}, annotation {number}: {error}") from None
            attributes = {
                key: str(annotation[key])
                for key in _ATTRIBUTES
                if annotation.get(key) not in (None, "")
            }
            name = annotation.get("name")
            category = None if name is None else str(name)
            targets.append(Target(f"{image_id}/{number}", mask, category, attributes=attributes))
        return Sample(image_id, image, targets, cluster=frame.video)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the JSON files' names and sizes and of the frames'."""
        ids = self._ids if image_ids is None else image_ids
        folder = self._files[0].parent
        files = hash_files("", folder, (file.name for file in self._files))
        return hash_files(files, self._folder, (self._frames[i].path for i in ids))

    def files_of(self, image_id: str) -> Sequence[Path]:
        """The frame and the JSON that lists it."""
        return [self.path(image_id), self._files[self._frames[image_id].file]]

    def path(self, image_id: str) -> Path:
        """Where the frame should lie."""
        return self._folder / self._frames[image_id].path

    def mask_count(self, image_id: str) -> int:
        """How many annotations the frame has."""
        return len(self._annotations(self._frames[image_id]))

    def oddities(self) -> Sequence[Oddity]:
        """Missing frames, frames without annotations, polygons that enclose nothing."""
        tally = Tally()
        for image_id, frame in self._frames.items():
            if not (self._folder / frame.path).is_file():
                tally.add("picture is missing", frame.path, breaks=True)
            annotations = self._annotations(frame)
            if not annotations:
                tally.add("image without annotations", image_id)
            for number, annotation in enumerate(annotations):
                segments = annotation.get("segments") or ()
                small = sum(len(polygon) < 3 for polygon in segments)
                place = f"{image_id}/{number}"
                tally.add("polygon of fewer than 3 points, left out", place, times=small)
        return tally.oddities()

    def _index(self, file: Path, number: int, pattern: str) -> str:
        """Keeps the place of each frame of a file; gives the file's text."""

        def visit(place: int, entry: Any) -> None:
            image = entry.get("image") if isinstance(entry, dict) else None
            if not isinstance(image, dict) or not isinstance(image.get("name"), str):
                raise BenchError(f"{file}: every entry has an 'image' with a 'name'")
            name, video = image["name"], str(image.get("video", file.stem))
            words = {"name": name, "video": video, "participant": video.partition("_")[0]}
            image_id = Path(name).stem
            if image_id in self._frames:
                raise BenchError(f"{file}: the frame {image_id!r} is listed twice")
            path = _WORD.sub(lambda match: words[match[1]], pattern)
            check_inside(path, f"{file}: the frame")
            self._frames[image_id] = _Frame(number, place, path, video)

        try:
            text = decode_json(file.read_bytes())
            content = read_object(text, {"video_annotations": visit})
        except ValueError as error:
            raise BenchError(f"{file}: not a JSON file: {error}") from None
        if not isinstance(content.get("video_annotations"), list):
            raise BenchError(f"{file}: a VISOR file has a list 'video_annotations'")
        return text

    def _annotations(self, frame: _Frame) -> Sequence[Mapping[str, Any]]:
        entry = value_at(self._texts[frame.file], frame.place)[0]
        annotations = entry.get("annotations") or []
        if not isinstance(annotations, list) or not all(map(_is_annotation, annotations)):
            raise BenchError(
                f"{self._files[frame.file]}: 'annotations' are objects whose 'segments' are lists"
            )
        return annotations


def _is_annotation(written: object) -> bool:
    if not isinstance(written, dict):
        return False
    segments = written.get("segments") or []
    return isinstance(segments, list) and all(isinstance(each, list) for each in segments)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Which file lists a frame, at which place of its text, where it lies, and its video."""

    file: int
    place: int
    path: str
    video: str
