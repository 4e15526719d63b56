"""What a model is asked with: a prompt, made of cues.

A cue knows its one plain form (for rows, exports, canaries, equality) and its one drawing. Whoever
handles prompts handles cues, so that a new kind is a class and nothing else: it is kept in rows,
told apart, exported and drawn because it is there.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Dot:
    """A point to be drawn at (x, y), pixel indices; ``label`` 1 is foreground, 0 background."""

    x: float
    y: float
    label: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    """A line to be drawn through (x, y) pixel indices; ``label`` as a dot's."""

    points: tuple[tuple[float, float], ...]
    label: int = 1


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A box to be drawn around the pixels from (x0, y0) to (x1, y1), both included."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Words:
    """A text to be shown beside the picture."""

    text: str


Shape: TypeAlias = Dot | Line | Rectangle | Words
"""Of what cues are drawn: places are pixel indices of the image."""

_SHAPES: Mapping[str, type[Any]] = {each.__name__: each for each in (Dot, Line, Rectangle, Words)}


class Cue(Protocol):
    """One thing that a prompt says. ``kind`` names it: what models say they understand."""

    @property
    def kind(self) -> str:
        """Such as ``points``, ``box`` or ``text``: one word, the same for all cues of a kind."""

    def plain(self) -> Any:
        """What it says, as JSON values: equal for cues that ask the same."""

    def shapes(self) -> Sequence[Shape]:
        """How it is drawn; empty for what can't be seen."""


@dataclass(frozen=True, slots=True, eq=False)
class PointsCue:
    """Clicks: ``points`` (P, 2) float32, (x, y) pixel indices; ``labels`` (P,) int64, 1 or 0."""

    points: FloatArray
    labels: npt.NDArray[np.int64]

    kind = "points"

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise ValueError(f"points must be (P, 2), found {self.points.shape}")
        if self.labels.shape != self.points.shape[:1]:
            raise ValueError(f"{len(self.points)} points need as many labels: {self.labels.shape}")

    def plain(self) -> Any:
        """``{"points": [[x, y], …], "labels": [1, …]}``."""
        return {"points": self.points.tolist(), "labels": self.labels.tolist()}

    def shapes(self) -> Sequence[Shape]:
        """A dot each, in the order of the clicks."""
        places = zip(self.points.tolist(), self.labels.tolist(), strict=True)
        return [Dot(x, y, label) for (x, y), label in places]


@dataclass(frozen=True, slots=True, eq=False)
class BoxCue:
    """A box: ``corners`` (4,) float32, (x0, y0, x1, y1) pixel indices, both corners included."""

    corners: FloatArray

    kind = "box"

    def __post_init__(self) -> None:
        if self.corners.shape != (4,):
            raise ValueError(f"a box is (x0, y0, x1, y1), found {self.corners.shape}")

    def plain(self) -> Any:
        """``[x0, y0, x1, y1]``."""
        return self.corners.tolist()

    def shapes(self) -> Sequence[Shape]:
        """Its rectangle."""
        x0, y0, x1, y1 = self.corners.tolist()
        return [Rectangle(x0, y0, x1, y1)]


@dataclass(frozen=True, slots=True, eq=False)
class MaskCue:
    """The (h, w) float32 logits of an earlier prediction, on the model's own grid."""

    logits: FloatArray

    kind = "mask_logits"

    def plain(self) -> Any:
        """Its size: the logits are those of the step before, which a replay makes anew."""
        return {"size": list(self.logits.shape)}

    def shapes(self) -> Sequence[Shape]:
        """Nothing: the mask of the step before is drawn by itself."""
        return []


@dataclass(frozen=True, slots=True)
class TextCue:
    """Words."""

    text: str

    kind = "text"

    def plain(self) -> Any:
        """The text."""
        return self.text

    def shapes(self) -> Sequence[Shape]:
        """The text, beside the picture."""
        return [Words(self.text)]


@dataclass(frozen=True, slots=True)
class RecordedCue:
    """A cue as rows keep it: read back without its class, equal and drawn as it was."""

    kind: str
    said: Any
    drawn: tuple[Shape, ...] = ()

    def plain(self) -> Any:
        """What the cue said."""
        return self.said

    def shapes(self) -> Sequence[Shape]:
        """How the cue was drawn."""
        return self.drawn


