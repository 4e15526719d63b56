import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from bench.report.figures import plots, plots_compare, style
from bench.report.figures.figures import Drawing
from bench.types import BenchError


@pytest.fixture(autouse=True)
def house_style():
    with style.figure_style():
        yield


def curve():
    return pd.DataFrame(
        {
            "panel": ["shapes"] * 3, "series": ["a"] * 3, "n_points": [1, 3, 9],
            "miou": [0.5, 0.6, 0.8], "low": [0.4, 0.5, 0.7], "high": [0.6, 0.7, 0.9],
        }
    )  # fmt: skip


def bars():
    return pd.DataFrame(
        {
            "dataset": ["small", "large", "worse"], "delta": [0.02, 0.31, -0.14],
            "low": [-0.01, 0.2, -0.2], "high": [0.05, 0.4, -0.1],
            "oracle_delta": [0.1, np.nan, 0.05],
        }
    )  # fmt: skip


def scores(count=400):
    rng = np.random.default_rng(0)
    iou = rng.beta(3, 1, count)
    return pd.DataFrame(
        {
            "dataset": np.where(rng.random(count) < 0.8, "big", "small"), "series": "a",
            "label": np.where(np.arange(count) % 2, "1 point", "box"), "iou": iou,
            "predicted_iou": iou + rng.normal(0, 0.1, count),
        }
    )  # fmt: skip


LOOKS = plots.looks(["a", "b"])
DRAW = {
    "points": lambda: plots.iou_over_points(curve(), LOOKS),
    "difference": lambda: plots.difference_bars(
        bars(), a="a", b="b", prompt="1 point", colours=("#0072b2", "#d55e00")
    ),
    "histogram": lambda: plots.iou_histogram(scores(), ["1 point", "box"], LOOKS),
    "predicted_iou": lambda: plots.predicted_iou(scores(), ["1 point", "box"]),
}


def test_curve_shows_the_numbers_and_their_band():
    axis = DRAW["points"]().axes[0]
    np.testing.assert_allclose(axis.lines[0].get_ydata(), [50, 60, 80])
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["1", "3", "9"]
    band = axis.collections[0].get_datalim(axis.transData).extents
    np.testing.assert_allclose([band[1], band[3]], [40, 90])


def test_bars_are_sorted_and_labelled_with_their_sign():
    axis = DRAW["difference"]().axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["worse", "small", "large"]
    assert [text.get_text() for text in axis.texts] == ["−14.0", "+2.0", "+31.0"]
    colours = [matplotlib.colors.to_hex(bar.get_facecolor()) for bar in axis.patches[:3]]
    assert colours == ["#d55e00", "#0072b2", "#0072b2"]
    dots = next(line for line in axis.lines if line.get_marker() == "o")
    np.testing.assert_allclose(dots.get_xdata(), [5, 10])


def test_labels_of_bars_stay_beside_them_and_inside_the_figure():
    figure = DRAW["difference"]()
    figure.draw_without_rendering()
    axis = figure.axes[0]
    for text in axis.texts:
        assert axis.get_window_extent().x1 < text.get_window_extent().x0
        assert text.get_window_extent().x1 < figure.bbox.x1


def test_histogram_weighs_each_dataset_the_same():
    figure = DRAW["histogram"]()
    heights = figure.axes[0].patches[0].get_data().values
    rows = scores()
    rows = rows[rows["label"] == "1 point"]
    edges = np.linspace(0, 1, 21)
    each = [
        np.histogram(part["iou"], bins=edges)[0] / len(part) for _, part in rows.groupby("dataset")
    ]
    np.testing.assert_allclose(heights, 100 * np.mean(each, axis=0))
    assert figure.axes[0].get_ylim()[1] >= heights.max()


