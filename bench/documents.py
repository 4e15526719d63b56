"""JSON from files that anyone may have written: parsed strictly, or refused in one sentence."""

from __future__ import annotations

import json
import re
from typing import Any

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
    text = written if isinstance(written, str) else written.decode(json.detect_encoding(written))
    try:
        content = json.loads(text, object_pairs_hook=_object)
        if _SURROGATE.search(text):
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for place, key in enumerate(names) if key in names[:place])
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found
