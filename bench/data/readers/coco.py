"""COCO's JSON of annotations beside a folder of pictures.

::

    <site.datasets>/
      coco/
        annotations/
          instances_val2017.json    annotations="coco/annotations/instances_val2017.json"
        val2017/                    images="coco/val2017"
          000000000139.jpg          images[].file_name, may lie in sub-folders
          …
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from bench.data.abilities import Category, LookedFor
from bench.data.formats.coco_file import CocoFile, Entry, area_of, box_of
from bench.data.formats.files import (
    check_inside,
    check_said_size,
    hash_files,
    locate_file,
    locate_folder,
    require_some,
    said_size,
    unlisted_files,
)
from bench.data.formats.pictures import Exif, look_at, read_picture, turn_remedy
from bench.data.formats.segmentation import (
    Fill,
    are_pairs,
    are_shares,
    count_far_polygons,
    count_small_polygons,
    decode_segmentation,
)
from bench.data.formats.spellings import how_to_strip, settle_names
from bench.data.oddities import Oddity, Tally
from bench.files.names import id_order
from bench.types import BenchError, ImageArray, Sample, Site, Target

_LISTS = ("neg_category_ids", "not_exhaustive_category_ids")


class Coco:
    """Reads COCO files: polygons, RLE strings and RLE lists, crowds included.

    ``annotations`` is the JSON file, or several, and ``images`` the folder that file names start
    from, all relative to ``site.datasets`` unless absolute. Ids of several files begin with the
    file's stem, "train/7".

    ``file_key`` is the key of an image's file name; of a URL what stands behind its host (LVIS v1
    has only ``coco_url``, ``http://…/val2017/000000397133.jpg``). ``strip`` is cut off where the
    name begins with it; of the rest the ``last`` characters are kept (LVIS v0.5 writes
    ``COCO_val2014_000000266409.jpg`` for ``000000266409.jpg``: the last 16).

    ``fill`` "even_odd" makes a polygon inside another one of the same mask a hole; COCO's tools
    fill it ("union"). ``exif`` "apply" turns pictures by their EXIF orientation; COCO's masks lie
    on the stored pixels, hence the default. With "apply" the JSON may give the size as stored:
    some tools write that beside polygons drawn on the picture as it is shown, which need no size.

    Every image is an id, those without annotations too. Every annotation is a target: crowds
    (``iscrowd``, false where it is missing) as such, an empty ``segmentation`` and polygons of
    fewer than three points as an empty mask; a polygon written as pairs [x, y] or as shares of the
    picture's size, and one that is the annotation's ``bbox``, are refused with their image.
    ``bbox`` and ``area`` are kept beside it as the file writes them, for protocols that take the
    file's. ``category`` is the category's name, none in a file without ``categories``;
    ``attributes`` are the annotation's own, as text, without those that are null; of LVIS also the
    ``frequency`` of its category: frequent, common or rare.

    The JSON is looked through once, when opened; pictures and masks are decoded in ``read``.
    A picture that isn't there under its name is looked for under another spelling of it
    (``bench.data.formats.spellings``).

    Raises ``BenchError`` where a file, folder or key is missing, an id is missing, of a wrong type
    or there twice, an annotation refers to an unknown image or category, or none of the first
    pictures lies in the folder.
    """

    def __init__(
        self,
        annotations: str | Path | Sequence[str],
        images: str,
        *,
        site: Site,
        exif: Exif = "ignore",
        strip: str = "",
        last: int | None = None,
        file_key: str = "file_name",
        fill: Fill = "union",
    ) -> None:
        paths = [str(annotations)] if isinstance(annotations, (str, Path)) else list(annotations)
        files = [locate_file(path, site) for path in paths]
        if not files or len({file.stem for file in files}) < len(files):
            raise BenchError(f"annotations: files of different names are needed, found {paths}")
        self._folder = locate_folder(images, site)
        self.exif: Exif = exif
        self._most = site.max_pixels
        self._fill: Fill = fill
        self._files = [CocoFile(path) for path in files]
        self._images: dict[str, _Image] = {}
        for file in self._files:
            prefix = f"{file.path.stem}/" if len(files) > 1 else ""
            for own_id, entry in file.images.items():
                said = _file_name(file, entry, file_key)
                name = said.removeprefix(strip)
                name = name if last is None else name[-last:]
                where = f"{file.path}: image {own_id}: {file_key!r}"
                check_inside(name, where, partial(how_to_strip, self._folder, said))
                self._images[prefix + own_id] = _Image(file, own_id, prefix, name, said)
        self._ids = sorted(self._images, key=id_order)
        self._settle(files[0].name)

    def ids(self) -> Sequence[str]:
        """The images' ids as text: numbers first and by value, then others by their characters."""
        return list(self._ids)

    def read(self, image_id: str) -> Sample:
        """The picture and its targets, in the file's order; ``mask_id`` is the annotation's id.

        Raises ``BenchError`` naming the file where the picture can't be read or its size is not
        the one that the JSON says, and where a segmentation can't be decoded.
        """
        found = self._image(image_id)
        image = self._picture(found, image_id)
        height, width = image.shape[:2]
        targets = [
            self._target(found, annotation, height, width) for annotation in found.annotations()
        ]
        return Sample(image_id, image, targets)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the JSON's content and of the pictures' names and sizes in bytes."""
        ids = self._ids if image_ids is None else image_ids
        contents = [file.content for file in self._files]
        content = contents[0] if len(contents) == 1 else _hash_of(contents)
        return hash_files(content, self._folder, (self._images[i].name for i in ids))

    def oddities(self) -> Sequence[Oddity]:
        """Missing and unlisted pictures, images without masks, and masks that aren't whole."""
        tally = Tally()
        for image_id, image in self._images.items():
            if not (self._folder / image.name).is_file():
                tally.add("picture is missing", image.name, breaks=True)
            if image.name in self._respelled:
                tally.add("picture under another spelling, taken", self._respelled[image.name])
            annotations = image.annotations()
            if not annotations:
                tally.add("image without annotations", image_id)
            size = self._size(image)
            for annotation in annotations:
                _tell(tally, f"{image.prefix}{annotation['id']}", annotation, size)
        for path in unlisted_files(self._folder, {i.name for i in self._images.values()}):
            tally.add("picture that no annotation file lists, left out", path)
        return tally.oddities()

    def entry(self, image_id: str) -> Entry:
        """The image's own entry in the JSON; raises ``BenchError`` for an unknown id."""
        image = self._image(image_id)
        return image.file.images[image.own_id]

    def looked_for(self, image_id: str) -> LookedFor | None:
        """LVIS's lists of the image, of categories that the file names."""
        image = self._image(image_id)
        entry, names = image.file.images[image.own_id], image.file.categories
        lists = [entry.get(key) for key in _LISTS]
        if lists == [None, None]:
            return None
        for key, listed in zip(_LISTS, lists, strict=True):
            if not isinstance(listed, list | None) or not all(
                type(one) in (int, str) for one in listed or ()
            ):
                raise BenchError(
                    f"{image.file.path}: image {image.own_id}: {key!r} is a list of categories' "
                    f"ids, found {repr(listed)[:40]}"
                )
        absent, partial = (
            frozenset(names[one] for one in listed or () if one in names) for listed in lists
        )
        return LookedFor(absent, partial)

    def files_of(self, image_id: str) -> Sequence[Path]:
        """The picture; the JSON's content is in the fingerprint."""
        return [self.path(image_id)]

    def path(self, image_id: str) -> Path:
        """Where the image's picture should lie."""
        return self._folder / self._image(image_id).name

    def mask_count(self, image_id: str) -> int:
        """How many annotations of the image are no crowd."""
        return sum(not a.get("iscrowd", 0) for a in self._image(image_id).annotations())

    def categories(self) -> Mapping[int | str, Category]:
        """Those of all files by their ids; raises ``BenchError`` where an id is two things."""
        found: dict[int | str, Category] = {}
        for file in self._files:
            for own, name in file.categories.items():
                if found.setdefault(own, Category(name)).name != name:
                    raise BenchError(
                        f"{file.path}: category {own} is {name!r}, and {found[own].name!r} in "
                        "another of the dataset's files"
                    )
        return found

    def _settle(self, source: str) -> None:
        """Has each image name its picture as it lies on the disk."""
        names = [self._images[i].name for i in self._ids]
        found = settle_names(self._folder, names, source)
        remedy = partial(how_to_strip, self._folder, self._images[self._ids[0]].said)
        require_some(self._folder, found, source, remedy)
        self._respelled = {b: a for a, b in zip(names, found, strict=True) if a != b}
        for image_id, name in zip(self._ids, found, strict=True):
            self._images[image_id] = replace(self._images[image_id], name=name)

    def _image(self, image_id: str) -> _Image:
        if image_id not in self._images:
            where = ", ".join(str(file.path) for file in self._files)
            raise BenchError(f"{where}: there is no image with the id {image_id!r}")
        return self._images[image_id]

    def _size(self, found: _Image) -> tuple[object, object]:
        """The (H, W) that the JSON says, of a picture that is turned as it is then."""
        said = said_size(found.file.images[found.own_id])
        path = self._folder / found.name
        turned = self.exif == "apply" and path.is_file() and _is_stored(path, said)
        return said[::-1] if turned else said

    def _picture(self, found: _Image, image_id: str) -> ImageArray:
        path, entry = self._folder / found.name, found.file.images[found.own_id]
        image = read_picture(path, exif=self.exif, pixel_limit=self._most)
        said = said_size(entry)
        if not (self.exif == "apply" and _is_stored(path, said)):
            remedy = partial(turn_remedy, path, image.shape, said, self.exif)
            check_said_size(image, path, entry, found.file.path, f"image {image_id}", remedy)
        return image

    def _target(self, found: _Image, annotation: Entry, height: int, width: int) -> Target:
        mask_id = str(annotation["id"])
        try:
            if _is_box(annotation):
                raise ValueError("its segmentation is its bbox: no outline of an object")
            mask = decode_segmentation(annotation["segmentation"], height, width, fill=self._fill)
        except ValueError as error:
            raise BenchError(f"{found.file.path}: annotation {mask_id}: {error}") from None
        return Target(
            found.prefix + mask_id,
            mask,
            category=found.file.category(annotation),
            crowd=bool(annotation.get("iscrowd", 0)),
            attributes=found.file.attributes(annotation),
            file_box=box_of(annotation.get("bbox")),
            file_area=area_of(annotation.get("area")),
        )


