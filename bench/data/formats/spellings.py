r"""Files under another spelling than an annotation file gives: what tools and systems do to names.

Windows writes "\" for "/", web tools write "%20" for a space, a Mac splits "ü" in two characters,
and cameras and converters disagree on ".JPG" and ".jpg". Only a file is taken that no other could
be meant by; whoever takes one says so.
"""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Iterable, Sequence
from os.path import isfile
from pathlib import Path
from unicodedata import normalize
from urllib.parse import unquote

from bench.config.words import quoted

log = logging.getLogger(__name__)


def normal_form(name: str) -> str:
    r"""What all spellings of a name have in common.

    >>> normal_form("sub\\My%20A.PNG"), normal_form("sub/my a.png")
    ('sub/my a.png', 'sub/my a.png')
    """
    folded = normalize("NFC", unquote(name.replace("\\", "/"))).casefold()
    return normalize("NFC", folded)


def settle_names(folder: Path, names: Sequence[str], source: str) -> list[str]:
    """The names under which the files lie in ``folder``, in the order of ``names``.

    A name that isn't there gives way to the one file of its normal form, if no other of the names
    means that one; else it stays as it is. What was found so is logged, with ``source``, the file
    that gives the names.
    """
    listed: dict[Path, dict[str, list[str]]] = {}
    settled = list(names)
    missing = [place for place, name in enumerate(names) if not isfile(folder / name)]
    taken = set(names) if missing else set()
    for place in missing:
        found = _find(folder, names[place], listed)
        if found is not None and found not in taken:
            settled[place] = found
            taken.add(found)
    if others := [(a, b) for a, b in zip(names, settled, strict=True) if a != b]:
        log.info(
            "%s: %d of its %d pictures are there under another spelling, %s as %s for one",
            *(source, len(others), len(names), *_shown(*others[0])),
        )
    return settled


def _find(folder: Path, name: str, listed: dict[Path, dict[str, list[str]]]) -> str | None:
    """The only file inside the folder that has the name's normal form; none without one."""
    here, parts = folder, list[str]()
    for part in normal_form(name).split("/"):
        if part in ("", "."):
            continue
        if here not in listed:
            listed[here] = {}
            for each in sorted(here.iterdir()) if here.is_dir() else ():
                listed[here].setdefault(normal_form(each.name), []).append(each.name)
        found = listed[here].get(part, [])
        if len(found) != 1:
            return None
        parts.append(found[0])
        here = here / found[0]
    return "/".join(parts) if parts and here.is_file() else None


class Known:
    """Names that others may spell in their own way.

    >>> known = Known(["Gr\u00fcn", "a", "A"])
    >>> known.meant("gru\u0308n") == "Gr\u00fcn", known.meant("a"), known.meant("b")
    (True, 'a', None)
    >>> Known(["139", "9", "09"]).meant("000139"), Known(["9", "09"]).meant("009")
    ('139', None)
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)
        self._by_form: dict[str, list[str]] = {}
        for name in self._names:
            self._by_form.setdefault(_form_of_id(name), []).append(name)
        self._others: dict[str, str] = {}

    def meant(self, name: str) -> str | None:
        """The name itself, else the only one of its normal form; none without one."""
        if name in self._names:
            return name
        found = self._by_form.get(_form_of_id(name), [])
        if len(found) != 1:
            return None
        self._others[name] = found[0]
        return found[0]

    def some(self) -> str:
        """A few of the names, for an error; empty where there are none."""
        return ", ".join(map(repr, sorted(self._names)[:3]))

    def say(self, source: object) -> None:
        """Logs how many names were meant under another spelling, with their ``source``."""
        if self._others:
            said, found = next(iter(self._others.items()))
            log.info(
                "%s: %d names are known under another spelling, %s as %s for one",
                *(source, len(self._others), *_shown(said, found)),
            )


def _form_of_id(name: str) -> str:
    """The normal form; of a number without zeros before it, as files are called but ids are not."""
    return name.lstrip("0") or "0" if name.isascii() and name.isdigit() else normal_form(name)


def _shown(said: str, found: str) -> tuple[str, str]:
    """Both spellings, as escapes where they look the same."""
    same = normalize("NFC", said) == normalize("NFC", found)
    return (ascii(said), ascii(found)) if same else (repr(said), repr(found))


def nearest(folder: Path, name: str) -> tuple[str, str] | None:
    r"""What stands before the longest end of a name that is a file in ``folder``, and that file.

    None where no end of it is there. ``D:\data\images\a.png`` is ``D:\data\images\`` and ``a.png``.
    """
    listed: dict[Path, dict[str, list[str]]] = {}
    for cut in re.finditer(r"[/\\=]", name):
        end = name[cut.end() :]
        if end and (found := _find(folder, end, listed)) is not None:
            return name[: cut.end()], found
    return None


def how_to_strip(folder: Path, name: str) -> str:
    """Says which file in ``folder`` a name means and which argument mends it; empty without one."""
    found = nearest(folder, name)
    if found is None:
        return ""
    before, file = found
    word = f"dataset.args.strip={before}"
    if not re.fullmatch(r"[\w./-]+", before, re.ASCII):
        word = f"dataset.args.strip={quoted(before)}"
        word = shlex.quote(word) if re.search(r'[\\$"`!]', word) else f'"{word}"'
    return f"; {file!r} is there: {word} takes off what is before it"