def test_values_stand_in_the_panel_of_their_prompt_and_the_line_of_their_series():
    numbers = {
        ("box", "Z"): [1, 1, 9],
        ("box", "A"): [5],
        ("1 point", "Z"): [2],
        ("1 point", "A"): [9, 9],
    }
    rows = pd.DataFrame(
        [
            {"label": k[0], "series": k[1], "value": v}
            for k, values in numbers.items()
            for v in values
        ]
    )
    order, looks = ["box", "1 point"], plots.looks(["Z", "A"])
    figure = plots.value_histogram(rows, order, looks, "beans", 10.0)
    assert [axis.get_title(loc="left") for axis in figure.axes] == order
    edges = np.linspace(10, 90, 21)
    for axis, label in zip(figure.axes, order, strict=True):
        found = {patch.get_label(): patch for patch in axis.patches}
        assert set(found) == {"A", "Z"}
        for series, patch in found.items():
            counts, _ = np.histogram(10 * np.array(numbers[label, series]), edges)
            np.testing.assert_array_equal(patch.get_data().values, counts)
            np.testing.assert_allclose(patch.get_data().edges, edges)
            assert same_color(patch.get_edgecolor(), looks[series].colour)


def test_rank_correlation_is_spearmans():
    rows = scores(60)
    from scipy.stats import spearmanr

    expected = spearmanr(rows["predicted_iou"], rows["iou"]).statistic
    assert plots.rank_correlation(rows["predicted_iou"], rows["iou"]) == f"{expected:.2f}"
    assert plots.rank_correlation(rows["predicted_iou"] * 0, rows["iou"]) == "–"


def test_calibration_line_joins_the_means_of_bins():
    rows = pd.DataFrame(
        {"series": "a", "label": "box",
         "predicted_iou": [0.51] * 6 + [0.56] * 6 + [0.92] * 6 + [0.3],
         "iou": [0.4, 0.6] * 3 + [0.2, 0.3] * 3 + [0.7, 0.9] * 3 + [0.0]}
    )  # fmt: skip
    line = plots.predicted_iou(rows, ["box"]).axes[0].lines[1]
    np.testing.assert_allclose(line.get_xydata(), [[51, 50], [56, 25], [92, 80]])


def test_the_colours_of_a_density_reach_the_fullest_cell_of_all_panels():
    """27 masks in one place, 5 in another panel's: one scale, from 1 to 27."""
    rows = pd.DataFrame(
        {"series": "a", "label": ["box"] * 28 + ["1 point"] * 5,
         "predicted_iou": [0.9] * 27 + [0.1] + [0.5] * 5, "iou": [0.9] * 27 + [0.2] + [0.5] * 5}
    )  # fmt: skip
    pairs = rows.assign(iou_a=rows["iou"], iou_b=rows["predicted_iou"])
    order = ["box", "1 point"]
    for figure in (
        plots.predicted_iou(rows, order), plots_compare.iou_against_iou(pairs, order, "a", "b")
    ):  # fmt: skip
        cells = [axis.collections[0] for axis in figure.axes[:2]]
        assert [int(each.get_array().max()) for each in cells] == [27, 5]
        assert {(each.norm.vmin, each.norm.vmax) for each in cells} == {(1, 27)}
        assert {(*axis.get_xlim(), *axis.get_ylim()) for axis in figure.axes[:2]} == {
            (0, 100, 0, 100)
        }


@pytest.mark.long
@pytest.mark.parametrize("name", DRAW)
def test_the_same_figure_gives_the_same_bytes(name, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        paths = style.save(DRAW[name](), tmp_path / folder, name)
    assert [path.suffix for path in paths] == [".pdf", ".svg", ".png", ".pgf"]
    for path in paths:
        content = path.read_bytes()
        assert content == (tmp_path / "one" / path.name).read_bytes()
        assert b"matplotlib" not in content.lower() or path.suffix == ".svg"
        assert b"/Type3" not in content


def test_nothing_to_draw_is_said():
    with pytest.raises(BenchError, match="lines with points"):
        plots.iou_over_points(curve().iloc[:0], LOOKS)
    with pytest.raises(BenchError, match="no model of the report predicts"):
        plots.predicted_iou(scores().assign(predicted_iou=np.nan), ["box"])


def test_names_are_no_mathematics():
    rough = bars().assign(dataset=["$x", "a_b$", "c"])
    figure = plots.difference_bars(rough, a="$$", b="\\frac", prompt="box", colours=("k", "k"))
    figure.draw_without_rendering()


def test_style_leaves_the_rest_alone():
    before = dict(matplotlib.rcParams)
    with style.figure_style():
        matplotlib.rcParams["font.size"] = 40
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", ["", "../../elsewhere", "a/b", "/tmp/a"])
def test_a_figure_stays_in_its_folder(name: str) -> None:
    with pytest.raises(BenchError, match="in one folder"):
        Drawing(name, "title", "alt", Figure())
