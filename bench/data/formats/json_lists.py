"""A JSON object whose long lists are looked at entry by entry, and found again by their place.

COCO's files hold hundreds of megabytes of polygons. Parsed at once they would fill several times
that in memory; here each entry is parsed, looked at and dropped, and parsed again when it is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from bench.files.documents import check_characters, has_escaped_halves, parse_json, value_at

Visit: TypeAlias = Callable[[int, Any], None]
"""Takes an entry's place in the text and the entry."""

_SPACE = re.compile(r"[ \t\n\r]*")
_TO_BRACE = re.compile(r'[^{}"]*(?:"[^"\\]*(?:\\.[^"\\]*)*"[^{}"]*)*', re.DOTALL)
_NUMBERS = r"\[[\[\]0-9eE+\-.,\s]*\]"


def read_object(
    text: str, visits: Mapping[str, Visit], hollow: Sequence[str] = ()
) -> dict[str, Any]:
    """The top level of a JSON text.

    A list whose key is in ``visits`` isn't kept: each of its entries is handed to its visitor, and
    an empty list stands for it. In entries that are objects an empty list also stands for a list
    of numbers alone, however deep, whose key is in ``hollow``: to parse the polygons of a large
    file takes most of the time. Raises ``ValueError`` for what ``parse_json`` refuses, but for such
    numbers, and gives the value itself under the key "" where it isn't an object.

    >>> read_object('{"a": [1, [2]], "b": [3]}', {"a": lambda place, entry: print(place, entry)})
    7 1
    10 [2]
    {'a': [], 'b': [3]}
    """
    place = _skip(text, 0)
    if text[place : place + 1] != "{":
        return {"": parse_json(text)}
    halves = has_escaped_halves(text)
    if halves:
        visits = {key: _checked(visit) for key, visit in visits.items()}
    found: dict[str, Any] = {}
    numbers = re.compile(f'("(?:{"|".join(hollow)})"\\s*:\\s*){_NUMBERS}') if hollow else None
    place = _skip(text, place + 1)
    if text[place : place + 1] == "}":
        return _ended(text, place, found, halves)
    while True:
        key, place = value_at(text, place)
        if not isinstance(key, str):
            raise json.JSONDecodeError("a key is a text", text, place)
        if key in found:
            raise ValueError(f"the key {key!r} stands twice in one object")
        place = _skip(text, _past(text, place, ":"))
        if key in visits and text[place : place + 1] == "[":
            place, found[key] = _visit_list(text, place, visits[key], numbers), []
        else:
            found[key], place = value_at(text, place)
        place = _skip(text, place)
        if text[place : place + 1] == "}":
            return _ended(text, place, found, halves)
        place = _skip(text, _past(text, place, ","))


def read_list(text: str, visit: Visit) -> bool:
    """Hands each entry of a list at the top level to the visitor and keeps none.

    False, and nothing visited, where the text is no list. Raises ``ValueError`` as ``read_object``.

    >>> read_list('[1, {"a": 2}]', lambda place, entry: print(place, entry))
    1 1
    4 {'a': 2}
    True
    """
    place = _skip(text, 0)
    if text[place : place + 1] != "[":
        return False
    end = _visit_list(text, place, _checked(visit) if has_escaped_halves(text) else visit, None)
    _check_end(text, end)
    return True


def _visit_list(text: str, place: int, visit: Visit, numbers: re.Pattern[str] | None) -> int:
    """Hands on the entries of the list that begins at ``place``; gives the place behind it."""
    skip = _SPACE.match
    place = _skip(text, place + 1)
    if text[place : place + 1] == "]":
        return place + 1
    while True:
        if numbers is not None and text[place : place + 1] == "{":
            end = _end_of_object(text, place)
            entry = value_at(numbers.sub(r"\1[]", text[place:end]), 0)[0]
        else:
            entry, end = value_at(text, place)
        visit(place, entry)
        space = skip(text, end)
        end = space.end() if space else end
        if text[end : end + 1] == "]":
            return end + 1
        place = _skip(text, _past(text, end, ","))


def _end_of_object(text: str, place: int) -> int:
    """The place behind the brace that closes the one at ``place``; braces in texts don't count."""
    depth = 0
    while True:
        brace = _TO_BRACE.match(text, place)
        place = brace.end() if brace else place
        if text[place : place + 1] not in ("{", "}"):
            raise json.JSONDecodeError("an object is not closed", text, place)
        depth += 1 if text[place] == "{" else -1
        place += 1
        if depth == 0:
            return place


def _skip(text: str, place: int) -> int:
    space = _SPACE.match(text, place)
    return space.end() if space else place


def _past(text: str, place: int, mark: str) -> int:
    place = _skip(text, place)
    if text[place : place + 1] != mark:
        raise json.JSONDecodeError(f"expecting {mark!r}", text, place)
    return place + 1


def _ended(text: str, place: int, found: dict[str, Any], halves: bool) -> dict[str, Any]:
    _check_end(text, place + 1)
    if halves:
        check_characters(found)
    return found


def _check_end(text: str, place: int) -> None:
    if _skip(text, place) != len(text):
        raise json.JSONDecodeError("extra data", text, place)


def _checked(visit: Visit) -> Visit:
    """The visit of entries without halves of characters; raises ``ValueError`` for others."""

    def check(place: int, entry: Any) -> None:
        check_characters(entry)
        visit(place, entry)

    return check
