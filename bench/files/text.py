r"""Text from anybody's files where it is shown: characters that steer are written, not obeyed.

A name may hold escapes for a terminal, ends of lines that forge a line of a log, marks that turn
the reading direction, or halves of characters that no encoding takes.
"""

from __future__ import annotations

import re

_STEERING = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_STEERS = re.compile(f"[{_STEERING}]")
_STEERS_OR_BREAKS = re.compile(f"[{_STEERING}\n]")
_BREAKS = re.compile(f"[{_STEERING}\n\t]+")

_FORMULA = re.compile(r"[\t\r\n ]*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def lines_of(text: str) -> list[str]:
    r"""The lines of a file's text, without their ends.

    They end where every tool ends them. ``str.splitlines`` also cuts at U+0085, U+2028 and others,
    which may be in a name.

    >>> lines_of("a\u2028b\r\nc\n\nd\n")
    ['a\u2028b', 'c', '', 'd']
    """
    lines = re.split(r"\r\n|\r|\n", text)
    return lines if lines[-1] else lines[:-1]


def visible(text: str) -> str:
    r"""The text with what steers a terminal written as an escape; ends of lines and tabs stay.

    >>> visible("red \x1b[31m\r")
    'red \\x1b[31m\\r'
    """
    return _STEERS.sub(_escape, text)


def visible_line(text: str) -> str:
    r"""The same in one line.

    >>> visible_line("a\nINFO forged")
    'a\\nINFO forged'
    """
    return _STEERS_OR_BREAKS.sub(_escape, text)


def escaped(text: str) -> str:
    r"""A JSON text with what steers a terminal written as JSON's own escapes.

    >>> escaped('"\x9b31m"')
    '"\\u009b31m"'
    """
    return _STEERS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def as_cell(text: str) -> str:
    r"""The text in one line, for a format whose parser would take control characters amiss.

    >>> as_cell("a\r\nb")
    'a b'
    """
    return _BREAKS.sub(" ", text)


def csv_cell(text: str) -> str:
    r"""The cell of a CSV that is this text to every parser, and no formula to a spreadsheet.

    An apostrophe stands before what would be computed; numbers stay as they are. A lone carriage
    return, which ends a row to some parsers and is not quoted, becomes the end of a line. What
    steers a terminal is written out, as ``visible`` does.

    >>> csv_cell("=1+1"), csv_cell("-1"), csv_cell("a=b"), csv_cell("a\rb"), csv_cell("\x1b[31m")
    ("'=1+1", '-1', 'a=b', 'a\nb', '\\x1b[31m')
    """
    text = visible(text.replace("\r\n", "\n").replace("\r", "\n"))
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and text.strip() == text


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
