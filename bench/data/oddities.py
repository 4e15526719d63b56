"""What is odd about a dataset on disk: named and counted, for whoever checks it.

A reader refuses, when it is opened, whatever would change a number without a word. What the
format's own tools leave out is left out, and what spoils one image is that image's error when it
is read; both are told here, so that nothing happens unseen. A reader tells them with one optional
method::

    def oddities(self) -> Sequence[Oddity]: ...

It looks at annotations and names of files only, never at pixels: at every one of them, so it may
take minutes where each image has a file of its own. Without oddities it is empty. Empty, tiny and
overlapping masks are no oddities of a file: whoever decodes the masks sees them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bench.types import Reader

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Oddity:
    """One kind of oddity of a dataset.

    ``kind`` says in a few words what it is and what becomes of it, the same words for all of its
    finds: "polygon of fewer than 3 points, left out". ``count`` is how often it was found,
    ``examples`` where, the first five: a file, an image's or a mask's id. ``breaks`` marks what
    makes ``read`` raise: a run leaves such an image out and says so.
    """

    kind: str
    count: int
    examples: tuple[str, ...]
    breaks: bool = False


@runtime_checkable
class TellsOddities(Protocol):
    """A reader that knows what is odd about its files."""

    def oddities(self) -> Sequence[Oddity]:
        """Every kind of oddity that was found, those that break reading first."""


def oddities_of(reader: Reader) -> Sequence[Oddity]:
    """The reader's oddities; empty where it tells none."""
    return reader.oddities() if isinstance(reader, TellsOddities) else ()


class Tally:
    """Counts oddities by kind and keeps the first examples of each.

    >>> tally = Tally()
    >>> for place in ("a.json", "b.json"):
    ...     tally.add("region without a shape, left out", place)
    >>> tally.oddities()
    [Oddity(kind='region without a shape, left out', count=2, \
examples=('a.json', 'b.json'), breaks=False)]
    """

    def __init__(self) -> None:
        self._places: dict[tuple[bool, str], list[str]] = {}
        self._counts: dict[tuple[bool, str], int] = {}

    def add(self, kind: str, place: str, *, breaks: bool = False, times: int = 1) -> None:
        """Counts one find, or several ``times`` of one place; none are not counted."""
        if times <= 0:
            return
        places = self._places.setdefault((breaks, kind), [])
        self._counts[breaks, kind] = self._counts.get((breaks, kind), 0) + times
        if len(places) < _EXAMPLES:
            places.append(place)

    def oddities(self) -> list[Oddity]:
        """What was counted, those that break reading first, else in the order of their finds."""
        return [
            Oddity(kind, self._counts[breaks, kind], tuple(places), breaks)
            for (breaks, kind), places in sorted(self._places.items(), key=lambda p: not p[0][0])
        ]
