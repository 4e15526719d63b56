"""What may not be meant about an image's files: what the model sees, and what is left unread.

A file that can be read may still hold something else than its owner thinks: a picture of 16 bits
that uses eight of them is black, of a TIFF of many pages one is read, a mask in an alpha channel
is dropped, one with soft edges is cut somewhere, and one may lie elsewhere than the file's own box
(``bench.data.astray``). None of it is an error, each gives a number. So
it is said in one line: by ``check`` and ``data new``, and by a run of its first images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from bench.data.abilities import CutsLevels, NamesFiles, NamesPictures, TakesLabels, TurnsPictures
from bench.data.astray import contradictions
from bench.data.formats.levels import APART, VOIDS, counts_of, levels_of
from bench.data.formats.pictures import (
    FORMATS,
    Stored,
    count_colours,
    first_colour,
    is_opaque,
    look_at,
    read_labels,
    read_levels,
    read_picture,
)
from bench.data.oddities import Oddity, Tally
from bench.data.subset import Subset
from bench.types import BenchError, ImageArray, Reader, Sample

FIRST = 8
"""How many of its first images a run looks at."""

_MASKS = 4
"""How many mask files of an image are looked at."""

_DARK, _BLACK = 64, 8
"""A picture of 16 bits that stays below a quarter of the range uses few of them; one of 8 bits
that stays below the other is black, and may be a mask."""

_GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N")
_NUMBERS = ("L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N")
"""Modes in which a label image holds numbers."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One find: ``what`` it is, in the plural, what mends it, and the file, image or mask."""

    what: str
    remedy: str
    place: str


def doubts_of(reader: Reader, image_id: str, sample: Sample | None = None) -> list[Doubt]:
    """What is doubtful about an image's files, as far as the reader names them.

    ``sample`` is the image as the reader gives it, read here where it isn't given. Of an image's
    mask files the first few are looked at: one tool wrote them all. A file that can't be read has
    no doubts: whoever reads it says so.
    """
    whole = reader.whole if isinstance(reader, Subset) else reader
    picture = whole.path(image_id) if isinstance(whole, NamesPictures) else None
    files = whole.files_of(image_id) if isinstance(whole, NamesFiles) else ()
    if sample is None and picture is not None:
        sample = read_whole(reader, image_id)
    found: list[Doubt] = []
    try:
        if picture is not None:
            seen = read_picture(picture) if sample is None else sample.image
            found += _of_picture(whole, picture, seen)
        elif sample is not None:
            found += _of_pixels(sample.image, image_id)
        masks = (f for f in files if f != picture and f.suffix.lower().lstrip(".") in _SUFFIXES)
        for file in islice(masks, _MASKS):
            found += _of_mask_file(whole, file)
    except (BenchError, MemoryError):
        pass
    if sample is not None:
        found += (Doubt(*each) for each in contradictions(sample.targets))
    return found


def read_whole(reader: Reader, image_id: str) -> Sample | None:
    """The image; none where it can't be read."""
    try:
        return reader.read(image_id)
    except (BenchError, ValueError, OSError, MemoryError):
        return None


_SUFFIXES = {*map(str.lower, FORMATS), "jpg", "tif", "jp2", "pgm"}


def first_doubts(reader: Reader, image_ids: Iterable[str]) -> list[str]:
    """A sentence for each kind of doubt in the first images, at most ``FIRST`` of them."""
    chosen = islice(image_ids, FIRST)
    return sentences([doubt for image_id in chosen for doubt in doubts_of(reader, image_id)])


def sentences(doubts: Sequence[Doubt]) -> list[str]:
    """A sentence for each kind: how many there are, the first, and what mends it."""
    kinds: dict[str, list[Doubt]] = {}
    for doubt in doubts:
        kinds.setdefault(doubt.what, []).append(doubt)
    return [
        f"{what}: {len(found):,}, such as {found[0].place}; {found[0].remedy}."
        for what, found in kinds.items()
    ]


def as_oddities(doubts: Iterable[Doubt]) -> list[Oddity]:
    """The doubts counted by kind, for a table."""
    tally = Tally()
    for doubt in doubts:
        tally.add(doubt.what, doubt.place)
    return tally.oddities()


