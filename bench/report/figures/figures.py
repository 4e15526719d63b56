"""Which figures a report has: every one of the shelf that its rows allow.

A figure is a module of ``bench.report.figures.shelf``, found because it is there: ``draw(facts)``
gives its drawings, ``ORDER`` its place among the others. A user's own is such a module, too.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.comparing.differences import Difference
from bench.analysis.selection import Selection
from bench.analysis.table import Table
from bench.config.component import load_module
from bench.files.names import fault_of_name
from bench.report.figures import plots, shelf, style
from bench.types import BenchError
from bench.types.errors import told


@dataclass(frozen=True, slots=True)
class Spot:
    """A bar or a cell of a figure that opens a list of masks.

    ``x`` and ``y`` are from where to where it reaches, in the units of its ``axes``; all the way
    where there is none. ``address`` is one of ``bench.report.masks.addresses``, and ``said`` tells
    what is opened.
    """

    axes: Axes
    address: str
    said: str
    x: tuple[float, float] | None = None
    y: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure, the name of its files, its heading, and what it shows for who can't see it.

    ``spots`` are what opens masks on the page. Raises ``BenchError`` for a name that would put the
    files into another folder.
    """

    name: str
    title: str
    alt: str
    figure: Figure
    spots: tuple[Spot, ...] = ()

    def __post_init__(self) -> None:
        if fault_of_name(self.name):
            raise BenchError(f"a figure's name is that of its files, in one folder: {self.name!r}")


@dataclass(frozen=True, slots=True)
class Failure:
    """A figure that could not be drawn: what it is called, and why, in one line."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"figure {self.name} failed: {self.why}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a figure may show: the rows of a report, its table, and the differences it tells of.

    ``looks`` is the colour, marker and line style of each series, the same in every figure.
    """

    selection: Selection
    table: Table
    compared: Sequence[Difference]
    looks: plots.Looks


def figures(
    selection: Selection,
    table: Table,
    compared: Sequence[Difference],
    own: Sequence[ModuleType],
    taken: set[str],
) -> list[Drawing | Failure]:
    """Every figure that the rows allow, in the order in which a report shows them.

    ``own`` are a user's modules of figures, see ``own_figure``; ``taken`` as ``drawn`` has it.
    """
    looks = plots.looks(series_names(table.lines, table))
    facts = Facts(selection, table, compared, looks)
    names = [f"{shelf.__name__}.{module.name}" for module in pkgutil.iter_modules(shelf.__path__)]
    # The user's come last, so that they don't take the names of the bench's.
    modules = [*map(importlib.import_module, names), *own]
    made = [
        (
            _order(module),
            drawn(module.__name__, partial(module.draw, facts), taken, module.__file__),
        )
        for module in modules
    ]
    return [each for _, found in sorted(made, key=lambda pair: pair[0]) for each in found]


def drawn(
    source: str,
    draw: Callable[[], Iterable[Drawing] | None],
    taken: set[str],
    file: str | None = None,
) -> list[Drawing | Failure]:
    """What a source of figures draws, as far as it gets, and why it gets no further.

    A figure whose name is ``taken`` is a failure too; those that are drawn are added. ``file`` is
    where the source stands.
    """
    found: list[Drawing | Failure] = []
    try:
        with style.figure_style():
            drawings = draw()
            if drawings is None:
                raise BenchError("draw gave None; give an empty list where nothing is drawn")
            for drawing in drawings:
                _check_drawing(drawing, taken)
                taken.add(drawing.name)
                found.append(drawing)
    except BenchError as error:
        found.append(Failure(source, str(error)))
    except (Exception, SystemExit) as error:
        found.append(Failure(source, told(error, file)))
    return found


def _check_drawing(drawing: object, taken: set[str]) -> None:
    """Raises ``BenchError`` for what is no drawing, or would lie where another does."""
    if not isinstance(drawing, Drawing) or not isinstance(drawing.figure, Figure):
        raise BenchError(f"draw gave {drawing!r:.60}, expected a Drawing of a matplotlib Figure")
    if drawing.name in taken:
        raise BenchError(f"another figure is called {drawing.name!r} already; choose another name")


def own_figure(name: str, allow_modules: Sequence[str]) -> ModuleType:
    """A user's module of figures by its dotted name; raises ``BenchError`` unless it is allowed."""
    if not any(name == allowed or name.startswith(f"{allowed}.") for allowed in allow_modules):
        raise BenchError(
            f"figure {name!r} lies outside the allowed modules; if it is yours, allow it on the "
            f"command line: runtime.allow_modules=[{name}], or --allow-module {name}"
        )
    module = load_module(name, f"figure {name!r}: no such module")
    if not callable(getattr(module, "draw", None)):
        raise BenchError(f"figure {name!r}: the module has no function draw(facts)")
    if not isinstance(getattr(module, "ORDER", 0), int):
        raise BenchError(f"figure {name!r}: ORDER must be a whole number, found {module.ORDER!r}")
    return module


def _order(module: ModuleType) -> tuple[int, str]:
    return getattr(module, "ORDER", 100), module.__name__


def curve_columns(lines: pd.DataFrame, table: Table) -> dict[str, list[Any]]:
    """What ``plots.iou_over_points`` draws of a table's lines, but for the panel."""
    return {
        "series": series_names(lines, table),
        "n_points": lines["n_points"].tolist(),
        "miou": lines[table.leads.mean].tolist(),
        "low": lines[f"{table.leads.mean}_low"].tolist(),
        "high": lines[f"{table.leads.mean}_high"].tolist(),
    }


def series_names(frame: pd.DataFrame, table: Table) -> list[str]:
    """How each row's curve is called, from its ``model`` and ``protocol``."""
    pairs = list(zip(frame["model"], frame["protocol"], strict=True))
    names = {pair: table.series(*pair) for pair in set(pairs)}
    return [names[pair] for pair in pairs]


def listed(names: Iterable[str]) -> str:
    """Names in a row, each once."""
    return ", ".join(dict.fromkeys(re.sub(r"\s+", " ", str(name)) for name in names))
