"""Which image a file belongs to: patterns of paths in which ``{id}`` and its like stand for names.

``{id}``, and any other word in braces, stands for a name without "/", the same wherever it is
repeated; ``*``, ``?`` and ``**/`` are those of a shell. An image's id is what the words stand for,
in the order in which they first appear, with "/" between: ``{city}/{id}_rgb.png`` finds
``bochum/001_rgb.png`` as the image ``bochum/001``. Of two words that touch the first one takes as
much as it can. The words ``{video}``, ``{scene}``,
``{slide}`` and ``{patient}`` also say what an image belongs to (``Sample.cluster``).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from bench.data.formats.files import check_inside, is_hidden, locate_file
from bench.files.names import id_order
from bench.files.text import lines_of
from bench.types import BenchError, Site

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
"""Endings of pictures and masks, in lower case."""

_WORD = re.compile(r"\{([a-z_]+)\}")
_BELONGS_TO = frozenset({"video", "scene", "slide", "patient"})


def check_pattern(name: str, pattern: str) -> None:
    """Raises ``BenchError`` for a pattern without ``{id}``, one that leaves its folder, ``a**``."""
    if "{id}" not in pattern:
        raise BenchError(f"{name} must contain {{id}}, found {pattern!r}")
    if pattern.startswith("/") or ".." in Path(pattern).parts:
        raise BenchError(f"{name} must stay inside the folder, found {pattern!r}")
    if any("**" in part and part != "**" for part in pattern.split("/")):
        raise BenchError(f"{name}: ** stands alone between two /, found {pattern!r}")


def check_patterns(images: str, **others: str) -> None:
    """Checks each pattern, and that all have the same words in the same order."""
    check_pattern("images", images)
    for name, pattern in others.items():
        check_pattern(name, pattern)
        if _words(pattern) != _words(images):
            raise BenchError(
                f"images and {name} must have the same {{…}} in the same order, "
                f"found {images!r} and {pattern!r}"
            )


def find_by_id(folder: Path, pattern: str, endings: Sequence[str] = ()) -> dict[str, Path]:
    """The files that match a pattern, id → path, in ``id_order``.

    ``endings`` are those that a pattern's own ending ``.*`` stands for, in lower case; all of them
    where it is empty. Files and folders whose name begins with a dot are left out. Raises
    ``BenchError`` where two files have the same id.
    """
    shape = _regex(pattern)
    found: dict[str, Path] = {}
    for path in _files(folder, pattern):
        match = shape.fullmatch(path.relative_to(folder).as_posix())
        if match is None or not _ends(path, pattern, endings):
            continue
        image_id = "/".join(match[word] for word in _words(pattern))
        _check_name(path)
        earlier = found.setdefault(image_id, path)
        if earlier != path:
            raise BenchError(
                f"{folder}: the pattern {pattern!r} finds two files for the id "
                f"{image_id!r}: {earlier.relative_to(folder)} and {path.relative_to(folder)}"
            )
    return {image_id: found[image_id] for image_id in sorted(found, key=id_order)}


def find_of_ids(folder: Path, pattern: str, ids: Iterable[str]) -> dict[str, list[Path]]:
    """Each image's files, sorted by name: those that match with the id in place of its words.

    The folder is listed once. An id may have no file; a file of no id is left out. Raises
    ``BenchError`` where a file matches two ids, as ``a_1_2.png`` in ``{id}_*.png`` does if there
    are images ``a`` and ``a_1``.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in _files(folder, pattern))
    owners: dict[str, str] = {}
    found: dict[str, list[Path]] = {}
    for image_id in ids:
        shape = _regex(pattern, image_id)
        begin = fill_pattern(re.split(r"[*?]", pattern, maxsplit=1)[0], pattern, image_id)
        found[image_id] = []
        for name in names[bisect_left(names, begin) :]:
            if not name.startswith(begin):
                break
            if shape.fullmatch(name) is None:
                continue
            _check_name(folder / name)
            other = owners.setdefault(name, image_id)
            if other != image_id:
                raise BenchError(
                    f"{folder / name}: with the pattern {pattern!r} this file belongs to both "
                    f"{other!r} and {image_id!r}; give each image's files a folder of their own"
                )
            found[image_id].append(folder / name)
    return found


