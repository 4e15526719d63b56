"""The wide table: its numbers are the rows', and bold is what a plain test shows to be best."""

import csv
import io
import itertools

import numpy as np
import pytest
from scipy import stats

from bench.analysis.stats import mean_averages, paired_averages
from bench.report import Request, write_report
from bench.report.figures import plots, style
from bench.report.figures.figures import Facts, series_names
from bench.report.figures.shelf import bars
from bench.report.shown import chosen
from bench.report.tables.further import further_tables
from bench.report.tables.section_text import to_latex, to_markdown
from bench.types import BenchError

LABELS = {"point_3": "3 points", "box": "box", "point_1": "1 point"}
POINTS = {"point_1": 1, "point_3": 3, "box": 0}
MODELS = {"zeta": "A model", "alpha": "The other", "mid": "Middle"}
DATASETS = {"nuclei": "Zooplankton", "shapes": "Amoebae"}
MEANS = {("zeta", "point_1"): 0.50, ("alpha", "point_1"): 0.70, ("mid", "point_1"): 0.69,
         ("zeta", "point_3"): 0.80, ("alpha", "point_3"): 0.60, ("mid", "point_3"): 0.55,
         ("zeta", "box"): 0.40, ("mid", "box"): 0.43}  # fmt: skip
IMAGES, MASKS = 14, 3


@pytest.fixture(scope="module")
def drawn():
    """(dataset, model, prompt) → IoUs (image, mask); no order of names is that of values."""
    rng = np.random.default_rng(5)
    hard = {dataset: rng.normal(0, 0.1, (IMAGES, MASKS)) for dataset in DATASETS}
    return {
        (dataset, *key): (mean + hard[dataset] + rng.normal(0, 0.04, (IMAGES, MASKS))).clip(0, 1)
        for dataset in DATASETS
        for key, mean in MEANS.items()
    }


@pytest.fixture(scope="module")
def stores(drawn, tmp_path_factory, new_bench, make_row):
    bench = new_bench(tmp_path_factory.mktemp("wide"))
    found = []
    for number, ((dataset, model, prompt), ious) in enumerate(drawn.items()):
        rows = [
            make_row(
                dataset=dataset, model=model, prompt=prompt, image_id=f"{IMAGES - i}",
                mask_id=f"{i}/{m}", iou=float(ious[i, m]), boundary_iou=float(1 - ious[i, m]),
                box=[0.0, 0.0, 2.0, 2.0] if prompt == "box" else None,
                step=3 if prompt == "point_3" else 1, n_points=POINTS[prompt],
            )
            for i, m in itertools.product(range(IMAGES), range(MASKS))
        ]  # fmt: skip
        found.append(
            bench.run(dataset, model, prompt, rows=rows, key=f"{97 * number % 89:012x}",
                      title=MODELS[model], dataset_title=DATASETS[dataset])
        )  # fmt: skip
    return found


def wide(stores, **asked):
    request = Request(tuple(stores), **asked)
    return next(further_tables(*chosen(request), request))


def by_holm(p_values):
    """The largest of the values, each times how many are not smaller."""
    return max(p * sum(q >= p for q in p_values) for p in p_values)


def plain_p(drawn, best, others, datasets):
    """Student's t over the images' mean differences, without a correction for skew."""
    found = []
    for other in others:
        each = [(drawn[(d, *best)] - drawn[(d, *other)]).mean(axis=1) for d in datasets]
        variances = [means.var(ddof=1) / IMAGES for means in each]
        freedom = sum(variances) ** 2 / sum(v**2 / (IMAGES - 1) for v in variances)
        t = sum(means.mean() for means in each) / np.sqrt(sum(variances))
        found.append(2 * stats.t.sf(abs(t), freedom))
    return by_holm(found)


def verdict_p(drawn, best, others, datasets):
    """The p that comparisons give, pair by pair."""
    images = np.repeat(np.arange(IMAGES), MASKS)
    found = []
    for other in others:
        pairs = [(drawn[(d, *best)].ravel(), drawn[(d, *other)].ravel()) for d in datasets]
        found.append(mean_averages([paired_averages(*pair, images) for pair in pairs]).p)
    return by_holm(found)


