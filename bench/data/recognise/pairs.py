"""Pictures with masks beside them: one file per object, or one label image per picture."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from bench.config.component import Component
from bench.data.formats.pictures import look_at
from bench.data.opening import open_whole
from bench.data.recognise import Listing, Recognised
from bench.data.recognise.content import Content, content_of
from bench.data.recognise.patterns import folder_of, id_in, image_ids, pattern_of
from bench.types import BenchError, Site

_WORD = re.compile(
    r"(^|[^a-z])(mask|label|gt|seg|annot|annotation|instance|truth|groundtruth|target)s?([^a-z]|$)"
    r"|segmentation|labelids|instanceids"
)
_LOOKED_AT = 20


@dataclass(frozen=True, slots=True)
class Pair:
    """Pictures and their masks, or other files: patterns and, for each image id, its files."""

    images: str
    masks: str
    pictures: Mapping[str, Path]
    files: Mapping[str, Sequence[Path]]

    @property
    def with_masks(self) -> list[str]:
        """The ids of pictures that have a mask, or another file of their own."""
        return [image_id for image_id, paths in self.files.items() if paths]


def find(listing: Listing) -> Sequence[Recognised]:
    """The ways to read the folder's pictures with masks."""
    found: list[Recognised] = []
    for pictures, masks in _splits(listing.pictures):
        for pair in find_pairs(listing, pictures, masks):
            found += (way for way in _ways(listing, pair) if _reads(way, pair))
        if found:
            break
    details = [way.detail for way in found]
    return [
        way if details.count(way.detail) == 1 else replace(way, detail=" with ".join(way.tree))
        for way in found
    ]


def misses(listing: Listing) -> Iterator[str]:
    """Why pictures with masks beside them can't be read as such."""
    yield from _twins(listing.pictures)
    for pictures, masks in _splits(listing.pictures):
        for pair in find_pairs(listing, pictures, masks):
            if pair.with_masks and not _ways(listing, pair):
                yield _no_content(listing, pair)


def _twins(names: Sequence[str]) -> Iterator[str]:
    """The first two pictures that differ in their endings alone."""
    seen: dict[PurePosixPath, str] = {}
    for name in names:
        stem = PurePosixPath(name).with_suffix("")
        if stem in seen:
            yield (
                f"{seen[stem]} and {name} are two pictures of one name, so that masks can't be "
                "told apart by it: keep or rename one of them"
            )
            return
        seen[stem] = name


def _no_content(listing: Listing, pair: Pair) -> str:
    """Why the masks of a pair are neither labels nor masks, by the first of them."""
    path = pair.files[pair.with_masks[0]][0]
    name = path.relative_to(listing.folder).as_posix()
    try:
        stored = look_at(path)
        if not stored.lossy:
            content_of([path])
    except BenchError as error:
        return str(error).replace(str(path), name, 1)
    kind, of = stored.kind, stored.kind.partition(" ")[0]
    if stored.lossy:
        return (
            f"{name} is a {of} that isn't black and white: a {of} packed with loss can't hold "
            "labels, its values aren't exact; save label images as PNG"
        )
    return f"{name} ({kind}) is neither a label image of few values nor one object's mask"


def _reads(way: Recognised, pair: Pair) -> bool:
    """Whether the reader itself finds these very images: a pattern may match other files too."""
    try:
        ids = open_whole(Component("new", "1", way.target, dict(way.args)), Site()).ids()
    except BenchError:
        return False
    return set(ids) in (set(pair.pictures), set(pair.with_masks))


def _splits(names: Sequence[str]) -> Iterable[tuple[list[str], list[str]]]:
    """Pictures and masks, told apart by words in their names, else by how files are stored."""
    masks = [name for name in names if _WORD.search(name.lower())]
    if masks and len(masks) < len(names):
        yield [name for name in names if name not in set(masks)], masks
    by_place: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in names:
        path = PurePosixPath(name)
        by_place[path.parent.as_posix(), path.suffix.lower()].append(name)
    if len(by_place) == 2:
        one, other = by_place.values()
        for pictures, others in ((one, other), (other, one)):
            if pictures != masks:  # what is called masks is no picture of them
                yield pictures, others


def find_pairs(listing: Listing, pictures: Sequence[str], masks: Sequence[str]) -> Iterable[Pair]:
    """Each kind of picture folder with each kind of mask folder that belongs to it."""
    for group in _image_groups(pictures):
        ids = image_ids(group)
        images = pattern_of(ids) if ids else None
        if images is None:
            continue
        known = set(ids.values())
        by_folder: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
        for name in masks:
            image_id = id_in(name, known)
            if image_id is not None:
                by_folder[folder_of(name, image_id)][name] = image_id
        for own in by_folder.values():
            pattern = pattern_of(own)
            if pattern is not None:
                yield _pair(listing.folder, images, pattern, ids, own)


