"""Every element of tables, figures and pages is its rows', where no two orders agree."""

import re

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from drawn_runs import DATASETS, LABELS, in_no_order

from bench.analysis.comparing.comparison import compare_all
from bench.analysis.comparing.differences import differences
from bench.analysis.comparing.gate import Gate, judged
from bench.analysis.selection import select
from bench.analysis.stats import win_rate
from bench.analysis.table import miou_table
from bench.cli.console import table_of
from bench.report import write_report
from bench.report.figures import figures as report_figures
from bench.report.figures import plots
from bench.report.figures.paper_figures import paper_figure
from bench.report.pages import comparison as comparison_page
from bench.report.pictures.gallery import gallery
from bench.report.tables.formats import to_latex, to_markdown, to_rich
from bench.report.tables.section_text import to_latex as section_latex
from bench.store.runs import read_runs
from bench.types import IOU

EDGES = np.linspace(0, 1, 21)


def truths(stores):
    """(dataset's title, label, model's label) → the rows of its masks, computed from the files."""
    found = {}
    for store in stores:
        header = store.header()
        rows = read_runs([store])
        for step, label in header["report_steps"].items():
            latest = rows[rows["step"] <= int(step)].groupby(["image_id", "mask_id"]).last()
            dataset, model = header["dataset"]["name"], header["model"]["name"]
            found[DATASETS[dataset], label, LABELS[model]] = latest
    return found


@pytest.fixture(scope="module")
def muddle(tmp_path_factory, new_bench):
    bench = new_bench(tmp_path_factory.mktemp("muddle"))
    stores = in_no_order(bench, images=5)
    selection = select(stores)
    return bench, stores, selection, miou_table(selection), truths(stores)


def squeezed(text):
    return "".join(text.split())


def titled(axis):
    """A panel's title: the house style puts it to the left."""
    return axis.get_title("left") or axis.get_title("center")


def shown(truth):
    """What the cells of a line are: mIoU, over images, boundary, masks, images."""
    of_images = truth.groupby("image_id")["iou"].mean()
    means = [truth["iou"].mean(), of_images.mean(), truth["boundary_iou"].mean()]
    return [*(f"{100 * mean:.1f}" for mean in means), f"{len(truth):,}", f"{len(of_images):,}"]


