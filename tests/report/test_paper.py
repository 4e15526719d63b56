"""The paper's figures and tables end to end: experiments on small data, and what they refuse."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.cli import main
from bench.config.composing import load_configs
from bench.config.folders import conf_dir, group_names
from bench.report.figures.paper_figures import FIGURES, check_figure, paper_figure
from bench.report.tables.paper_tables import TABLES, paper_table
from bench.types import BenchError

MODEL = """\
name: {name}
version: "1"
target: bench.models.disk.Disk
args: {{radius: {radius}}}
about: {{title: {name}, encoder_parameters: {size}, data_share: {share}}}
"""
SIZES = {"small": (0.08, 1_565_808, 0.01), "middle": (0.1, "89 670 912", 0.1),
         "big": (0.12, 637_026_048, 1.0)}  # fmt: skip
SMALL = ["dataset=shapes", "dataset.args.count=5", "runtime.workers=1"]


@pytest.fixture
def conf(tmp_path):
    """Three discs, with what a YAML says of a model's size."""
    folder = tmp_path / "conf" / "model"
    folder.mkdir(parents=True)
    for name, (radius, size, share) in SIZES.items():
        text = MODEL.format(name=name, radius=radius, size=json.dumps(size), share=share)
        (folder / f"{name}.yaml").write_text(text)
    return folder.parent


def run(conf, tmp_path, experiment, *words):
    command = ["run", "--config-dir", str(conf), f"experiment=paper_{experiment}", *SMALL]
    command += [
        f"runtime.results={tmp_path / 'results'}",
        "--report",
        experiment,
        "--figures",
        "pdf,png",
        *words,
    ]
    return main(command), tmp_path / "results" / "reports" / experiment


MODELS = {
    "fig9a": "model=small,big", "fig9c": "model=small,middle", "fig9d": "model=big",
    "fig13_encoders": "model=big,small,middle", "fig13_data": "model=big,small,middle",
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("figure", sorted(FIGURES))
def test_each_figure_is_drawn_by_its_experiment(conf, tmp_path, figure):
    code, folder = run(conf, tmp_path, figure, MODELS[figure])
    assert code == 0
    with Image.open(folder / "figures" / f"paper_{figure}.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    assert min(pixels.shape) > 200
    assert (pixels < 128).sum() > 500
    assert (folder / "figures" / f"paper_{figure}.pdf").stat().st_size > 1000
    assert f"Fig. {figure[3:].partition('_')[0]}" in (folder / "index.html").read_text()


@pytest.mark.long
@pytest.mark.parametrize(
    "table",
    [
        name if name == "table2" else pytest.param(name, marks=pytest.mark.long)
        for name in sorted(TABLES)
    ],
)
def test_each_table_is_written_by_its_experiment(conf, tmp_path, table, capsys):
    code, folder = run(conf, tmp_path, table, "model=small")
    assert code == 0
    out = capsys.readouterr().out
    assert TABLES[table] in out
    lines = pd.read_csv(folder / f"paper_{table}.csv")
    assert set(lines["attribute"]) == {"level"}
    assert set(lines["prompt"]) == {"1 point", "3 points"}
    shown = (folder / f"paper_{table}.md").read_text()
    assert shown.startswith("| attribute | group | 1 point | 3 points | masks |")
    first = lines[lines["miou_low"].notna()].iloc[0]
    half = 100 * (first["miou_high"] - first["miou_low"]) / 2
    assert first["few"]
    assert rf"| {100 * first['miou']:.1f} ± {half:.1f}\* |" in shown


@pytest.mark.long
def test_every_experiment_of_the_paper_composes_with_a_known_figure():
    names = [n for n in group_names("experiment") if n.startswith("paper_")]
    of_tasks = {"table3", "table4", "table5"}  # every report of their rows has the table
    of_people = {"fig11"}  # `sam-bench rate` asks them
    assert {n.removeprefix("paper_") for n in names} == {*FIGURES, *TABLES, *of_tasks, *of_people}
    for name in names:
        text = (conf_dir() / "experiment" / f"{name}.yaml").read_text()
        configs = load_configs([f"experiment={name}", "model=disk", "dataset=photos"])
        assert len(configs) == 1, "the command line takes the place of the sweeps"
        check_figure(configs[0].figure)
        assert f"experiment={name}" in text


def drawn(figure, stores):
    selection = select(stores)
    return paper_figure(figure, selection, miou_table(selection))


def test_a_figure_says_what_it_shows(bench):
    stores = [bench.run(dataset=d, model=m, prompt="points", skill=s)
              for d in ("shapes", "leaves") for m, s in (("a", 1.0), ("b", 2.5))]  # fmt: skip
    (figure,) = drawn("fig9c", stores)
    table = miou_table(select(stores))
    means = table.means[table.means["prompt"] == "9 points"].set_index("model")["miou"]
    for model in ("a", "b"):
        assert f"{100 * means[model]:.1f} at 9" in figure.alt
    assert "mean of 2 datasets" in figure.alt
    (axis,) = figure.figure.axes
    assert [t.get_text() for t in axis.get_xticklabels()] == ["1", "2", "3", "5", "9"]
    (bars,) = drawn("fig9a", stores)
    assert "b against a" in bars.title
    assert drawn("table2", stores) == drawn(None, stores) == []


@pytest.mark.parametrize(
    ("figure", "runs", "says"),
    [
        ("fig9a", [{}], "fig9a compares models at 1 point"),
        ("fig9c", [{"prompt": "point_1"}], "fig9c needs several numbers of points"),
        ("fig13_data", [{"prompt": "box"}], "fig13 shows models at 1 point"),
        ("fig13_data", [{}], "names no about.data_share above 0 .found nothing"),
        ("fig99", [{}], "no figure is called 'fig99'; did you mean fig9"),
    ],
)
def test_what_a_figure_lacks_is_one_line(bench, figure, runs, says):
    with pytest.raises(BenchError, match=says) as caught:
        drawn(figure, [bench.run(**each) for each in runs])
    assert "\n" not in str(caught.value)


def test_equal_sizes_and_masks_without_attributes_are_refused(bench):
    stores = []
    for model in ("a", "b"):
        about = {"title": model, "data_share": 0.5}
        part = {"name": model, "version": 1, "args": {}, "about": about}
        stores.append(bench.run(model=model, model_part=part))
        header = stores[-1].header()
        stores[-1].write_header(header | {"model": header.pop("model_part")})
    with pytest.raises(BenchError, match=r"same about\.data_share"):
        drawn("fig13_data", stores)
    with pytest.raises(BenchError, match="these masks have none"):
        list(paper_table("table2", select(stores), (), None))


def test_an_unknown_figure_stops_a_run_before_it_begins(conf, tmp_path, capsys):
    code, folder = run(conf, tmp_path, "fig9c", "model=small", "figure=fig9z")
    assert code == 2
    assert "no figure is called 'fig9z'" in capsys.readouterr().err
    assert not folder.parent.parent.exists()