def _of_picture(reader: Reader, file: Path, image: ImageArray) -> Iterator[Doubt]:
    stored = look_at(file)
    yield from _of_pixels(image, str(file), deep=stored.deep)
    yield from _unread(file, stored, "pictures")
    if stored.orientation != 1:
        if not isinstance(reader, TurnsPictures):
            remedy = "turn the pixels themselves, if the masks were drawn on it as viewers show it"
        elif reader.exif == "ignore":
            remedy = "dataset.args.exif=apply, if the masks were drawn on it as viewers show it"
        else:
            return
        yield Doubt("pictures with an EXIF orientation that is not applied", remedy, str(file))


def _of_pixels(image: ImageArray, place: str, *, deep: bool = False) -> Iterator[Doubt]:
    brightest = int(image.max())
    seen = f"{place} (the model sees 0 to {brightest} of 255)"
    if deep and brightest < _DARK:
        yield Doubt(
            "pictures of 16 bits that are dark or black to the model",
            "a value's high byte is taken, so bring files that use less than 16 bits to 8 first, "
            "all by the same factor",
            seen,
        )
    elif brightest < _BLACK:
        yield Doubt("pictures black to the model", "look whether they are masks or labels", seen)
    if bool((image == image[:1, :1]).all()):
        yield Doubt(
            "pictures of one colour", "look whether the files are what they should be", place
        )


def _unread(file: Path, stored: Stored, kind: str) -> Iterator[Doubt]:
    """What of a file goes into no array."""
    if stored.more:
        yield Doubt(
            f"{kind} with further pages or frames, of which the first is read",
            "write each page that is meant into a file of its own",
            str(file),
        )
    if stored.alpha and not is_opaque(file):
        yield Doubt(
            f"{kind} with an alpha channel that is not opaque, which is dropped",
            "if it holds the mask, write it into a mask file of its own",
            str(file),
        )


def _of_mask_file(reader: Reader, file: Path) -> Iterator[Doubt]:
    stored = look_at(file)
    yield from _unread(file, stored, "mask files")
    mode = stored.kind.partition(" ")[2]
    if isinstance(reader, CutsLevels):
        if reader.threshold == 0:
            yield from _of_levels(file, set(reader.ignore), coloured=mode not in _GREY)
    elif mode in _NUMBERS:
        knowing = reader if isinstance(reader, TakesLabels) else None
        if knowing is None or knowing.threshold is None:
            yield from _of_labels(file, mode, knowing)


def _of_levels(file: Path, ignore: Set[int], *, coloured: bool) -> Iterator[Doubt]:
    """Of a mask file of which all that isn't black is taken, but what is to be ignored."""
    levels = levels_of(read_levels(file))
    kept = {level: count for level, count in levels.counts.items() if level not in ignore}
    levels = replace(levels, counts=kept)
    if kept and not levels.exact:
        yield Doubt(
            "mask files with levels in between, of which all above 0 are taken",
            f"dataset.args.threshold={levels.half} takes what is above half, if that is meant",
            f"{file} ({levels.words})",
        )
    elif coloured and not ignore and (colours := count_colours(file)) > 2:
        yield Doubt(
            "mask files of several colours, all of them taken as one object",
            "if each colour is an object, read them with dataset=label_image",
            f"{file} ({colours} colours)",
        )


def _of_labels(file: Path, mode: str, reader: TakesLabels | None = None) -> Iterator[Doubt]:
    """Of a label image of numbers; ``reader`` knows which of them are objects."""
    levels = levels_of(read_levels(file))
    if levels.nested:
        remedy = (
            f"read it with dataset=mask_folder and threshold {levels.half}"
            if reader is None
            else f"dataset.args.threshold={levels.half} takes what is above half"
        )
        yield Doubt(
            "label images whose values nest as a soft mask's edge does, each taken as an object",
            f"if a file is one mask, {remedy}",
            f"{file} ({levels.words})",
        )
    if levels.nested or reader is None:
        return
    takes = reader.takes
    values = sorted(counts_of(read_labels(file)) if mode == "P" else levels.counts)
    for void in VOIDS:
        others = [value for value in values if value != void]
        if void in values and takes(void) and others and max(others) < void - APART:
            yield Doubt(
                f"label images with the value {void} far from the others, taken as an object",
                f"if it means nothing or unknown: dataset.args.ignore=[{void}]",
                str(file),
            )
    colour = first_colour(file) if mode == "P" and 0 in values and not takes(0) else None
    if colour not in (None, (0, 0, 0)):
        yield Doubt(
            "label images in whose palette the value 0, which is no object, is not black",
            "values are places in the palette, which a tool may have made anew for each file: "
            "write the colours as RGB, or say dataset.args.background",
            f"{file} (0 is {','.join(map(str, colour or ()))})",
        )
