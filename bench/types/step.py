"""What a step of prompts is for tables: typed, so that words are made at the end and not read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """What a target was asked with, up to a step: so many clicks, a box, or what ``name`` says.

    ``name`` stands in the place of the word for a box (``noisy box``), or for what is neither
    clicks nor a box (``given masks``, ``scribble``).

    >>> [str(s) for s in (Step(1), Step(3), Step(box=True), Step(2, box=True))]
    ['1 point', '3 points', 'box', 'box + 2 points']
    >>> str(Step(1, name="scribble"))
    'scribble + 1 point'
    """

    points: int = 0
    box: bool = False
    name: str | None = None

    def __str__(self) -> str:
        first = self.name or ("box" if self.box else "")
        clicks = count_points(self.points) if self.points or not first else ""
        return " + ".join(filter(None, (first, clicks)))

    @property
    def only_clicks(self) -> bool:
        """Whether it is clicks and nothing else: a place on a curve."""
        return not self.box and self.name is None and self.points > 0

    @property
    def slug(self) -> str | None:
        """What published numbers call it; none where they have no word for it.

        >>> Step(1).slug, Step(3).slug, Step(2, box=True).slug, Step(box=True, name="noisy").slug
        ('point_1', 'point_3', 'box_and_2_points', None)
        """
        if self.name is not None:
            return None
        if not self.box:
            return f"point_{self.points}" if self.points else None
        return f"box_and_{count_points(self.points)}".replace(" ", "_") if self.points else "box"

    def plain(self) -> dict[str, Any]:
        """As a run's header keeps it."""
        return {"points": self.points, "box": self.box, "name": self.name}

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Step:
        """The step that a header keeps."""
        return cls(int(plain["points"]), bool(plain["box"]), plain.get("name"))


def count_points(n: int) -> str:
    """How tables name a number of clicks.

    >>> count_points(1), count_points(3)
    ('1 point', '3 points')
    """
    return f"{n} point" if n == 1 else f"{n} points"