def expected(drawn):
    """(dataset's title, model's title, label) → mean and whether it is bold."""
    found = {}
    for prompt, label in LABELS.items():
        for title, datasets in [*((t, [d]) for d, t in DATASETS.items()), ("mean", [*DATASETS])]:
            means = {
                model: np.mean([drawn[d, model, prompt].mean() for d in datasets])
                for model in MODELS
                if (model, prompt) in MEANS
            }
            top = max(means, key=means.get)
            others = [(model, prompt) for model in means if model != top]
            p, verdict = (of(drawn, (top, prompt), others, datasets) for of in (plain_p, verdict_p))
            for model, mean in means.items():
                found[title, MODELS[model], label] = mean, model == top and p < 0.05, verdict
    return found


def test_every_number_and_bold_of_the_wide_table_is_its_rows(drawn, stores):
    section, truth = wide(stores), expected(drawn)
    assert section.heads == ("dataset", "model", "1 point", "3 points", "box")
    lines = section.lines.to_dict("records")
    seen = set()
    for at, (row, line) in enumerate(zip(section.rows, lines, strict=True)):
        for place, label in enumerate(section.heads[2:], 2):
            mean, bold, p = truth.get((row[0], row[1], label), (None, False, None))
            assert row[place] == ("–" if mean is None else f"{100 * mean:.1f}")
            assert ((at, place) in section.bold) == bold, (row, label)
            if mean is not None:
                seen.add((row[0], row[1], label))
                assert line[f"miou@{label}"] == pytest.approx(mean, abs=1e-12)
                if not np.isnan(line[f"miou@{label}_p"]):
                    assert line[f"miou@{label}_p"] == pytest.approx(p, rel=1e-9, abs=0)
    assert seen == set(truth)
    bold = {key for key, (_, is_bold, _) in truth.items() if is_bold}
    assert bold, "nothing to show"
    tops = {(t, label): 1 for t, _, label in truth}
    assert len(bold) < len(tops), "a tie that is not resolved belongs to the test"


