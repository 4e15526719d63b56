"""How every figure looks: one set of rcParams, one palette, one way to save."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

from bench.report.figures import pgf
from bench.report.figures.kinds import KINDS
from bench.report.papers import PAPERS, Paper
from bench.types import BenchError
from bench.types.errors import did_you_mean

INK = "#23272e"
"""Text and axes; the page replaces it by its own colour in the dark."""
MUTED = "#7a828c"
RULE = "#d9dde2"
PLATE = "#f2f4f7"
"""Behind a density, whose palest shades need a light ground in the dark too."""

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#5f6b7a")
"""Told apart by colour-blind readers too (Okabe and Ito), with a marker each."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

LINES = ("-", "--", ":", "-.")
"""Of the first eight series, the next eight, and so on."""

CALIBRATION = "#d55e00"

FONT = "DejaVu Sans"

_RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": [FONT],
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "bench.report",
}

# What a matplotlib writes about itself and the time would make two equal figures differ.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


_PAGE: ContextVar[Paper | None] = ContextVar("page", default=None)

_ONE_COLUMN = 1.3
"""A figure of at most so many columns' width is drawn to stand in one."""


@contextmanager
def on_page(name: str | None) -> Iterator[None]:
    """Inside the block figures are drawn to fit a page of ``PAPERS``; none leaves them as they are.

    Raises ``BenchError`` as ``check_page`` does.
    """
    check_page(name)
    before = _PAGE.set(None if name is None else PAPERS[name])
    try:
        yield
    finally:
        _PAGE.reset(before)


def check_page(name: str | None) -> None:
    """Raises ``BenchError`` for a page that there isn't."""
    if name is not None and name not in PAPERS:
        raise BenchError(f"--width: no paper {name!r}; {did_you_mean(name, PAPERS)}")


def is_on_page() -> bool:
    """Whether figures are drawn to fit a page."""
    return _PAGE.get() is not None


def across(natural: float) -> float:
    """How wide to draw a figure, in inches: as it would be, or a page's column, or both of them.

    >>> with on_page("cvpr"):
    ...     across(3.6), across(5.2), across(7.6)
    (3.25, 6.875, 6.875)
    >>> across(3.6)
    3.6
    """
    page = _PAGE.get()
    if page is None:
        return natural
    return page.column if natural <= _ONE_COLUMN * page.column else page.whole


@contextmanager
def figure_style() -> Iterator[None]:
    """The house style inside the block; outside it nothing changes."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Told once a report, by `lacking`.
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def save(figure: Figure, folder: Path, name: str, kinds: Sequence[str] = KINDS) -> list[Path]:
    """Writes ``name``.pdf, .svg, .png (200 dots per inch, white) and .pgf, and gives their paths.

    Of them those of ``kinds``.

    The PDF has its fonts embedded, the SVG has text as text, and the PGF is set in the fonts of the
    paper that reads it. The same figure gives the same bytes.
    """
    paths = []
    with figure_style():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once, alike in every format
        for kind in _METADATA:
            if kind not in kinds:
                continue
            path = folder / f"{name}.{kind}"
            face = "white" if kind == "png" else "none"
            _print(figure, kind, str(path), face, dots=200)
            paths.append(path)
        if "pgf" in kinds:
            paths.append(pgf.write(figure, folder / f"{name}.pgf"))
    return paths


def lacking(figure: Figure) -> set[str]:
    """The characters of a figure's texts that the font has no picture of: boxes stand for them."""
    font = get_font(findfont(FONT))
    known = font.get_charmap().keys()
    texts = (text.get_text() for text in figure.findobj(Text))
    return {each for text in texts for each in text if ord(each) not in known and each != "\n"}


def outlined(figure: Figure) -> str:
    """A saved figure as an SVG whose texts are outlines: alike whatever fonts a reader has."""
    sink = io.StringIO()
    with figure_style(), matplotlib.rc_context({"svg.fonttype": "path"}):
        _print(figure, "svg", sink, "none", dots=figure.dpi)
    return sink.getvalue()


_CANVASES = {"pdf": FigureCanvasPdf, "svg": FigureCanvasSVG, "png": FigureCanvasAgg}


def _print(figure: Figure, kind: str, out: str | io.StringIO, face: str, *, dots: float) -> None:
    """Writes a figure that is laid out already as ``figure.savefig`` does, to the byte.

    That draws each figure twice, to lay it out once more.
    """
    before = figure.dpi, figure.get_facecolor(), figure.canvas
    try:
        figure.set_facecolor(face)
        figure.dpi = dots
        printed = getattr(_CANVASES[kind](figure), f"print_{kind}")
        printed(out, metadata=_METADATA[kind])
    finally:
        figure.dpi = before[0]
        figure.set_facecolor(before[1])
        figure.set_canvas(before[2])