_NO_POINTS = PointsCue(np.zeros((0, 2), np.float32), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Prompt:
    """What a model is asked with, for one target: at most one cue of a kind, by kind.

    Those that SAM understands have arguments and attributes of their own: ``points`` and
    ``labels``, ``box``, ``mask_logits``, ``text``; any other goes into ``cues``. Two prompts are
    equal where all their cues say the same in their plain form.

    >>> Prompt(box=np.array([0, 0, 3, 4], np.float32)).kinds
    frozenset({'box'})
    """

    cues: Mapping[str, Cue] = field(default_factory=dict)

    def __init__(
        self,
        points: FloatArray | None = None,
        labels: npt.NDArray[np.int64] | None = None,
        box: FloatArray | None = None,
        mask_logits: FloatArray | None = None,
        text: str | None = None,
        cues: Iterable[Cue] = (),
    ) -> None:
        known: list[Cue] = []
        if points is not None or labels is not None:
            places = _NO_POINTS.points if points is None else points
            known.append(PointsCue(places, _NO_POINTS.labels if labels is None else labels))
        if box is not None:
            known.append(BoxCue(box))
        if mask_logits is not None:
            known.append(MaskCue(mask_logits))
        if text is not None:
            known.append(TextCue(text))
        object.__setattr__(self, "cues", {cue.kind: cue for cue in (*known, *cues)})
        if len(self.cues) < len(known) + len(list(cues)):
            raise ValueError(f"a prompt has one cue of a kind, found {[c.kind for c in cues]}")

    def having(self, *cues: Cue) -> Prompt:
        """The same prompt with these cues, in the place of those of the same kind."""
        return Prompt(cues={**self.cues, **{cue.kind: cue for cue in cues}}.values())

    def without(self, *kinds: str) -> Prompt:
        """The same prompt without the cues of these kinds."""
        return Prompt(cues=[cue for kind, cue in self.cues.items() if kind not in kinds])

    @property
    def points(self) -> FloatArray:
        """(P, 2) float32, (x, y) pixel indices; (0, 2) without clicks."""
        return self._clicks.points

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(P,) int64, 1 for foreground and 0 for background."""
        return self._clicks.labels

    @property
    def box(self) -> FloatArray | None:
        """(4,) float32, (x0, y0, x1, y1) pixel indices with both corners included, or none."""
        cue = self.cues.get("box")
        return cue.corners if isinstance(cue, BoxCue) else None

    @property
    def mask_logits(self) -> FloatArray | None:
        """(h, w) float32 on the model's own grid, or none."""
        cue = self.cues.get("mask_logits")
        return cue.logits if isinstance(cue, MaskCue) else None

    @property
    def text(self) -> str | None:
        """The words, or none."""
        cue = self.cues.get("text")
        return cue.text if isinstance(cue, TextCue) else None

    @property
    def n_points(self) -> int:
        """The number of clicks."""
        return len(self.points)

    @property
    def kinds(self) -> frozenset[str]:
        """Of which kinds its cues are; ``points`` without a click are none."""
        return frozenset(self.cues) - ({"points"} if not self.n_points else set())

    @property
    def shapes(self) -> list[Shape]:
        """All that is drawn of it."""
        return [shape for cue in self.cues.values() for shape in cue.shapes()]

    def asks(self) -> Hashable:
        """Equal for prompts that ask the same; logits that come along are told by identity."""
        return tuple(
            (kind, id(cue.logits) if isinstance(cue, MaskCue) else json.dumps(cue.plain()))
            for kind, cue in sorted(self.cues.items())
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Prompt):
            return NotImplemented
        if self.kinds != other.kinds:
            return False
        ours, theirs = self.mask_logits, other.mask_logits
        same = ours is theirs or (
            ours is not None and theirs is not None and np.array_equal(ours, theirs)
        )
        return same and all(self.cues[k].plain() == other.cues[k].plain() for k in self.kinds)

    __hash__ = None  # type: ignore[assignment]

    @property
    def _clicks(self) -> PointsCue:
        cue = self.cues.get("points")
        return cue if isinstance(cue, PointsCue) else _NO_POINTS


IN_COLUMNS = frozenset({"points", "box", "mask_logits"})
"""Kinds of cues that rows keep in columns of their own, or, of the step before, not at all."""


def cues_text(prompt: Prompt) -> str | None:
    """What rows keep of the cues that have no column: JSON, or none where there is no such cue.

    A list of ``{"kind": …, "plain": …, "shapes": [["Dot", x, y, label], …]}``.
    """
    others = [cue for kind, cue in sorted(prompt.cues.items()) if kind not in IN_COLUMNS]
    if not others:
        return None
    return json.dumps(
        [
            {"kind": c.kind, "plain": c.plain(), "shapes": [_shape_to_json(s) for s in c.shapes()]}
            for c in others
        ],
        ensure_ascii=False,
    )


def prompt_of_row(row: Mapping[Any, Any]) -> Prompt:
    """The prompt of a row, from its columns ``point_coords, point_labels, box, cues``.

    Logits that came along are not in rows. Raises ``ValueError`` for cues that are none.
    """
    points = np.array([list(point) for point in row["point_coords"]], np.float32).reshape(-1, 2)
    box = row["box"]
    text = row.get("cues")
    try:
        written = json.loads(text) if isinstance(text, str) else []
        others = [
            RecordedCue(str(c["kind"]), c["plain"], tuple(map(_shape_of_json, c["shapes"])))
            for c in written
        ]
    except (TypeError, KeyError, RecursionError):
        raise ValueError(
            f"not the cues of a prompt: {text!r:.60}, expected a list of kind, plain and shapes"
        ) from None
    return Prompt(
        points,
        np.array(row["point_labels"], np.int64),
        None if box is None else np.array(box, np.float32),
        cues=others,
    )


def _shape_to_json(shape: Shape) -> list[Any]:
    name = type(shape).__name__
    return [name, *(getattr(shape, each) for each in type(shape).__slots__)]


def _shape_of_json(written: Sequence[Any]) -> Shape:
    name, *values = written
    if name not in _SHAPES:
        raise ValueError(f"no shape is called {name!r:.40}")
    if name == "Line":
        values[0] = tuple((float(x), float(y)) for x, y in values[0])
    shape: Shape = _SHAPES[name](*values)
    return shape