def _image_groups(names: Sequence[str]) -> list[list[str]]:
    """Pictures by kind of folder; one group where every picture has a folder of its own."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in names:
        groups[folder_of(name, PurePosixPath(name).stem)].append(name)
    if len(groups) > 1 and all(len(group) == 1 for group in groups.values()):
        return [list(names)]
    return list(groups.values())


def _pair(
    folder: Path, images: str, masks: str, ids: Mapping[str, str], own: Mapping[str, str]
) -> Pair:
    """The files of each image, from what image each path (path → id) belongs to."""
    pictures = {image_id: folder / name for name, image_id in ids.items()}
    files: dict[str, list[Path]] = {image_id: [] for image_id in pictures}
    for name, image_id in own.items():
        files[image_id].append(folder / name)
    return Pair(images, masks, pictures, files)


def _ways(listing: Listing, pair: Pair) -> list[Recognised]:
    """As one label image per picture, one file per object, both or neither, by the content."""
    paths = [path for image_id in pair.with_masks for path in pair.files[image_id]]
    try:
        content = content_of(paths)
    except BenchError:
        return []
    single = all(len(pair.files[image_id]) == 1 for image_id in pair.with_masks)
    ways = []
    if single and content.labels and "*" not in pair.masks:
        ways.append(_labels(listing, pair, content))
    if content.masks:
        ways.append(_masks(listing, pair, content, single=single))
    return ways


def _labels(listing: Listing, pair: Pair, content: Content) -> Recognised:
    what = "colours" if content.colours else "values"
    exif, assumed = _exif(pair)
    if content.background:
        assumed.append(f"{'black' if content.colours else 'the value 0'} is background")
    else:
        assumed.append("nothing is background: every value is an object (background: [])")
    for value in content.void:
        assumed.append(f"the value {value} is no object and counts in no score (ignore: [{value}])")
    assumed.append("a value is one object, of however many parts (split_components: false)")
    if bare := len(pair.pictures) - len(pair.with_masks):
        assumed.append(f"{bare} pictures without a label image are left out")
    return Recognised(
        format="label_image",
        detail=pair.masks,
        target="bench.data.readers.label_image.LabelImage",
        folder=listing.folder,
        args={
            "folder": str(listing.folder),
            "images": pair.images,
            "labels": pair.masks,
            "background": [0] if content.background else [],
            "ignore": list(content.void),
            "exif": exif,
        },
        seen=f"{len(pair.with_masks)} label images with {content.values} {what} or more",
        assumed=tuple(assumed),
        tree=(pair.images, pair.masks),
        guessed=_names(listing, pair.files),
    )


def _masks(listing: Listing, pair: Pair, content: Content, *, single: bool) -> Recognised:
    number = sum(map(len, pair.files.values()))
    threshold = content.threshold
    exif, assumed = _exif(pair)
    assumed.append(
        f"a pixel is in a mask where it is brighter than {threshold} (threshold: {threshold})"
    )
    if single:
        assumed.append("a mask file is one object, of however many parts")
    if bare := len(pair.pictures) - len(pair.with_masks):
        assumed.append(f"{bare} pictures have no mask and count as pictures without objects")
    return Recognised(
        format="mask_folder",
        detail=pair.masks,
        target="bench.data.readers.mask_folder.MaskFolder",
        folder=listing.folder,
        args={
            "folder": str(listing.folder),
            "images": pair.images,
            "masks": pair.masks,
            "threshold": threshold,
            "exif": exif,
        },
        seen=f"{len(pair.pictures)} pictures with {number} mask files",
        assumed=tuple(assumed),
        tree=(pair.images, pair.masks),
        guessed=_names(listing, pair.files),
    )


def _names(listing: Listing, files: Mapping[str, Sequence[Path]]) -> frozenset[str]:
    paths = (path for several in files.values() for path in several)
    return frozenset(path.relative_to(listing.folder).as_posix() for path in paths)


def _exif(pair: Pair) -> tuple[str, list[str]]:
    """Whether pictures are to be turned: where the masks have the turned size."""
    turned = 0
    for image_id in pair.with_masks[:_LOOKED_AT]:
        stored = look_at(pair.pictures[image_id])
        if stored.orientation == 1:
            continue
        turned += 1
        mask = look_at(pair.files[image_id][0]).shape
        if stored.orientation >= 5 and mask == stored.shape[::-1] != stored.shape:
            return "apply", ["pictures are turned by their EXIF orientation, as the masks are"]
    if turned:
        return "ignore", [
            f"masks lie on the stored pixels (exif: ignore), though {turned} of the first "
            f"{min(len(pair.with_masks), _LOOKED_AT)} pictures have an EXIF orientation"
        ]
    return "ignore", []
