"""The rooms of the house, read from the code: what each holds, whom it imports, and a drawing.

::

    python docs/house.py house.svg     writes the drawing

Rooms are the folders and files of ``bench/``; an arrow from A to B says that a file in A imports
one in B, found with ``ast``; ``tests/test_layers.py`` judges the same imports. Nothing is written
by hand, so the drawing can't differ from the code.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from textwrap import wrap

ROOT = Path(__file__).resolve().parents[1] / "bench"

BOX, HEIGHT, BEND = 220, 98, 16
"""Of a room its width and height, and the width that an arrow takes between rooms, in pixels."""

SPACE, GAP, MARGIN = 14, 62, 20
"""Between neighbours, between layers, and around the drawing, in pixels."""


@dataclass(frozen=True, slots=True)
class Room:
    """A folder or file of ``bench/``: the first line of its docstring, and the rooms it imports."""

    name: str
    holds: str
    imports: frozenset[str]


def rooms(root: Path = ROOT) -> dict[str, Room]:
    """Every room by name; a file of the root counts as one, ``__init__`` and ``__main__`` don't."""
    found = {}
    for path in sorted(root.iterdir()):
        start = path / "__init__.py" if path.is_dir() else path
        if start.suffix == ".py" and start.is_file() and not path.stem.startswith("_"):
            files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
            others = {name.partition(".")[0] for file in files for name in imported(file)}
            others -= {path.stem}
            doc = ast.get_docstring(ast.parse(start.read_text(encoding="utf-8"))) or ""
            found[path.stem] = Room(path.stem, doc.partition("\n\n")[0], frozenset(others))
    known = set(found)
    return {
        name: Room(name, " ".join(room.holds.split()), room.imports & known)
        for name, room in found.items()
    }


def layers(found: Mapping[str, Room]) -> list[list[str]]:
    """The rooms from the top layer to the bottom one: each above every room that it imports.

    >>> a, b, c = (Room(n, "", frozenset(i)) for n, i in (("a", "bc"), ("b", "c"), ("c", "")))
    >>> layers({"a": a, "b": b, "c": c})
    [['a'], ['b'], ['c']]

    Raises ``ValueError`` where rooms import each other.
    """
    heights: dict[str, int] = {}

    def height(name: str, above: tuple[str, ...] = ()) -> int:
        if name in above:
            raise ValueError(f"rooms import each other: {' → '.join((*above, name))}")
        if name not in heights:
            below = (height(other, (*above, name)) for other in found[name].imports)
            heights[name] = 1 + max(below, default=-1)
        return heights[name]

    tops = [height(name) for name in found]
    return [
        sorted(name for name in found if heights[name] == level)
        for level in range(max(tops, default=-1), -1, -1)
    ]


def arrows(found: Mapping[str, Room]) -> list[tuple[str, str]]:
    """The imports to be drawn: without those that a way over other rooms implies."""

    def below(name: str) -> set[str]:
        return {n for other in found[name].imports for n in {other, *below(other)}}

    kept = []
    for name, room in sorted(found.items()):
        implied = {n for other in room.imports for n in below(other)}
        kept += [(name, other) for other in sorted(room.imports - implied)]
    return kept


def drawing(found: Mapping[str, Room]) -> str:
    """The house as SVG: layers from top to bottom, an arrow from a room to each that it imports."""
    ways = _ways(found)
    rows = _ordered(_with_bends(layers(found), ways), ways)
    width = max(_width(row) for row in rows) + 2 * MARGIN
    places = _places(rows, width)
    height = 2 * MARGIN + len(rows) * (HEIGHT + GAP) - GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'font-family="Helvetica, Arial, sans-serif">',
        "<title>The rooms of bench/ and their imports</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#5b6b7b"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *(_arrow(way, places) for way in ways),
        *(_box(found[name], *place) for name, place in places.items() if name in found),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def table(found: Mapping[str, Room]) -> str:
    """The rooms as a Markdown table, from the top layer to the bottom."""
    lines = ["| room | holds | imports |", "|---|---|---|"]
    for row in layers(found):
        for name in row:
            others = ", ".join(f"`{other}`" for other in sorted(found[name].imports)) or "–"
            lines.append(f"| `{name}` | {_cell(found[name].holds)} | {others} |")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """Writes the drawing into the named files."""
    for name in argv:
        Path(name).write_text(drawing(rooms()), encoding="utf-8")
    return 0


def imported(path: Path, *, types: bool = True) -> Iterator[str]:
    """Names below ``bench`` that a file imports anywhere in it, for ``types`` alone too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unasked = set() if types else {id(node) for node in _of_types(tree)}
    for node in ast.walk(tree):
        if id(node) in unasked:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            top, _, below = name.partition(".")
            if top == "bench" and below != "__version__":
                yield below


def _of_types(tree: ast.AST) -> Iterator[ast.AST]:
    """What stands under ``if TYPE_CHECKING``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from ast.walk(node)


