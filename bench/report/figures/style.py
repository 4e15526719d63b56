"""How every figure looks: one set of rcParams, one palette, one way to save."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

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
    "svg.fonttype": "path",
    "svg.hashsalt": "bench.report",
}

# What a matplotlib writes about itself and the time would make two equal figures differ.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


@contextmanager
def figure_style() -> Iterator[None]:
    """The house style inside the block; outside it nothing changes."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Writes ``name``.pdf, .svg and .png (200 dots per inch, white) and gives their paths.

    Fonts are embedded; the same figure gives the same bytes.
    """
    paths = []
    with figure_style():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once, alike in every format
        for kind, metadata in _METADATA.items():
            path = folder / f"{name}.{kind}"
            face = "white" if kind == "png" else "none"
            figure.savefig(path, dpi=200, metadata=metadata, facecolor=face)
            paths.append(path)
    return paths