@pytest.mark.long
def test_markdown_latex_csv_and_page_of_the_wide_table_agree(drawn, stores, tmp_path):
    section = wide(stores)
    told = [to_markdown(section), to_latex(section)]
    for at, place in section.bold:
        value = section.rows[at][place]
        assert f"**{value}**" in told[0]
        assert rf"\textbf{{{value}}}" in told[1]
    assert [told[0].count("**") // 2, told[1].count("textbf")] == [len(section.bold)] * 2
    assert "Bold: shown to be the best" in told[0]
    report = write_report(stores, tmp_path / "r")
    assert (report.folder / "wide.tex").read_text() == told[1]
    page = report.page.read_text()
    part = page[page.index('id="wide"') :].split("</section>")[0]
    assert part.count("<b>") == len(section.bold)
    read = list(csv.DictReader(io.StringIO((report.folder / "wide.csv").read_text())))
    assert [float(line["miou@3 points"]) for line in read] == section.lines[
        "miou@3 points"
    ].tolist()


def test_columns_labels_and_digits_are_as_asked(drawn, stores):
    section = wide(
        stores,
        columns=("box", "boundary@1 point"),
        labels={"alpha": "Ours & more", "Zooplankton": "Sea", "box": "B", "1 point": "1"},
        digits=3,
    )
    assert section.heads == ("dataset", "model", "mIoU B", "boundary 1")
    (row,) = (r for r in section.rows if r[:2] == ("Sea", "Ours & more"))
    assert row[2] == "–"
    assert row[3] == f"{100 * (1 - drawn['nuclei', 'alpha', 'point_1']).mean():.3f}"
    assert r"Ours \& more" in to_latex(section)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"columns": ("1 pont",)}, "no prompt '1 pont'; did you mean 1 point"),
        ({"columns": ("mIoUs@box",)}, "no measure 'mIoUs'; did you mean miou"),
        ({"columns": ("box", "mIoU@box")}, "mIoU@box twice"),
        ({"labels": {"alhpa": "x"}}, "nothing is called 'alhpa'; did you mean alpha"),
        ({"labels": {"alpha": " "}}, "say what to call it"),
        ({"labels": {"alpha": "A model"}}, "two models would be called 'A model'"),
        ({"digits": 7}, "from 0 to 6, found 7"),
        ({"digits": -1}, "from 0 to 6, found -1"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line(stores, asked, said):
    with pytest.raises(BenchError, match=r".") as error:
        wide(stores, **asked)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_one_dataset_needs_no_column_and_one_label_no_wide_table(stores):
    one = [s for s in stores if s.header()["dataset"]["name"] == "shapes"]
    section = wide(one)
    assert section.heads == ("model", "1 point", "3 points", "box")
    assert section.title == "mIoU by model and prompt on Amoebae"
    assert r"\begin{table}" in to_latex(section)
    boxes = [s for s in one if s.header()["prompt"]["name"] == "box"]
    request = Request(tuple(boxes))
    assert not [s for s in further_tables(*chosen(request), request) if s.name == "wide"]


def drawing_of(stores, page=None, **asked):
    """The bars of a report, on a page."""
    selection, table = chosen(Request(tuple(stores), **asked))
    looks = plots.looks(series_names(table.lines, table))
    with style.on_page(page), style.figure_style():
        (drawing,) = bars.draw(Facts(selection, table, [], looks))
        drawing.figure.draw_without_rendering()
    return drawing, table.lines


def test_every_bar_and_its_line_are_the_rows(drawn, stores):
    drawing, lines = drawing_of(stores, labels={"box": "B"})
    truth, seen = expected(drawn), 0
    for axis in drawing.figure.axes:
        panel = axis.get_title("left").replace("mean of 2 datasets", "mean")
        groups = [text.get_text() for text in axis.get_xticklabels()]
        assert groups == ["1 point", "3 points", "B"]
        segments = [s for found in axis.collections for s in found.get_segments() if len(s)]
        for container in axis.containers:
            for bar, label in zip(container, ["1 point", "3 points", "box"], strict=True):
                mean, *_ = truth.get((panel, container.get_label(), label), (None,))
                if mean is None:
                    assert np.isnan(bar.get_height())
                    continue
                assert bar.get_height() == pytest.approx(100 * mean)
                model = next(m for m, t in MODELS.items() if t == container.get_label())
                dataset = next((d for d, t in DATASETS.items() if t == panel), None)
                here = lines["dataset"].isna() if dataset is None else lines["dataset"] == dataset
                own = lines[here & (lines["model"] == model) & (lines["prompt"] == label)]
                ends = [100 * own["miou_low"].item(), 100 * own["miou_high"].item()]
                middle = bar.get_x() + bar.get_width() / 2
                (line,) = (s for s in segments if abs(s[0][0] - middle) < 1e-9)
                assert [y for _, y in line] == pytest.approx(ends)
                seen += 1
    assert seen == len(truth)


def test_figures_are_as_wide_as_a_column_or_the_page(stores):
    one = [s for s in stores if s.header()["dataset"]["name"] == "shapes"]
    for page, column, whole in (("cvpr", 3.25, 6.875), ("ieee", 3.5, 7.16)):
        assert drawing_of(one, page)[0].figure.get_size_inches()[0] == pytest.approx(column)
        assert drawing_of(stores, page)[0].figure.get_size_inches()[0] == pytest.approx(whole)
    with pytest.raises(BenchError, match="no paper 'acm'; there are cvpr, ieee"):
        drawing_of(one, "acm")
    assert not style.is_on_page()


def test_an_svg_has_text_and_a_page_outlines(stores, tmp_path):
    figure = drawing_of(stores, labels={"alpha": "<b>&$x"})[0].figure
    style.save(figure, tmp_path, "bars")
    text = (tmp_path / "bars.svg").read_text()
    assert "&lt;b&gt;&amp;$x</text>" in text
    assert "<text" not in style.outlined(figure)