def find_chosen(
    what: str,
    folder: Path,
    pattern: str,
    listed: str | None,
    keep: Sequence[str],
    site: Site,
    endings: Sequence[str] = (),
) -> dict[str, Path]:
    """The files that a pattern finds, id → path: those of a list file, and of them those to keep.

    ``what`` is the word for such a file in errors, ``listed`` a list of ids (``listed_ids``),
    ``keep`` are shell patterns of ids (``choose_ids``), ``endings`` as in ``find_by_id``. Raises
    ``BenchError`` where no file is found, and where a listed one isn't there.
    """
    if listed is None:
        found = find_by_id(folder, pattern, endings)
    else:
        found = find_partners(folder, pattern, listed_ids(listed, folder, pattern, site), endings)
    if not found:
        raise BenchError(f"{folder}: no {what} matches the pattern {pattern!r}")
    chosen = {image_id: found[image_id] for image_id in choose_ids(list(found), keep, folder)}
    missing = [path for path in chosen.values() if listed is not None and not path.is_file()]
    if missing:
        raise BenchError(
            f"{missing[0]}: no such file, though {listed} lists it ({len(missing)} of "
            f"{len(chosen)} are missing); is this the right split, and downloaded whole?"
        )
    return chosen


def find_partners(
    folder: Path, pattern: str, ids: Sequence[str], endings: Sequence[str] = ()
) -> dict[str, Path]:
    """Each id's one file, there or not. Without ``*`` and ``?`` the id gives the path.

    ``endings`` as in ``find_by_id``.
    """
    if not has_wildcard(pattern):
        return {i: folder / fill_pattern(pattern, pattern, i) for i in ids}
    found = find_by_id(folder, pattern, endings)
    return {i: found[i] if i in found else folder / fill_pattern(pattern, pattern, i) for i in ids}


def strays(
    folder: Path, pattern: str, known: Iterable[Path], endings: Sequence[str] = ()
) -> list[str]:
    """The files that a pattern finds beyond those that are known, sorted.

    ``endings`` as in ``find_by_id``.
    """
    owned, shape = set(known), _regex(pattern)
    names = (
        (path, path.relative_to(folder).as_posix())
        for path in _files(folder, pattern)
        if _ends(path, pattern, endings)
    )
    return [name for path, name in names if path not in owned and shape.fullmatch(name)]


def has_wildcard(pattern: str) -> bool:
    """Whether a pattern has ``*`` or ``?`` beside its words."""
    return bool(re.search(r"[*?]", pattern))


def fill_pattern(text: str, pattern: str, image_id: str) -> str:
    """``text``, a part of the pattern or all of it, with an id in place of the words.

    >>> fill_pattern("{city}/{id}.png", "{city}/{id}.png", "bochum/001")
    'bochum/001.png'
    """
    values = _values(pattern, image_id)
    return _WORD.sub(lambda match: values[match[1]], text)


def cluster_of(pattern: str, image_id: str) -> str | None:
    """What the image belongs to by the words of the pattern; none where it stands alone.

    >>> cluster_of("JPEGImages/{video}/{id}.jpg", "goat/00000"), cluster_of("{id}.jpg", "1")
    ('goat', None)
    """
    values = _values(pattern, image_id)
    found = [value for word, value in values.items() if word in _BELONGS_TO]
    return "/".join(found) or None


_BLANKS = " \t\v\f"
"""What may stand around an id in a list; other white space may be in it."""