def cells_of(name, table, page):
    """The lines of a table's text as lists of cells."""
    if name == "markdown":
        lines = [line.strip("| ").split(" | ") for line in to_markdown(table).splitlines()[2:]]
        return [[cell.strip("*").split("** ")[0] for cell in line] for line in lines]
    if name == "latex":
        lines = [line[:-3].split(" & ") for line in to_latex(table).splitlines() if " & " in line]
        return [[re.sub(r"\\textbf\{(.*?)\}|\$_.*", r"\1", c) for c in line] for line in lines[1:]]
    if name == "terminal":
        grid = to_rich(table)
        columns = [[re.sub(r"\[/?bold\]", "", c) for c in column.cells] for column in grid.columns]
        return [list(line) for line in zip(*columns, strict=True)]
    rows = re.findall(r'<tr class="[^"]*">(.*?)</tr>', page.split("</table>")[0], re.DOTALL)
    return [
        [re.sub("<[^>]*>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row, 16)]
        for row in rows
    ]


@pytest.fixture(scope="module")
def page(muddle, tmp_path_factory):
    bench, stores, *_ = muddle
    report = write_report(
        stores, tmp_path_factory.mktemp("page") / "r", read_sample=bench.read_sample
    )
    return report.page.read_text()


@pytest.mark.parametrize(
    "name", ["markdown", "latex", "terminal", pytest.param("page", marks=pytest.mark.long)]
)
def test_every_cell_of_the_table_is_its_rows(muddle, request, name):
    *_, table, truth = muddle
    page = request.getfixturevalue("page") if name == "page" else ""
    seen, dataset = set(), ""
    for line in cells_of(name, table, page):
        if len(line) < 8:
            continue
        dataset = line[0] or dataset
        if dataset.startswith("mean"):
            continue
        key = (dataset, line[1], line[2])
        if name == "page":
            told = [line[3], line[5], line[7], line[8], line[9]]
        else:
            told = [line[5], line[6], line[8], line[3], line[4]]
        assert [cell.split(" (")[0] for cell in told] == shown(truth[key]), key
        seen.add(key)
    assert seen == set(truth)


def test_every_curve_bar_and_panel_of_a_report_is_its_rows(muddle):
    _, _, selection, table, truth = muddle
    compared = differences(selection, table)
    drawings = {d.name: d for d in report_figures.figures(selection, table, compared, [], set())}
    series = {squeezed(label): label for label in LABELS.values()}
    looks = plots.looks(LABELS.values())

    titles = {squeezed(title): title for title in DATASETS.values()}
    drawn = set()
    for axis in drawings["points"].figure.axes:
        for line in axis.lines:
            panel = squeezed(titled(axis))
            for clicks, value in zip(*line.get_data(), strict=True):
                label = "1 point" if clicks == 1 else f"{clicks:g} points"
                keys = [(titles.get(panel, t), label, line.get_label()) for t in DATASETS.values()]
                means = [truth[key]["iou"].mean() for key in keys]
                assert value == pytest.approx(100 * np.mean(means))
                drawn.add((panel, label, line.get_label()))
            look = looks[line.get_label()]
            assert (line.get_color(), line.get_marker()) == (look.colour, look.marker)
    clicked = {key for key in truth if "point" in key[1]}
    assert len(drawn) == len(clicked) * 3 // 2

    drawn = set()
    for axis in drawings["histogram"].figure.axes:
        for patch in axis.patches:
            if patch.get_label() in series.values():
                key = titled(axis), patch.get_label()
                each = [truth[(title, *key)]["iou"] for title in DATASETS.values()]
                parts = [np.histogram(ious, EDGES)[0] / len(ious) for ious in each]
                np.testing.assert_allclose(patch.get_data().values, 100 * np.mean(parts, axis=0))
                assert patch.get_edgecolor()[:3] == pytest.approx(
                    matplotlib.colors.to_rgb(looks[patch.get_label()].colour)
                )
                drawn.add(key)
    assert drawn == {key[1:] for key in truth}

    for name in ("points", "histogram"):
        (legend,) = drawings[name].figure.legends
        for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True):
            expected = looks[series[squeezed(text.get_text())]].colour
            assert matplotlib.colors.to_hex(handle.get_color()) == expected

    drawn = set()
    for axis in drawings["predicted_iou"].figure.axes[:-1]:
        whole, rho = titled(axis).rsplit(", ρ ", 1)
        model, _, label = whole.rpartition("\n")
        rows = pd.concat([truth[t, label, series[squeezed(model)]] for t in DATASETS.values()])
        rows = rows[rows["step"] == rows["step"].max()]
        assert axis.collections[0].get_array().sum() == len(rows)
        chosen = [p[s] for p, s in zip(rows["predicted_ious"], rows["selected"], strict=True)]
        assert rho == plots.rank_correlation(pd.Series(chosen), rows["iou"].reset_index(drop=True))
        drawn.add((label, series[squeezed(model)]))
    assert drawn == {key[1:] for key in truth}


def check_bars(figure, truth, a, b, label):
    """Every bar, its number and its interval's middle beside the name of its dataset."""
    (axis,) = figure.axes
    names = [tick.get_text() for tick in axis.get_yticklabels()]
    assert sorted(names) == sorted(DATASETS.values())
    for name, bar, text in zip(names, axis.patches, axis.texts, strict=True):
        delta = (truth[name, label, a]["iou"] - truth[name, label, b]["iou"]).mean()
        assert bar.get_width() == pytest.approx(100 * delta)
        assert text.get_text() == IOU.signed(delta)
        ahead = a if delta >= 0 else b
        expected = plots.looks(LABELS.values())[ahead].colour
        assert matplotlib.colors.to_hex(bar.get_facecolor()) == expected
    assert squeezed(f"mIoU of {a} minus {b}, {label}") in squeezed(figure._supxlabel.get_text())


def test_every_bar_of_a_difference_is_its_rows(muddle):
    _, _, selection, table, truth = muddle
    compared = differences(selection, table)
    drawings = report_figures.figures(selection, table, compared, [], set())
    drawings += paper_figure("fig9a", selection, table)
    bars = [d for d in drawings if "difference" in d.name or "fig9a" in d.name]
    assert len(bars) >= 2
    named = [f"difference_{number + 1}" for number in range(len(bars) - 1)]
    assert [d.name for d in bars[:-1]] == ["difference", *named[1:]]
    for drawing in bars:
        a, b, label = re.fullmatch(r"(?:Fig. 9a: )?(.*) against (.*), (.*)", drawing.title).groups()
        check_bars(drawing.figure, truth, a, b, label)
        for name in DATASETS.values():
            delta = (truth[name, label, a]["iou"] - truth[name, label, b]["iou"]).mean()
            assert f"{name} {IOU.signed(delta)}" in drawing.alt


def test_a_figure_of_the_paper_has_the_colours_of_the_others(muddle):
    _, _, selection, table, _ = muddle
    (drawing,) = paper_figure("fig9c", selection, table)
    looks = plots.looks(LABELS.values())
    (axis,) = drawing.figure.axes
    assert {line.get_label(): line.get_color() for line in axis.lines} == {
        line.get_label(): looks[line.get_label()].colour for line in axis.lines
    }
    assert len(axis.lines) == 3


@pytest.mark.long
def test_every_picture_of_the_gallery_is_its_rows(muddle):
    bench, _, selection, _, truth = muddle
    groups = gallery(selection, bench.read_sample)
    assert {(DATASETS[g.dataset], g.label, LABELS[g.model]) for g in groups} == set(truth)
    for group in groups:
        rows = truth[DATASETS[group.dataset], group.label, LABELS[group.model]]
        for picture in (p for shown in group.pictures.values() for p in shown):
            row = rows.loc[picture.image_id, picture.mask_id]
            assert picture.iou == row["iou"]
            assert picture.predicted_iou == row["predicted_ious"][row["selected"]]


@pytest.fixture(scope="module")
def sides(muddle):
    """The models against each other, the first side neither first nor last by any order."""
    _, stores, *_ = muddle
    names = ["mid", "zeta", "alpha"]
    found = [[s for s in stores if s.header()["model"]["name"] == name] for name in names]
    return compare_all(found)


def test_every_cell_of_a_comparison_is_its_rows(muddle, sides):
    truth = muddle[-1]
    assert [(found.a, found.b) for found in sides] == [("mid", "A model"), ("mid", "alpha")]
    for number, found in enumerate(sides):
        section = comparison_page.section(found, number)
        assert section.heads[2:4] == (found.a, found.b)
        terminal = table_of(section)
        columns = [list(column.cells) for column in terminal.columns]
        texts = [section.rows, list(zip(*columns, strict=True))]
        latex = [x[:-3].split(" & ") for x in section_latex(section).splitlines() if " & " in x]
        assert [line[1:4] for line in latex[1:]] == [list(row[1:4]) for row in section.rows]
        seen = set()
        for row in (row for rows in texts for row in rows):
            if row[1] == "mean over datasets":
                continue
            a, b = (truth[row[1], row[0], name] for name in (found.a, found.b))
            assert row[2:4] == (f"{100 * a['iou'].mean():.1f}", f"{100 * b['iou'].mean():.1f}")
            assert row[4].split(" (")[0] == IOU.signed((a["iou"] - b["iou"]).mean())
            over_images = (a["iou"] - b["iou"]).groupby("image_id").mean()
            assert row[5].split(" (")[0] == IOU.signed(over_images.mean())
            wins = win_rate(a["iou"], b["iou"].reindex(a.index)).mean()
            assert row[7].split(" (")[0] == f"{100 * wins:.1f}"
            assert row[8] == f"{len(a):,}"
            assert row[9].split(" (")[0] == f"{len(over_images):,}"
            seen.add(row[:2])
        both = {k[:2] for k in truth if k[2] == found.a} & {k[:2] for k in truth if k[2] == found.b}
        assert seen == {(label, dataset) for dataset, label in both}
        assert all(found.a in said and found.b in said for said in found.answer)
        for verdict in judged(found, Gate.parse("delta_miou>0")):
            assert f"{found.a} against {found.b}" in verdict.sentence


def test_every_element_of_a_comparisons_figures_is_its_rows(muddle, sides):
    truth = muddle[-1]
    looks = plots.looks(LABELS.values())
    every = list(comparison_page._drawings(sides))
    drawings = {d.name: d for d in every}
    assert len(drawings) == len(every), "each has its own files"
    drawn = set()
    for axis in drawings["points"].figure.axes:
        for line in axis.lines:
            assert line.get_color() == looks[line.get_label()].colour
            for clicks, value in zip(*line.get_data(), strict=True):
                label = "1 point" if clicks == 1 else f"{clicks:g} points"
                key = titled(axis), label, line.get_label()
                assert value == pytest.approx(100 * truth[key]["iou"].mean())
                drawn.add(key)
    assert {key[2] for key in drawn} == set(LABELS.values())
    assert {key[0] for key in drawn} == set(DATASETS.values())
    for number, found in enumerate(sides):
        suffix = f"_{number + 1}" if number else ""
        scatter, spread = (drawings[f"{name}{suffix}"].figure for name in ("scatter", "spread"))
        for kind, figure in (("scatter", scatter), ("spread", spread)):
            assert len(figure.axes) == len(set(found.table["prompt"]))
            for axis in figure.axes:
                label = titled(axis)
                pairs = [
                    (truth[name, label, found.a]["iou"], truth[name, label, found.b]["iou"])
                    for name in DATASETS.values()
                ]
                if kind == "scatter":
                    counts = axis.collections[0].get_array()
                    assert counts.sum() == sum(len(a) for a, _ in pairs)
                    cells = axis.collections[0].get_paths()
                    places = [cell.vertices[:4].mean(axis=0) for cell in cells]
                    middle = np.average(places, axis=0, weights=counts)
                    means = [100 * pd.concat(side).mean() for side in zip(*pairs, strict=True)]
                    np.testing.assert_allclose(middle, means[::-1], atol=2.5)
                else:
                    edges = np.linspace(-102.5, 102.5, 42)
                    parts = [
                        np.histogram(100 * (a - b.reindex(a.index)), edges)[0] / len(a)
                        for a, b in pairs
                    ]
                    heights = [bar.get_height() for bar in axis.patches]
                    np.testing.assert_allclose(heights, 100 * np.mean(parts, axis=0), atol=1e-9)
        assert squeezed(found.a) in squeezed(scatter._supylabel.get_text())
        assert squeezed(found.b) in squeezed(scatter._supxlabel.get_text())
        bars = {d.title: d for name, d in drawings.items() if name.startswith("difference")}
        for label in set(found.table["prompt"]):
            figure = bars[f"{found.a} against {found.b}, {label}"].figure
            check_bars(figure, truth, found.a, found.b, label)


def test_one_name_for_a_side_in_all_comparisons(bench):
    runs = [
        bench.run("shapes", name, "point_1", images=3, skill=skill, title=title)
        for name, title, skill in (("b", "Same", 1.0), ("c", "Same", 2.0), ("a", "Same", 0.5),
                                   ("z", "b", 1.5))
    ]  # fmt: skip
    found = compare_all([[run] for run in runs])
    assert [(each.a, each.b) for each in found] == [("b", "c"), ("b", "a"), ("b", "z")]
    assert len(select(runs).titles("model").values()) == len(
        set(select(runs).titles("model").values())
    )


def test_a_first_side_with_several_common_sets_has_a_figure_for_each(bench):
    a = bench.run("shapes", "a", "points", images=6)
    b = bench.run("shapes", "b", "points", images=6, skill=2.0)
    c = bench.run("shapes", "c", "points", images=3, skill=0.5)
    found = compare_all([[a], [b], [c]])
    drawings = [d for d in comparison_page._drawings(found) if d.name.startswith("points")]
    assert [d.name for d in drawings] == ["points", "points_2"]
    for drawing, each in zip(drawings, found, strict=True):
        (axis,) = drawing.figure.axes
        curves = {line.get_label(): line.get_ydata() for line in axis.lines}
        assert set(curves) == {each.a, each.b}
        lines = each.table[each.table["dataset"].notna()]
        np.testing.assert_allclose(curves["a"], 100 * lines["miou_a"])
        np.testing.assert_allclose(curves[each.b], 100 * lines["miou_b"])


def test_runs_of_one_name_in_two_folders_keep_their_pictures(new_bench, tmp_path):
    benches = [new_bench(tmp_path / name) for name in ("before", "after")]
    runs = [
        bench.run("shapes", "m", "point_1", images=3, skill=skill)
        for bench, skill in zip(benches, (2.0, 0.5), strict=True)
    ]
    assert runs[0].folder.name == runs[1].folder.name
    (found,) = compare_all([[run] for run in runs])
    assert (found.a, found.b) == ("m (A)", "m (B)")
    rows = [read_runs([run]).set_index("mask_id")["iou"] for run in runs]
    groups = list(comparison_page.differing(found, benches[0].read_sample))
    pairs = [pair for group in groups for pair in group.pairs]
    assert len(pairs) > 5
    for pair in pairs:
        assert pair.a.iou == rows[0][pair.a.mask_id]
        assert pair.b.iou == rows[1][pair.b.mask_id]
        assert pair.a.mask_id == pair.b.mask_id


@pytest.mark.long
def test_both_sides_of_a_mask_are_cut_out_alike(muddle, sides):
    bench, _, _, _, truth = muddle
    compared = 0
    for found in sides:
        for group in comparison_page.differing(found, bench.read_sample):
            assert not group.notes
            for pair in group.pairs:
                assert pair.a.view == pair.b.view
                assert (pair.a.width, pair.a.height) == (pair.b.width, pair.b.height)
                for side, name in ((pair.a, found.a), (pair.b, found.b)):
                    ious = [
                        rows["iou"].get((side.image_id, side.mask_id))
                        for (_, label, model), rows in truth.items()
                        if (label, model) == (group.label, name)
                    ]
                    assert side.iou in ious
                compared += 1
    assert compared > 20


def test_a_phase_has_one_colour_in_all_runs(bench):
    seconds = [{"load": 1.0, "embed": 2.0, "write": 1.0}, {"embed": 3.0, "cache": 1.0, "score": 1}]
    runs = [
        bench.run("shapes", model, "point_1", images=2, seconds=each)
        for model, each in zip("ab", seconds, strict=True)
    ]
    page = write_report(runs, bench.results / "r").page.read_text()
    style = dict(re.findall(r"\.(phase-\w+) \{ background: (#\w+); \}", page))
    assert len(set(style.values())) == len(style) == 8
    told = re.findall(r'<i class="dot (phase-\w+)"></i>(\w+) ', page)
    assert len(told) == 6
    assert all(kind == f"phase-{phase}" and kind in style for kind, phase in told)
    bars = re.findall(r'<i class="(phase-\w+)" style', page)
    assert bars == [kind for kind, _ in told]
