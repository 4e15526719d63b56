"""A COCO file, and the folder that its pictures lie in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from os.path import commonprefix
from pathlib import Path
from typing import Any

from bench.data.formats.files import said_size
from bench.data.formats.pictures import look_at
from bench.data.formats.segmentation import count_far_polygons
from bench.data.formats.spellings import normal_form
from bench.data.recognise import Listing, Recognised, below, folders_of
from bench.files.documents import parse_json
from bench.types import BenchError

_LOOKED_AT = 50


def find(listing: Listing) -> Sequence[Recognised]:
    """A way for each COCO file with masks, in the folder where most of its pictures are."""
    names = set(map(normal_form, listing.pictures))
    found = []
    for file in (name for name in listing.files if name.lower().endswith(".json")):
        content = _coco(listing.folder / file)
        if content is None:
            continue
        pictures = [str(image.get("file_name")) for image in content["images"]]
        strip, folders = "", folders_of(pictures, listing.pictures)
        if not folders:
            common = commonprefix(pictures)  # noqa: RUF071 - of characters: "\\" and "=" part too
            strip = re.split(r"[^/\\=]*$", common, maxsplit=1)[0]
            pictures = [picture.removeprefix(strip) for picture in pictures]
            folders = folders_of(pictures, listing.pictures)
        if not folders:
            continue
        folder = folders[0]
        there = sum(normal_form(below(folder, picture)) in names for picture in pictures)
        way = _way(listing, file, folder, content, there)
        found.append(replace(way, args={**way.args, "strip": strip}) if strip else way)
    return found


def _coco(path: Path) -> dict[str, Any] | None:
    """The file's content, where it is a COCO file with masks."""
    try:
        content = parse_json(path.read_bytes())
    except (ValueError, OSError):
        return None
    lists = ("images", "annotations")
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in lists):
        return None
    entries = [*content["images"], *content["annotations"]]
    if not content["images"] or not all(isinstance(entry, dict) for entry in entries):
        return None
    return content if any(a.get("segmentation") for a in content["annotations"]) else None


def _way(
    listing: Listing, file: str, folder: str, content: dict[str, Any], there: int
) -> Recognised:
    images = content["images"]
    number = f"{len(images)} images" if there == len(images) else f"{there} of {len(images)} images"
    seen = f"{file}, {len(content['annotations'])} annotations; {number} are in {folder or '.'}"
    exif, assumed = _exif(listing, folder, content)
    return Recognised(
        format="coco",
        detail=file,
        target="bench.data.readers.coco.Coco",
        folder=listing.folder,
        args={
            "annotations": str(listing.folder / file),
            "images": str(listing.folder / folder),
            "exif": exif,
        },
        seen=seen,
        assumed=tuple(assumed),
        tree=(file, below(folder, str(images[0].get("file_name")))),
    )


def _exif(listing: Listing, folder: str, content: dict[str, Any]) -> tuple[str, list[str]]:
    """Whether pictures are to be turned: where the file gives the turned size, or masks fit it."""
    images = content["images"]
    turned = 0
    for image in images[:_LOOKED_AT]:
        path = listing.folder / below(folder, str(image.get("file_name")))
        try:
            stored = look_at(path)
        except BenchError:
            continue
        if stored.orientation == 1:
            continue
        turned += 1
        said = said_size(image)
        if stored.orientation >= 5 and said == stored.shape[::-1] != stored.shape:
            return "apply", ["pictures are turned by their EXIF orientation, as the sizes say"]
        if stored.turned and _fit_only_turned(content, image.get("id"), stored.shape):
            return "apply", [
                "pictures are turned by their EXIF orientation, as polygons say that leave the "
                "picture as stored"
            ]
    if turned:
        return "ignore", [
            f"masks lie on the stored pixels (exif: ignore), though {turned} of the first "
            f"{min(len(images), _LOOKED_AT)} pictures have an EXIF orientation"
        ]
    return "ignore", []


def _fit_only_turned(content: dict[str, Any], image_id: object, shape: tuple[int, int]) -> bool:
    """Whether an image's polygons leave the (H, W) as stored, and not that of its turn."""
    polygons = [
        a.get("segmentation") for a in content["annotations"] if a.get("image_id") == image_id
    ]
    stored = [sum(count_far_polygons(each, *shape)) for each in polygons]
    turned = [sum(count_far_polygons(each, *shape[::-1])) for each in polygons]
    return sum(stored) > 0 and sum(turned) == 0