def listed_ids(listed: str, folder: Path, pattern: str, site: Site) -> list[str]:
    """The ids of a list file, one a line, in ``id_order``; empty lines are left out.

    A line is an id, or begins with the path of what ``pattern`` stands for, as in DAVIS' lists
    (``/JPEGImages/480p/goat/00000.jpg /Annotations/…``). ``listed`` is relative to the folder
    unless absolute. Raises ``BenchError`` where it is missing, empty, or has an id twice.
    """
    file = locate_file(str(folder / listed), site)
    shape = _regex(pattern)
    ids: dict[str, None] = {}
    try:
        lines = lines_of(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise BenchError(f"{file}: not a list of ids in UTF-8: {error}") from None
    for line in lines:
        line = line.strip(_BLANKS)
        if not line:
            continue
        match = shape.fullmatch(re.split(f"[{_BLANKS}]", line)[0].lstrip("/"))
        words = _words(pattern)
        image_id = "/".join(match[word] for word in words) if match else line
        check_inside(image_id, f"{file}: the id")
        if image_id in ids:
            raise BenchError(f"{file}: {image_id!r} is there twice")
        ids[image_id] = None
    if not ids:
        raise BenchError(f"{file}: the list is empty")
    return sorted(ids, key=id_order)


def choose_ids(ids: Sequence[str], keep: Sequence[str], folder: Path) -> list[str]:
    """The ids that one of the shell patterns ``keep`` matches; all of them without patterns.

    Raises ``BenchError`` for a pattern that matches none: a part of the data is not there.
    """
    for pattern in keep:
        if not any(fnmatchcase(image_id, pattern) for image_id in ids):
            raise BenchError(
                f"{folder}: no image has an id like {pattern!r} (keep); "
                f"there are {len(ids)}, {ids[0]!r} for one"
            )
    return [i for i in ids if not keep or any(fnmatchcase(i, pattern) for pattern in keep)]


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    """The files that match whatever the words stand for, sorted by path."""
    named = "/." in f"/{pattern}"  # a hidden folder that the pattern itself names is meant
    starred = (
        part if part == "**" else re.sub(r"\*+", "*", _WORD.sub("*", part))
        for part in pattern.split("/")
    )
    for path in sorted(folder.glob("/".join(starred).replace("[", "[[]"))):
        hidden = path.name.startswith(".") if named else is_hidden(path, folder)
        if not hidden and path.is_file():
            yield path


def _ends(path: Path, pattern: str, endings: Sequence[str]) -> bool:
    """Whether an ending ``.*`` of the pattern may stand for the file's own."""
    return not endings or not pattern.endswith(".*") or path.suffix.lower() in endings


def _check_name(path: Path) -> None:
    """Raises ``BenchError`` for a file name that isn't text, and so can't be an id."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise BenchError(
            f"{str(path)!a}: the name of the file is not UTF-8 and so no id; rename it"
        ) from None


def _words(pattern: str) -> list[str]:
    """The words in braces, in the order in which they first appear."""
    return list(dict.fromkeys(_WORD.findall(pattern)))


def _values(pattern: str, image_id: str) -> dict[str, str]:
    """What each word stands for in an id; a single word stands for the whole id."""
    words = _words(pattern)
    parts = image_id.split("/") if len(words) > 1 else [image_id]
    if len(parts) != len(words):
        raise BenchError(
            f"the id {image_id!r} has {len(parts)} parts, the pattern {pattern!r} {len(words)}"
        )
    return dict(zip(words, parts, strict=True))


def _regex(pattern: str, image_id: str | None = None) -> re.Pattern[str]:
    """The shell pattern as a regular expression over posix paths, of one id or with groups."""
    values = {} if image_id is None else _values(pattern, image_id)
    known = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    written, seen = "", set[str]()
    for part in re.split(r"(\{[a-z_]+\}|\*\*/|\*|\?)", pattern):
        word = _WORD.fullmatch(part)
        if word is None:
            written += known.get(part, re.escape(part))
        elif word[1] in values:
            written += re.escape(values[word[1]])
        else:
            written += f"(?P={word[1]})" if word[1] in seen else f"(?P<{word[1]}>[^/]+)"
            seen.add(word[1])
    return re.compile(written)
