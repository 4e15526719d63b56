"""JSON files that list pictures in other formats than COCO's own: VIA, YouTube-VIS, panoptic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, TypeAlias

from bench.data.recognise import Listing, Recognised, below, folders_of
from bench.files.documents import parse_json

Content: TypeAlias = Any

_BESIDE_PICTURES = 20
"""Of the JSON files that are called as a picture so many are looked at: they hold one picture's."""

_WITHOUT_READER: Mapping[str, Callable[[Content], bool]] = MappingProxyType(
    {
        "Supervisely's": lambda c: _has(c, "objects") and _has(c, "size"),
        "Label Studio's": lambda c: _first(c, "annotations", "data") or _first(c, "id", "tag"),
        "ISAT's": lambda c: _has(c, "objects") and _has(c, "info"),
        "VoTT's": lambda c: _has(c, "asset") and _has(c, "regions"),
        "CreateML's": lambda c: _first(c, "annotations", "image"),
        "Datumaro's": lambda c: _has(c, "items") and _has(c, "categories"),
    }
)
"""Formats that no reader reads, and how their files are told; all of these tools export COCO."""


def find(listing: Listing) -> Sequence[Recognised]:
    """A way for each such file, in the folder where most of its pictures are."""
    found: list[Recognised | None] = []
    for file, content in _documents(listing):
        if isinstance(content, Exception):
            continue
        if (lists := _lists(content, "images")) and _has(_some(lists[1]), "segments_info"):
            found.append(_panoptic(listing, file, *lists))
        elif (lists := _lists(content, "videos")) and _has(_some(lists[1]), "segmentations"):
            found.append(_youtube_vis(listing, file, *lists))
        elif entries := _via_entries(content):
            found.append(_via(listing, file, entries))
    return [way for way in found if way is not None]


def misses(listing: Listing) -> Iterator[str]:
    """What JSON files are, and why they are not read."""
    for file, content in _documents(listing):
        if isinstance(content, Exception):
            yield f"{file} is no JSON file that can be read: {content}"
            continue
        for name, holds in _WITHOUT_READER.items():
            if holds(content):
                yield f"{file} looks like {name}, which no reader reads: export it as COCO"
        for key, of in (("images", "COCO"), ("videos", "YouTube-VIS")):
            if lists := _lists(content, key):
                yield _why_not(listing, file, of, *lists)
        if entries := _via_entries(content):
            names = [entry["filename"] for entry in entries]
            yield f"{file} is a VIA file, but none of its pictures, {names[0]!r} for one, is here"


def _why_not(
    listing: Listing, file: str, of: str, images: Sequence[Any], annotations: Sequence[Any]
) -> str:
    names = [name for image in images for name in _names(image)]
    if not names:
        return f"{file} looks like a {of} file that lists no picture"
    if not folders_of(names, listing.pictures):
        return f"{file} is a {of} file, but none of its pictures, {names[0]!r} for one, is here"
    if _has(_some(annotations), "segments_info"):
        return (
            f"{file} is a COCO panoptic file, but its PNGs of segments are not here, "
            f"{_some(annotations).get('file_name')!r} for one (reader coco_panoptic)"
        )
    return f"{file} is a {of} file without segmentations, so there are no masks to measure"


def _documents(listing: Listing) -> Iterator[tuple[str, Content]]:
    """The folder's JSON files and what they hold, an error where one can't be read."""
    pictures = {PurePosixPath(name).stem for name in listing.pictures}
    beside = 0
    for file in (name for name in listing.files if name.lower().endswith(".json")):
        if PurePosixPath(file).stem in pictures:
            beside += 1
            if beside > _BESIDE_PICTURES:
                continue
        try:
            yield file, parse_json((listing.folder / file).read_bytes())
        except (ValueError, OSError) as error:
            yield file, error


