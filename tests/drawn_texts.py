"""What a figure says, and where: every text that is really drawn, with its box."""

from itertools import combinations

import matplotlib.text
from matplotlib.backends.backend_agg import FigureCanvasAgg


def drawn_texts(figure, monkeypatch):
    """The texts that drawing the figure as it is saved puts on it: (text, box in pixels)."""
    found = []
    draw = matplotlib.text.Text.draw

    def record(self, renderer, *args, **kwargs):
        if self.get_visible() and self.get_text().strip():
            box = matplotlib.text.Text.get_window_extent(self, renderer)  # without arrows
            found.append((self.get_text(), box))
        return draw(self, renderer, *args, **kwargs)

    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    canvas = FigureCanvasAgg(figure)
    with monkeypatch.context() as patch:
        patch.setattr(matplotlib.text.Text, "draw", record)
        canvas.draw()
    return found


def faults(figure, monkeypatch):
    """What is wrong with a figure's texts: cut by its edge, or one over another."""
    texts = drawn_texts(figure, monkeypatch)
    assert texts
    whole = figure.bbox
    said = [
        f"{text!r} is cut"
        for text, box in texts
        if box.x0 < -0.5 or box.y0 < -0.5 or box.x1 > whole.x1 + 0.5 or box.y1 > whole.y1 + 0.5
    ]
    said += [
        f"{a!r} and {b!r} overlap"
        for (a, one), (b, other) in combinations(texts, 2)
        if min(one.x1, other.x1) - max(one.x0, other.x0) > 1
        and min(one.y1, other.y1) - max(one.y0, other.y0) > 1
    ]
    return said
