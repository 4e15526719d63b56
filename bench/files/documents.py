"""JSON from files that anyone may have written: parsed strictly, or refused in one sentence."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from bench.files.signatures import HEAD, signature_of
from bench.files.text import escaped

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(written: bytes | str) -> Any:
    r"""What a JSON text says.

    Raises ``ValueError``, and nothing else, for bytes that aren't Unicode, for what isn't JSON, is
    nested too deeply, has a key twice in one object (parsers disagree on which of them counts) or
    holds half a character.

    >>> parse_json(b'{"a": [1, null]}')
    {'a': [1, None]}
    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: the key 'a' stands twice in one object
    """
    text = written if isinstance(written, str) else decode_json(written)
    try:
        content = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if has_escaped_halves(text):
        check_characters(content)
    return content


def decode_json(written: bytes) -> str:
    """The text of a JSON file.

    Raises ``ValueError`` where it is something else by its first bytes, in words for what it is,
    or in no Unicode encoding.
    """
    other = signature_of(written[:HEAD])
    if other is not None:
        raise ValueError(f"it is {other.words}")
    try:
        return written.decode(json.detect_encoding(written))
    except UnicodeDecodeError as error:
        raise ValueError(f"it is in no Unicode encoding ({error}); save it as UTF-8") from None


def value_at(text: str, place: int) -> tuple[Any, int]:
    """The JSON value that begins at ``place``, and where it ends.

    Raises ``ValueError`` as ``parse_json`` does, but for halves of characters: who reads a text
    piece by piece asks ``has_escaped_halves`` once, and ``check_characters`` only then.
    """
    try:
        return _DECODER.raw_decode(text, place)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def has_escaped_halves(text: str) -> bool:
    """Whether a JSON text may hold halves of characters: few do, and the search is fast."""
    return _SURROGATE.search(text) is not None


def check_characters(content: Any) -> None:
    """Raises ``ValueError`` for half a character in a text of a JSON value."""
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def strict_json(content: Any) -> str:
    r"""The JSON text of plain values; numbers that JSON has none of are their names, as texts.

    What steers a terminal is an escape of JSON, which every parser reads back as it was.

    >>> print(strict_json("\x1b \x9b31m \u202e ü"))
    "\u001b \u009b31m \u202e ü"
    """
    text = json.dumps(_named(content), indent=2, ensure_ascii=False, allow_nan=False)
    return escaped(text)


def _named(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _named(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_named(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    return value


def deeper_than(content: Any, most: int) -> bool:
    """Whether values of a JSON text lie in more than so many objects and lists.

    >>> deeper_than({"a": [[]]}, 2), deeper_than({"a": [[]]}, 3)
    (True, False)
    """
    level = [content]
    for _ in range(most + 1):
        inner = [value for value in level if isinstance(value, Mapping | list)]
        if not inner:
            return False
        level = [
            each
            for value in inner
            for each in (value.values() if isinstance(value, Mapping) else value)
        ]
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for place, key in enumerate(names) if key in names[:place])
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
