r"""A figure as a PGF picture, which LaTeX sets in the paper's own fonts.

Matplotlib's writer takes every text for LaTeX and asks a LaTeX how wide it is. Here a text is data,
escaped as in tables, and measured in the figure's font, so that no LaTeX is needed to write one and
the same figure gives the same bytes everywhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_pgf import RendererPgf
from matplotlib.figure import Figure
from PIL import Image

from bench.report.tables.formats import CHARACTER, escape_latex
from bench.types import BenchError

_DPI = 200
_MINUS = "\N{MINUS SIGN}"

_NUMBER = re.compile(r"\$\\mathdefault\{[-\d.\\ a-z{}^" + _MINUS + r"]*\}\$")
"""What an axis writes itself at its ticks: no name."""

_HEAD = rf"""% \input it; needs \usepackage{{pgf}}. Its letters are the paper's.
% A picture of dots beside it (-img0.png) is found by graphicx and \graphicspath{{{{FOLDER/}}}}.
\begingroup%
\providecommand{{\mathdefault}}[1]{{#1}}%
{CHARACTER}%
\makeatletter%
\begin{{pgfpicture}}%
"""
_TAIL = r"""\end{pgfpicture}%
\makeatother%
\endgroup%
"""


class _Renderer(RendererPgf):
    """Matplotlib's, but for texts, and for pictures of dots, which any LaTeX is to include."""

    def draw_text(
        self,
        gc: Any,
        x: float,
        y: float,
        s: str,
        prop: Any,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        super().draw_text(gc, x, y, _as_latex(s), prop, angle, ismath, mtext)  # type: ignore[no-untyped-call]

    def draw_image(self, gc: Any, x: float, y: float, im: Any, transform: Any = None) -> None:
        if transform is not None:  # asked for by no figure that scales its pictures itself
            raise BenchError("a figure's picture is turned or sheared, which .pgf does not do here")
        height, width = im.shape[:2]
        if not width or not height:
            return
        path = Path(self.fh.name)
        name = f"{path.stem}-img{self.image_counter}.png"
        Image.fromarray(im[::-1]).save(path.parent / name)
        self.image_counter += 1
        self.fh.write("\\begin{pgfscope}%\n")
        self._print_pgf_clip(gc)  # type: ignore[no-untyped-call]
        size = f"width={width / self.dpi:f}in,height={height / self.dpi:f}in"
        self.fh.write(
            rf"\pgftext[x={x / self.dpi:f}in,y={y / self.dpi:f}in,left,bottom]"
            rf"{{\includegraphics[{size}]{{{name}}}}}%"
            "\n\\end{pgfscope}%\n"
        )

    def option_scale_image(self) -> bool:
        return False

    def get_text_width_height_descent(
        self, s: str, prop: Any, ismath: Any
    ) -> tuple[float, float, float]:
        return RendererBase.get_text_width_height_descent(self, s, prop, ismath)


def _as_latex(text: str) -> str:
    if _NUMBER.fullmatch(text):
        return text
    return _MINUS.join(map(escape_latex, text.split(_MINUS)))  # the writer knows the minus


def write(figure: Figure, path: Path) -> Path:
    """Writes the picture, and beside it a PNG for each part that is dots; gives its path."""
    before = figure.dpi
    width, height = figure.get_size_inches()
    figure.dpi = _DPI
    try:
        with path.open("w", encoding="utf-8", newline="\n") as sink:
            sink.write(_HEAD)
            sink.write(
                rf"\pgfpathrectangle{{\pgfpointorigin}}{{\pgfqpoint{{{width:f}in}}{{{height:f}in}}}}%"
                "\n\\pgfusepath{use as bounding box, clip}%\n"
            )
            writer = _Renderer(figure, sink)  # type: ignore[no-untyped-call]
            renderer = MixedModeRenderer(figure, width, height, _DPI, writer)  # type: ignore[no-untyped-call]
            figure.draw(renderer)  # type: ignore[arg-type]
            sink.write(_TAIL)
    finally:
        figure.dpi = before
    return path