def _ways(found: Mapping[str, Room]) -> list[list[str]]:
    """Each arrow as the names that it passes: a bend, ``a>b:level``, in every layer between."""
    level = {name: i for i, row in enumerate(layers(found)) for name in row}
    return [
        [a, *(f"{a}>{b}:{between}" for between in range(level[a] + 1, level[b])), b]
        for a, b in arrows(found)
    ]


def _with_bends(rows: list[list[str]], ways: Sequence[Sequence[str]]) -> list[list[str]]:
    bends = [bend for way in ways for bend in way[1:-1]]
    return [
        [*row, *(bend for bend in bends if bend.endswith(f":{level}"))]
        for level, row in enumerate(rows)
    ]


def _ordered(rows: list[list[str]], ways: Sequence[Sequence[str]]) -> list[list[str]]:
    """The layers with everything near what its arrows join it to."""
    steps = [pair for way in ways for pair in pairwise(way)]
    best, fewest = rows, _crossings(rows, steps)
    for _ in range(24):
        for sweep in (rows[1:], rows[-2::-1]):
            at = {name: (i + 0.5) / len(row) for row in rows for i, name in enumerate(row)}
            for row in sweep:
                near = {n: [at[b if a == n else a] for a, b in steps if n in (a, b)] for n in row}
                row.sort(key=lambda n: (sum(near[n]) / (len(near[n]) or 1), n))
                at.update({name: (i + 0.5) / len(row) for i, name in enumerate(row)})
            if (found := _crossings(rows, steps)) < fewest:
                best, fewest = [list(row) for row in rows], found
    return best


def _crossings(rows: Sequence[Sequence[str]], steps: Sequence[tuple[str, str]]) -> int:
    at = {name: (level, i) for level, row in enumerate(rows) for i, name in enumerate(row)}
    lines = [(*at[a], at[b][1]) for a, b in steps]
    return sum(
        one[0] == other[0] and (one[1] - other[1]) * (one[2] - other[2]) < 0
        for i, one in enumerate(lines)
        for other in lines[:i]
    )


def _room_for(name: str) -> int:
    return BEND if ">" in name else BOX


def _width(row: Sequence[str]) -> int:
    return sum(map(_room_for, row)) + SPACE * (len(row) - 1)


def _places(rows: Sequence[Sequence[str]], width: float) -> dict[str, tuple[float, float]]:
    """The middle of everything's upper side, in pixels; a short layer is spread out."""
    places = {}
    for level, row in enumerate(rows):
        space = (width - 2 * MARGIN - sum(map(_room_for, row))) / (len(row) + 1)
        x = MARGIN + space
        for name in row:
            places[name] = x + _room_for(name) / 2, float(MARGIN + level * (HEIGHT + GAP))
            x += _room_for(name) + space
    return places


def _arrow(way: Sequence[str], places: Mapping[str, tuple[float, float]]) -> str:
    """A curve from the lower side of the first room to the upper side of the last."""
    points = [places[name] for name in way]
    (xa, ya), (xb, yb) = points[0], points[-1]
    x0 = xa + max(-0.4, min(0.4, (points[1][0] - xa) / BOX / 3)) * BOX
    x1 = xb + max(-0.4, min(0.4, (points[-2][0] - xb) / BOX / 3)) * BOX
    ways = [(x0, ya + HEIGHT)]
    for x, y in points[1:-1]:
        ways += [(x, y), (x, y + HEIGHT)]
    ways.append((x1, yb))
    path = f"M{x0:.0f} {ya + HEIGHT:.0f}"
    for i, ((xc, yc), (xd, yd)) in enumerate(pairwise(ways)):
        if i % 2:
            path += f"L{xd:.0f} {yd:.0f}"
        else:
            bend = (yd - yc) * 0.5
            path += f"C{xc:.0f} {yc + bend:.0f} {xd:.0f} {yd - bend:.0f} {xd:.0f} {yd:.0f}"
    return (
        f'<path d="{path}" fill="none" stroke="#5b6b7b" stroke-width="1.5" marker-end="url(#tip)"/>'
    )


def _box(room: Room, x: float, y: float) -> str:
    left = x - BOX / 2
    words = wrap(room.holds.replace("``", "").partition(". ")[0], 31, max_lines=4, placeholder=" …")
    lines = [
        f'<text x="{x:.0f}" y="{y + 41 + 15 * i:.0f}" font-size="11" fill="#33404d" '
        f'text-anchor="middle">{escape(line)}</text>'
        for i, line in enumerate(words)
    ]
    return "".join(
        [
            f'<rect x="{left:.0f}" y="{y:.0f}" width="{BOX}" height="{HEIGHT}" rx="6" '
            'fill="#eef3f8" stroke="#7d93a8"/>',
            f'<text x="{x:.0f}" y="{y + 22:.0f}" font-size="15" font-weight="bold" '
            f'fill="#12202e" text-anchor="middle">{escape(room.name)}</text>',
            *lines,
        ]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