def _panoptic(
    listing: Listing, file: str, images: Sequence[Any], annotations: Sequence[Any]
) -> Recognised | None:
    names = [name for image in images for name in _names(image)]
    pngs = [name for annotation in annotations for name in _names(annotation)]
    segments = folders_of(pngs, listing.pictures)
    stem = PurePosixPath(file).stem
    named = [f for f in segments if PurePosixPath(f).name in (stem, f"{stem}_segments")]
    named += [folder for folder in segments if "panoptic" in folder or "segment" in folder]
    folders = [folder for folder in folders_of(names, listing.pictures) if folder not in named[:1]]
    segments = named + [folder for folder in segments if folder not in folders[:1]]
    if not folders or not segments:
        return None
    return Recognised(
        format="coco_panoptic",
        detail=file,
        target="bench.data.readers.coco_panoptic.CocoPanoptic",
        folder=listing.folder,
        args={
            "annotations": str(listing.folder / file),
            "images": str(listing.folder / folders[0]),
            "segments": str(listing.folder / segments[0]),
            "stuff": True,
            "void": "ignore",
        },
        seen=f"{file}, {len(annotations)} annotated images; pictures in {folders[0] or '.'}, "
        f"segments in {segments[0] or '.'}",
        assumed=(
            "things and stuff are targets (stuff: true)",
            "pixels of no segment count in no score, as in panopticapi (void: ignore)",
        ),
        tree=(file, below(folders[0], names[0]), below(segments[0], pngs[0])),
        told=frozenset(
            [*(below(segments[0], png) for png in pngs), *(below(folders[0], n) for n in names)]
        ),
    )


def _youtube_vis(
    listing: Listing, file: str, videos: Sequence[Any], annotations: Sequence[Any]
) -> Recognised | None:
    names = [name for video in videos for name in _names(video)]
    return _listed(
        listing,
        file,
        names,
        reader="bench.data.readers.youtube_vis.YoutubeVis",
        seen=f"{len(videos)} videos of {len(names)} frames, {len(annotations)} annotations; frames",
        assumed="every frame is an image; those of a video belong together",
    )


def _via(listing: Listing, file: str, entries: Sequence[Mapping[str, Any]]) -> Recognised | None:
    regions = sum(len(entry["regions"] or ()) for entry in entries)
    return _listed(
        listing,
        file,
        [entry["filename"] for entry in entries],
        reader="bench.data.readers.via.Via",
        seen=f"{len(entries)} pictures with {regions} regions; pictures",
        assumed="no region attribute is the category (category: null)",
    )


def _listed(
    listing: Listing, file: str, names: Sequence[str], *, reader: str, seen: str, assumed: str
) -> Recognised | None:
    """A file that lists pictures, with a reader that takes it and their folder, if one is here."""
    folders = folders_of(names, listing.pictures)
    if not folders:
        return None
    return Recognised(
        format=reader.split(".")[-2],
        detail=file,
        target=reader,
        folder=listing.folder,
        args={
            "annotations": str(listing.folder / file),
            "images": str(listing.folder / folders[0]),
        },
        seen=f"{file}, {seen} in {folders[0] or '.'}",
        assumed=(assumed,),
        tree=(file, below(folders[0], names[0])),
    )


def _lists(content: Content, key: str) -> tuple[Sequence[Any], Sequence[Any]] | None:
    """The list of that key and the annotations, where both are lists of objects."""
    if not isinstance(content, dict):
        return None
    found = [content.get(name) for name in (key, "annotations")]
    if not all(isinstance(one, list) and all(isinstance(e, dict) for e in one) for one in found):
        return None
    return found[0] or (), found[1] or ()


def _via_entries(content: Content) -> Sequence[Mapping[str, Any]]:
    """A VIA file's entries; none where it isn't one."""
    entries = content.get("_via_img_metadata", content) if isinstance(content, dict) else {}
    listed = list(entries.values()) if isinstance(entries, dict) else []
    fits = all(
        isinstance(entry, dict)
        and isinstance(entry.get("filename"), str)
        and isinstance(entry.get("regions"), list | dict)
        for entry in listed
    )
    return listed if fits else []


def _names(entry: Mapping[str, Any]) -> list[str]:
    """The files that an entry names."""
    several = entry.get("file_names")
    written = several if isinstance(several, list) else [entry.get("file_name")]
    return [name for name in written if isinstance(name, str)]


def _some(entries: Sequence[Any]) -> Any:
    return entries[0] if entries else None


def _has(content: Content, key: str) -> bool:
    return isinstance(content, dict) and key in content


def _first(content: Content, *keys: str) -> bool:
    """Whether the content is a list whose first entry has the keys."""
    return isinstance(content, list) and all(_has(_some(content), key) for key in keys)
