"""YouTube-VIS' JSON of annotated videos, as OVIS writes it: every frame is an image.

::

    <site.datasets>/
      ovis/
        annotations_train.json         annotations="ovis/annotations_train.json"
        train/<video>/img_0000001.jpg  images="ovis/train"

``videos[]`` has ``id``, ``width``, ``height`` and ``file_names``, a path a frame; an annotation has
``video_id`` and ``segmentations``, an RLE or null a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.data.formats.coco_file import CocoFile, Entry, Keys, area_of, attributes_of, box_of
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
from bench.data.formats.spellings import settle_names
from bench.data.oddities import Oddity, Tally
from bench.files.names import id_order
from bench.types import BenchError, Sample, Site, Target

_KEYS = Keys(images="videos", image_id="video_id", segmentation="segmentations")


class YoutubeVis:
    """Reads every frame of annotated videos: RLE strings and RLE lists.

    ``annotations`` is the JSON file and ``images`` the folder that ``file_names`` start from, both
    relative to ``site.datasets`` unless absolute. Ids are the file names without their ending,
    "<video>/img_0000001". An object that is null in a frame isn't one of its targets.

    Raises ``BenchError`` where a file, folder or key is missing, an id is there twice, an
    annotation refers to an unknown video or category or has not one segmentation for each frame,
    or none of the first frames is there.
    """

    def __init__(self, annotations: str, images: str, *, site: Site) -> None:
        path = locate_file(annotations, site)
        self._folder = locate_folder(images, site)
        self._most = site.max_pixels
        self._file = CocoFile(path, _KEYS)
        self._frames: dict[str, _Frame] = {}
        for video_id, video in self._file.images.items():
            names = video.get("file_names")
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise BenchError(f"{path}: video {video_id} has no list 'file_names'")
            for number, name in enumerate(names):
                check_inside(name, f"{path}: video {video_id}: 'file_names'")
                image_id = Path(name).with_suffix("").as_posix()
                if image_id in self._frames:
                    raise BenchError(f"{path}: the frame {name!r} is listed twice")
                self._frames[image_id] = _Frame(video_id, number, name)
        self._ids = sorted(self._frames, key=id_order)
        if not self._ids:
            raise BenchError(f"{path}: its videos have no frame")
        names = settle_names(self._folder, [self._frames[i].name for i in self._ids], path.name)
        require_some(self._folder, names, path.name)
        for image_id, name in zip(self._ids, names, strict=True):
            self._frames[image_id] = replace(self._frames[image_id], name=name)

    def ids(self) -> Sequence[str]:
        """The frames' paths without their ending, sorted."""
        return list(self._ids)

    def read(self, image_id: str) -> Sample:
        """The frame and the objects in it, in the file's order; its ``cluster`` is the video's id.

        ``mask_id`` is "<image_id>/<the annotation's id>". Raises ``BenchError`` naming the file
        where the frame can't be read, its size isn't the video's, or a mask can't be decoded.
        """
        if image_id not in self._frames:
            raise BenchError(f"{self._file.path}: there is no frame with the id {image_id!r}")
        frame = self._frames[image_id]
        video, picture = self._file.images[frame.video], self._folder / frame.name
        image = read_picture(picture, pixel_limit=self._most)
        height, width = image.shape[:2]
        check_said_size(image, picture, video, self._file.path, f"video {frame.video}")
        targets = []
        for annotation in self._file.annotations(frame.video):
            segmentation = self._segmentations(annotation, video)[frame.number]
            if segmentation is None:
                continue
            mask_id = f"{image_id}/{annotation['id']}"
            try:
                mask = decode_segmentation(segmentation, height, width)
            except ValueError as error:
                raise BenchError(f"{self._file.path}: {mask_id}: {error}") from None
            targets.append(
                Target(
                    mask_id,
                    mask,
                    category=self._file.category(annotation),
                    crowd=bool(annotation.get("iscrowd", 0)),
                    attributes=attributes_of(annotation),
                    file_box=box_of(_of_frame(annotation.get("bboxes"), frame.number)),
                    file_area=area_of(_of_frame(annotation.get("areas"), frame.number)),
                )
            )
        return Sample(image_id, image, targets, cluster=frame.video)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the JSON's content and of the frames' names and sizes in bytes."""
        ids = self._ids if image_ids is None else image_ids
        return hash_files(self._file.content, self._folder, (self._frames[i].name for i in ids))

    def files_of(self, image_id: str) -> Sequence[Path]:
        """The frame; the JSON's content is in the fingerprint."""
        return [self.path(image_id)]

    def path(self, image_id: str) -> Path:
        """Where the frame should lie."""
        return self._folder / self._frames[image_id].name

    def oddities(self) -> Sequence[Oddity]:
        """Missing frames, frames without an object, annotations shorter or longer than videos."""
        tally = Tally()
        for video_id, video in self._file.images.items():
            frames = video["file_names"]
            seen = [False] * len(frames)
            for annotation in self._file.annotations(video_id):
                written = annotation["segmentations"]
                if not isinstance(written, list) or len(written) != len(frames):
                    kind = "annotation without one segmentation for each frame"
                    tally.add(kind, str(annotation["id"]), breaks=True)
                else:
                    seen = [a or b is not None for a, b in zip(seen, written, strict=True)]
            for name, there in zip(frames, seen, strict=True):
                if not there:
                    tally.add("image without annotations", name)
                if not (self._folder / name).is_file():
                    tally.add("picture is missing", name, breaks=True)
        return tally.oddities()

    def _segmentations(self, annotation: Entry, video: Entry) -> Sequence[object]:
        written = annotation["segmentations"]
        frames = len(video["file_names"])
        if not isinstance(written, list) or len(written) != frames:
            found = len(written) if isinstance(written, list) else type(written).__name__
            raise BenchError(
                f"{self._file.path}: annotation {annotation['id']} needs {frames} segmentations, "
                f"one for each frame of its video, found {found}"
            )
        return written


def _of_frame(written: object, number: int) -> object:
    """A frame's entry of a list with one for each frame; none where there is no such list."""
    return written[number] if isinstance(written, list) and number < len(written) else None


@dataclass(frozen=True, slots=True)
class _Frame:
    """Which video a frame is of, the how-manieth of it, and its path."""

    video: str
    number: int
    name: str
