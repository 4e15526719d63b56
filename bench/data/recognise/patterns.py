"""Which name in a path is the image's id, and the pattern that finds such paths again."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath

ID = "{id}"


def image_ids(paths: Sequence[str]) -> dict[str, str]:
    """Each picture's id, path → id: its stem, or the one folder that tells it from the others.

    Empty where neither gives every picture an id of its own.

    >>> image_ids(["a/1.jpg", "a/2.jpg"])
    {'a/1.jpg': '1', 'a/2.jpg': '2'}
    >>> image_ids(["x/image.png", "y/image.png"])
    {'x/image.png': 'x', 'y/image.png': 'y'}
    """
    stems = [PurePosixPath(path).stem for path in paths]
    if len(set(stems)) == len(paths):
        return dict(zip(paths, stems, strict=True))
    parents = [PurePosixPath(path).parent.parts for path in paths]
    if len({len(parts) for parts in parents}) != 1:
        return {}
    for parts in zip(*parents, strict=True):
        if len(set(parts)) == len(paths):
            return dict(zip(paths, parts, strict=True))
    return {}


def id_in(path: str, ids: Collection[str]) -> str | None:
    """The id of the image that a mask's path speaks of, the longest that fits; none if none does.

    A folder or the stem is the id, or the stem begins or ends with it, apart from what follows.

    >>> id_in("masks/a_1/x.png", {"a", "a_1"}), id_in("masks/a_1_mask.png", {"a", "a_1"})
    ('a_1', 'a_1')
    """
    parts = PurePosixPath(path)
    names = [part for part in parts.parent.parts if part in ids]
    cuts = [match.start() for match in re.finditer(r"[^A-Za-z0-9]", parts.stem)]
    heads = [parts.stem[:cut] for cut in cuts]
    tails = [parts.stem[cut + 1 :] for cut in cuts]
    fitting = [*names, *(name for name in (parts.stem, *heads, *tails) if name in ids)]
    return max(fitting, key=len, default=None)


def folder_of(path: str, image_id: str) -> tuple[str, ...]:
    """The folders of a path, those that are the id written as ``{id}``."""
    return tuple(ID if part == image_id else part for part in PurePosixPath(path).parent.parts)


def pattern_of(ids: Mapping[str, str]) -> str | None:
    """The pattern of paths (path → id) that lie in the same kind of folder; none if there is none.

    >>> pattern_of({"masks/a_1.png": "a", "masks/a_2.png": "a", "masks/b_1.png": "b"})
    'masks/{id}_*.png'
    >>> pattern_of({"a/masks/x.png": "a", "b/masks/y.png": "b"})
    '{id}/masks/*.png'
    """
    folders = {folder_of(path, image_id) for path, image_id in ids.items()}
    if len(folders) != 1:
        return None
    (parts,) = folders
    suffixes = {PurePosixPath(path).suffix for path in ids}
    suffix = suffixes.pop() if len(suffixes) == 1 else ".*"
    stem = _stem({path: PurePosixPath(path).stem for path in ids}, ids)
    pattern = "/".join((*parts, f"{stem}{suffix}"))
    plain = re.sub(r"\{id\}|\*", "", pattern)
    return None if ID not in pattern or re.search(r"[*?\[\]{}$]", plain) else pattern


def _stem(stems: Mapping[str, str], ids: Mapping[str, str]) -> str:
    pairs = [(stems[path], image_id) for path, image_id in ids.items()]
    if all(stem.startswith(image_id) for stem, image_id in pairs):
        behind = {stem[len(image_id) :] for stem, image_id in pairs}
        first = {rest[:1] for rest in behind}
        if len(behind) == 1:
            return f"{ID}{behind.pop()}"
        return f"{ID}{first.pop()}*" if len(first) == 1 else f"{ID}*"
    if all(stem.endswith(image_id) for stem, image_id in pairs):
        before = {stem[: len(stem) - len(image_id)] for stem, image_id in pairs}
        last = {rest[-1:] for rest in before}
        if len(before) == 1:
            return f"{before.pop()}{ID}"
        return f"*{last.pop()}{ID}" if len(last) == 1 else f"*{ID}"
    if len(set(stems.values())) == 1:
        return next(iter(stems.values()))
    return "*"