@dataclass(frozen=True, slots=True)
class _Image:
    """Where an image is listed, under which id, what begins its masks' ids, and its picture.

    ``said`` is the name of the picture as the file has it.
    """

    file: CocoFile
    own_id: str
    prefix: str
    name: str
    said: str

    def annotations(self) -> Sequence[Entry]:
        """The image's annotations, parsed anew."""
        return list(self.file.annotations(self.own_id))


def _is_box(annotation: Entry) -> bool:
    """Whether the only polygon is the annotation's own ``bbox``, four numbers."""
    box = annotation.get("bbox")
    return isinstance(box, list) and len(box) == 4 and annotation["segmentation"] in ([box], box)


def _is_stored(path: Path, size: tuple[object, object]) -> bool:
    """Whether a picture that is turned by a quarter has the (H, W) as stored."""
    stored = look_at(path)
    return stored.turned and stored.shape == size


def _tell(tally: Tally, mask_id: str, annotation: Entry, size: tuple[object, object]) -> None:
    """Counts what is odd about an annotation's segmentation; (H, W) is none where not said."""
    segmentation = annotation["segmentation"]
    if not segmentation:
        tally.add("annotation without a segmentation, an empty mask", mask_id)
    if are_pairs(segmentation):
        tally.add("polygon written as pairs [x, y]", mask_id, breaks=True)
        return
    if _is_box(annotation):
        tally.add("bbox in the place of a polygon", mask_id, breaks=True)
        return
    if are_shares(segmentation):
        tally.add("polygon as shares of the picture's size", mask_id, breaks=True)
        return
    if annotation.get("bbox") is not None and box_of(annotation["bbox"]) is None:
        tally.add("bbox that is no box, the mask's own in its place", mask_id)
    small = count_small_polygons(segmentation)
    tally.add("polygon of fewer than 3 points, left out", mask_id, times=small)
    if isinstance(segmentation, dict):
        if None not in size and segmentation.get("size") != list(size):
            tally.add("RLE of another size than its image", mask_id, breaks=True)
    elif isinstance(size[0], int) and isinstance(size[1], int):
        outside, beyond = count_far_polygons(segmentation, size[0], size[1])
        tally.add("polygon outside of the picture, left out", mask_id, times=outside)
        tally.add("polygon that reaches beyond the picture, cut off", mask_id, times=beyond)


def _file_name(file: CocoFile, image: Entry, key: str) -> str:
    name = image.get(key)
    if not isinstance(name, str) or not name:
        raise BenchError(f"{file.path}: image {image['id']} has no {key!r}")
    try:
        return urlsplit(name).path.lstrip("/") if "://" in name else name
    except ValueError as error:
        raise BenchError(f"{file.path}: image {image['id']}: {key!r}: {error}") from None


def _hash_of(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
