"""All that was recorded, by image and mask: which entries are whose, and what nobody's."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bench.files.text import csv_cell
from bench.prompts.recorded.entry import Entry
from bench.prompts.recorded.formats import read_entries
from bench.prompts.recorded.source import Source
from bench.types import BenchError, Target

log = logging.getLogger(__name__)

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"})


@dataclass(frozen=True)
class Recording:
    """The steps of one mask as one file tells them, from 1 without a gap."""

    entries: tuple[Entry, ...]

    @property
    def said(self) -> str:
        """Whose it is, in words."""
        first = self.entries[0]
        return f"{first.mask or first.image} ({first.where})"


@dataclass(frozen=True)
class Record:
    """The recordings of a file, each found by its mask's id, or its image's."""

    path: Path
    recordings: tuple[Recording, ...]
    by_mask: Mapping[str, Recording] = field(repr=False)
    by_image: Mapping[str, tuple[Recording, ...]] = field(repr=False)

    @property
    def steps(self) -> int:
        """The most steps of a mask."""
        return max(len(each.entries) for each in self.recordings)

    def of_image(
        self, image_id: str, targets: Sequence[Target]
    ) -> tuple[dict[str, Recording], list[Recording]]:
        """Of the targets with a recording, by id, that; and those of the image that are nobody's.

        A recording that names no mask, or one by a name of its own, is the image's one target's.
        Raises ``BenchError`` where it names an image alone that has several.
        """
        found: dict[str, Recording] = {}
        own = self.by_image.get(image_id) or self.by_image.get(csv_cell(image_id)) or ()
        for target in targets:
            names = (target.mask_id, csv_cell(target.mask_id))
            one = next((self.by_mask[name] for name in names if name in self.by_mask), None)
            if one is None:
                short = [e for e in own if e.entries[0].mask is not None
                         and f"{image_id}/{e.entries[0].mask}" == target.mask_id]  # fmt: skip
                one = short[0] if short else None
            if one is not None:
                self._check_image(one, image_id, own)
                found[target.mask_id] = one
        used = {id(each) for each in found.values()}
        left = [each for each in own if id(each) not in used]
        loose = [each for each in left if each.entries[0].loose]
        if loose and not found:
            if len(targets) == 1 and len(loose) == 1:
                return {targets[0].mask_id: loose[0]}, [e for e in left if e is not loose[0]]
            if len(targets) > 1 and any(each.entries[0].mask is None for each in loose):
                raise BenchError(
                    f"{self.path}: {loose[0].entries[0].where} names image {image_id} and no mask, "
                    f"and the image has {len(targets)} masks; name them in a column mask"
                )
        return found, left

    def _check_image(self, one: Recording, image_id: str, own: Sequence[Recording]) -> None:
        """Raises ``BenchError`` where a recording names a mask of this image, and another image."""
        entry = one.entries[0]
        if entry.image is not None and not any(each is one for each in own):
            raise BenchError(
                f"{self.path}: {entry.where}: mask {entry.mask} is of image {image_id}, the file "
                f"says {entry.image}; what names masks needs no images"
            )


def read_record(source: Source, kind: str | None, pick: int) -> Record:
    """What a source holds; of several recordings of one mask the ``pick``-th, from 1.

    Raises ``BenchError`` for a damaged source, one in which a mask has a step twice or lacks one,
    and one in which no mask has so many recordings.
    """
    if pick < 1:
        raise BenchError(f"prompts.recorded.args.pick counts from 1, found {pick}")
    groups: dict[tuple[str | None, str | None], dict[str, list[Entry]]] = {}
    for entry in read_entries(source, kind):
        whose = groups.setdefault((entry.image, entry.mask), {})
        whose.setdefault(entry.by, []).append(entry)
    recordings, fewer = [], 0
    for people in groups.values():
        if pick > len(people):
            fewer += 1
            continue
        recordings.append(_recording(source.path, people[sorted(people)[pick - 1]]))
    if not recordings:
        most = max(len(people) for people in groups.values())
        raise BenchError(f"{source.path}: no mask has {pick} recordings, at most {most}")
    if fewer:
        log.warning(
            "%s: %d of %d masks have fewer than %d recordings, and no prompt",
            *(source.path, fewer, len(groups), pick),
        )
    return Record(source.path, tuple(recordings), _by_mask(source.path, recordings),
                  _by_image(recordings))  # fmt: skip


def _recording(path: Path, entries: Sequence[Entry]) -> Recording:
    in_order = sorted(entries, key=lambda entry: entry.step)
    for expected, entry in enumerate(in_order, start=1):
        whose = entry.mask or entry.image
        if entry.step < expected:
            what = "no step, they count from 1" if entry.step < 1 else "there twice"
            raise BenchError(f"{path}: {entry.where}: mask {whose}: step {entry.step} is {what}")
        if entry.step > expected:
            raise BenchError(
                f"{path}: {entry.where}: mask {whose}: step {entry.step} without a step {expected}"
            )
    return Recording(tuple(in_order))


def _by_mask(path: Path, recordings: Iterable[Recording]) -> dict[str, Recording]:
    found: dict[str, Recording] = {}
    for each in recordings:
        name = each.entries[0].mask
        if name is None:
            continue
        if name in found and found[name].entries[0].image == each.entries[0].image:
            raise BenchError(f"{path}: mask {name} has two recordings in one image")
        found.setdefault(name, each)
    twice = {
        each.entries[0].mask
        for each in recordings
        if each.entries[0].mask is not None and found[each.entries[0].mask] is not each
    }
    return {name: each for name, each in found.items() if name not in twice}


def _by_image(recordings: Iterable[Recording]) -> dict[str, tuple[Recording, ...]]:
    """By the image's name, and by that without a picture's ending."""
    found: dict[str, list[Recording]] = {}
    for each in recordings:
        name = each.entries[0].image
        if name is None:
            continue
        found.setdefault(name, []).append(each)
        path = PurePosixPath(name)
        if path.suffix.lower() in _PICTURES:
            found.setdefault(str(path.with_suffix("")), []).append(each)
    return {name: tuple(some) for name, some in found.items()}
