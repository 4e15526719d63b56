"""No text of a figure is cut or lies over another, however long names are and however many."""

import pkgutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from drawn_texts import drawn_texts, faults

from bench.analysis.comparing.comparison import compare_all
from bench.analysis.comparing.differences import differences
from bench.analysis.selection import BOUNDARY, select
from bench.analysis.table import miou_table
from bench.report.figures import figures as figures_module
from bench.report.figures import (
    plots,
    plots_compare,
    plots_edges,
    plots_ratings,
    plots_size,
    shelf,
    style,
    texts,
)
from bench.report.pages import comparison as comparison_page
from bench.types import Step

LONG = "A model with a long title, fine-tuned on nuclei, epoch {}, learning rate 1e-{}"
WORD = "nuclei_of_cells_in_fluorescence_microscopy_{:04d}"


@pytest.fixture(autouse=True)
def house_style():
    with style.figure_style():
        yield


def names(count):
    return [LONG.format(100 + i, i) if i % 2 else f"m{i}" for i in range(count)]


def datasets(count):
    return [WORD.format(i) if i % 2 else LONG.format(i, 7) for i in range(count)]


@pytest.fixture(scope="module")
def long_runs(tmp_path_factory, new_bench):
    """Three models on two datasets, all with long names; clicks, boxes, and what each took."""
    bench = new_bench(tmp_path_factory.mktemp("long"))

    def took(m):
        seconds = {"embed": 0.4 * (m + 1), "predict": 0.1}
        return {"images": 4, "answers": 40, "seconds": seconds, "place": {"device": "cpu"}}

    steps = {
        "points": {str(n): Step(points=n).plain() for n in (1, 2, 3, 5, 9)},
        "point_3": {"3": Step(points=3).plain()},
        "box": {"1": Step(box=True).plain()},
    }
    return [
        [
            bench.run(f"d{d}", f"m{m}", prompt, images=4, skill=1 + m + n, dataset_title=title,
                      title=LONG.format(m, m), latest=took(m), report_steps=steps[prompt])
            for d, title in enumerate(datasets(2))
            for n, prompt in enumerate(("points", "box", "point_3"))
        ]
        for m in range(3)
    ]  # fmt: skip


@pytest.mark.long
def test_every_figure_of_the_shelf_shows_its_texts_whole(long_runs, monkeypatch):
    stores = [store for side in long_runs for store in side]
    selection = select(stores)
    seen = set()
    for each in (selection, replace(selection, leads=BOUNDARY, further=())):
        table = miou_table(each)
        compared = differences(each, table)
        for drawing in figures_module.figures(each, table, compared, [], set()):
            assert faults(drawing.figure, monkeypatch) == [], drawing.name
            seen.add(drawing.name.rstrip("_0123456789"))
    # That of edges is of rows of another task, see below.
    assert seen | {"edges"} == {module.name for module in pkgutil.iter_modules(shelf.__path__)}


@pytest.mark.long
def test_every_figure_of_a_comparison_shows_its_texts_whole(long_runs, monkeypatch):
    found = compare_all(long_runs)
    seen = set()
    for drawing in comparison_page._drawings(found):
        assert faults(drawing.figure, monkeypatch) == [], drawing.name
        seen.add(drawing.name.rstrip("_0123456789"))
    assert seen == {"points", "difference", "scatter", "spread"}


def prompts(count):
    return [f"{LABELS[1]} {i}" if i % 2 else f"{i} points" for i in range(count)]


LABELS = ["1 point", "box and a rather long list of scribbles and exemplars", "box + 2 points"]


def rows(series, panels, labels):
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([series, panels, labels, range(40)])
    frame = index.to_frame(index=False, name=["series", "dataset", "label", "n"])
    return frame.assign(
        iou=rng.random(len(frame)), predicted_iou=rng.random(len(frame)),
        iou_a=rng.random(len(frame)), iou_b=rng.random(len(frame)),
    )  # fmt: skip


def edges(series, panels):
    """Precision against recall of each series in each panel, and its best F."""
    lines = pd.DataFrame(
        [
            {"panel": panel, "series": name, "recall": share, "precision": 1 - share / (2 + place)}
            for panel in panels
            for place, name in enumerate(series)
            for share in np.linspace(0.05, 0.95, 9)
        ]
    )
    best = lines.groupby(["panel", "series"], as_index=False).nth(4)
    return plots_edges.precision_recall(lines, best, plots.looks(series))


