"""The words of a command line, ``KEY=VALUE``, as whoever wrote them means them.

Hydra's grammar gives brackets, commas, ``=``, ``~`` and others a meaning, and knows no letters but
those of English. What it can't read is taken as the text that it is: paths have any character.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from bench.config.settings import FOLDERS, usual
from bench.types import BenchError

_BEGINS_AS_PATH = re.compile(r"/|~|\.{1,2}[/\\]|[A-Za-z]:[/\\]|\\\\")
_WINDOWS = re.compile(r"[A-Za-z]:\\|\\\\")


def as_meant(words: Sequence[str]) -> list[str]:
    """The words in Hydra's grammar: a value that it can't read, or would cut, is quoted.

    A comma sweeps (``model=demo,grabcut``), unless the value as a whole is a path: one that is
    there, here or in the folder of datasets, or whose second piece would be none where the first
    is one. A folder of ``runtime`` is never swept. What is quoted already stays as it is.

    Raises ``BenchError`` for a word without ``=``, a key that is none, and a list or mapping that
    can't be read, with the quotes that it needs.

    >>> as_meant(["model=demo,disk", "runtime.results=~/a,b", "dataset.args.folder=/grün"])
    ['model=demo,disk', "runtime.results='~/a,b'", "dataset.args.folder='/grün'"]
    """
    given = {key: value for key, _, value in (word.partition("=") for word in words)}
    datasets = given.get("runtime.datasets", usual("datasets"))
    parser = OverridesParser.create()
    return [_as_meant(word, parser, ("", datasets.strip("'\""))) for word in words]


def quoted(value: object) -> str:
    r"""A text or path as a value of the command line's grammar, whatever characters it has.

    >>> print(quoted("it's"), quoted("C:\\grün"), quoted("${x}"))
    'it\'s' 'C:\grün' '\${x}'
    """
    # Backslashes count where they stand before a quote, the end, or what is filled in.
    text = re.sub(r"(\\*)\$\{", lambda found: f"{found[1] * 2}\\${{", str(value))
    text = re.sub(r"(\\*)('|\Z)", lambda found: found[1] * 2 + (found[2] and r"\'"), text)
    return f"'{text}'"


def _as_meant(word: str, parser: OverridesParser, roots: Sequence[str]) -> str:
    key, equals, value = word.partition("=")
    if not equals:
        if key.startswith("~"):
            return word  # takes something away
        raise BenchError(f"{word!r}: expected KEY=VALUE, such as model=demo")
    text = f"{key}={quoted(value)}"
    found = _parsed(word, parser)
    if found is None or not key:
        if not key or _parsed(text, parser) is None:
            raise BenchError(f"{word!r}: {key!r} is no key: expected words with dots between them")
        if re.fullmatch(r"\[.*\]|\{.*:.*\}", value):
            raise BenchError(
                f"{key}: {value} can't be read: a text in it that isn't of plain letters and "
                f"digits stands in quotes, and the whole in others: '{key}=[\"…\", …]'"
            )
        return text
    if value[:1] in ("'", '"') or "." not in key:
        return word
    cut = found.is_sweep_override()
    if key.lstrip("+") in FOLDERS:
        return text if cut or not isinstance(found.value(), str | None) else word
    return text if _WINDOWS.match(value) or (cut and _is_one_path(value, roots)) else word


def _parsed(word: str, parser: OverridesParser) -> Override | None:
    try:
        return parser.parse_override(word)
    except HydraException:
        return None


def _is_one_path(value: str, roots: Sequence[str]) -> bool:
    """Whether a value with a comma in it is a path, not several values."""
    if _exists(value, roots):
        return True
    first, *others = value.split(",")
    paths = (_BEGINS_AS_PATH.match(each) or _exists(each, roots) for each in others)
    return bool(_BEGINS_AS_PATH.match(first)) and not all(paths)


def _exists(path: str, roots: Sequence[str]) -> bool:
    places = (os.path.join(os.path.expanduser(root), os.path.expanduser(path)) for root in roots)
    return bool(path) and any(os.path.lexists(place) for place in places)