def shares(series, panels):
    """The share of each rating of each series in each panel."""
    index = pd.MultiIndex.from_product([panels, series, range(1, 11)])
    frame = index.to_frame(index=False, name=["panel", "series", "value"])
    return plots_ratings.rating_shares(frame.assign(share=frame["value"] / 55), plots.looks(series))


def curves(series, panels, clicks):
    index = pd.MultiIndex.from_product([panels, series, clicks])
    frame = index.to_frame(index=False, name=["panel", "series", "n_points"])
    return frame.assign(miou=0.5, low=0.4, high=0.6)


def bars(count):
    delta = np.linspace(-0.9, 0.9, count)
    return pd.DataFrame(
        {"dataset": datasets(count), "delta": delta, "low": delta - 0.1, "high": delta + 0.1,
         "oracle_delta": delta}
    )  # fmt: skip


def scale(sizes, called=names):
    frame = pd.DataFrame({"x": sizes, "miou": 0.5, "low": 0.4, "high": 0.6, "oracle": 0.7})
    ticks = [f"{name}\n{size:g}M" for name, size in zip(called(len(sizes)), sizes, strict=True)]
    return plots_size.iou_over_scale(frame, ticks, xlabel="parameters of the image encoder")


A, B = LONG.format(1, 4), LONG.format(2, 5)
MANY = {
    "points": lambda n: plots.iou_over_points(
        curves(names(n), datasets(n), range(1, 21)), plots.looks(names(n))
    ),
    "difference": lambda n: plots.difference_bars(
        bars(n), a=A, b=B, prompt=LABELS[1], colours=("k", "r")
    ),
    "histogram": lambda n: plots.iou_histogram(
        rows(names(n), ["d"], LABELS), LABELS, plots.looks(names(n))
    ),
    "predicted_iou": lambda n: plots.predicted_iou(rows(names(n), ["d"], LABELS), LABELS),
    "values": lambda n: plots.value_histogram(
        rows(names(n), ["d"], LABELS).rename(columns={"iou": "value"}), LABELS,
        plots.looks(names(n)), LONG.format(3, 6), 100.0,
    ),
    "cost": lambda n: plots_size.iou_over_cost(
        curves(names(n), LABELS, [1]).assign(ms=[3.0 * 1.3**i for i in range(3 * n)]),
        plots.looks(names(n)),
    ),
    "edges": lambda n: edges(names(n), datasets(n)),
    "ratings": lambda n: shares(names(n), datasets(n)),
    "scale": lambda n: scale([1.5 * 1.02**i for i in range(n)]),
    "scale_turned": lambda n: scale(
        [1.5 * 1.02**i for i in range(n - 1)] + [1.5 * 10.0**n],
        lambda count: [LONG.format(i, i) for i in range(count)],
    ),
    "scale_apart": lambda n: scale([1.5 * 10.0**i for i in range(n)]),
    "scatter": lambda n: plots_compare.iou_against_iou(
        rows(["s"], ["d"], prompts(n)), prompts(n), A, B
    ),
    "spread": lambda n: plots_compare.delta_histogram(
        rows(["s"], ["d"], prompts(n)), prompts(n), A, B, ("k", "r")
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "count", [pytest.param(1, marks=pytest.mark.long), 4, pytest.param(12, marks=pytest.mark.long)]
)
@pytest.mark.parametrize("name", MANY)
def test_long_names_and_many_panels(name, count, monkeypatch):
    figure = MANY[name](count)
    assert faults(figure, monkeypatch) == []


def test_a_name_stands_whole_in_its_figure(monkeypatch):
    figure = MANY["points"](4)
    said = {"".join(text.split()) for text, _ in drawn_texts(figure, monkeypatch)}
    assert {"".join(name.split()) for name in [*names(4), *datasets(4)]} <= said


def test_lines_are_as_wide_as_asked_and_lose_nothing():
    for width in (0.1, 0.4, 1.0, 2.2, 6.0):
        for text in (LONG.format(1, 2), WORD.format(3), "a b", "", "two\nlines"):
            lines = texts.wrapped(text, width).splitlines()
            if len(lines) < 12:
                assert "".join("".join(lines).split()) == "".join(text.split())
            assert all(texts.text_width(x) <= width or len(x.rstrip("…")) == 1 for x in lines[:-1])
    assert texts.wrapped("$x$", 2) == r"\$x\$"
    assert texts.wrapped("x " * 400, 0.3).endswith("…")


def test_no_two_series_look_alike():
    looks = plots.looks(f"series {i}" for i in range(64))
    assert len({(look.colour, look.marker) for look in looks.values()}) == 64
    lines = {(look.colour, look.line) for look in list(looks.values())[:32]}
    assert len(lines) == 32, "a histogram has no markers"
