"""Figures of one's own that go wrong: the report is written, and what failed is said at its end."""

from __future__ import annotations

import re

import pytest

from bench.cli import main
from bench.report import write_report
from bench.report.figures.paper_figures import check_figure
from bench.types import BenchError

HEAD = """\
from matplotlib.figure import Figure

from bench.report.figures.figures import Drawing


def drawing(name, figure=None):
    return Drawing(name, f"A figure {name}", "Nothing.", figure or Figure(figsize=(2, 1)))

"""


@pytest.fixture
def own(tmp_path, monkeypatch, request):
    """A function that makes a module of figures of a text, in a package of its own."""
    package = "own_" + re.sub(r"\W", "_", request.node.name)
    (tmp_path / package).mkdir()
    monkeypatch.syspath_prepend(tmp_path)

    def make(text):
        (tmp_path / package / "figure.py").write_text(HEAD + text)
        return package

    return make


@pytest.fixture
def store(bench, row):
    return bench.run(prompt="point_1", rows=[row(), row(mask_id="b", iou=0.75)])


UNDRAWABLE = r"""
def draw(facts):
    figure = Figure(figsize=(2, 1))
    figure.text(0, 0, "$\\nonsense{$")
    yield drawing("odd", figure)
    yield drawing("even")
"""
FAILING = {
    "raises": (
        "\ndef draw(facts):\n    return 1 / 0\n",
        r"ZeroDivisionError: division by zero \(figure\.py, line 11\)", set(),
    ),
    "none": ("\ndef draw(facts):\n    pass\n", "draw gave None; give an empty list", set()),
    "plain": ("\ndef draw(facts):\n    return [Figure()]\n", "expected a Drawing of", set()),
    "exit": ("\ndef draw(facts):\n    raise SystemExit(1)\n", "SystemExit: 1", set()),
    "facts": ("\ndef draw():\n    return []\n", r"TypeError: draw\(\) takes 0 positional", set()),
    "twice": (
        "\ndef draw(facts):\n    yield drawing('one')\n    yield drawing('one')\n",
        "another figure is called 'one' already", {"one"},
    ),
    "taken": (
        "\nORDER = 1\n\n\ndef draw(facts):\n    yield drawing('histogram')\n",
        "another figure is called 'histogram' already", set(),
    ),
    "folder": ("\ndef draw(facts):\n    yield drawing('../one')\n", "in one folder", set()),
    "drawn": (UNDRAWABLE, "figure odd failed: ValueError", {"even"}),
}  # fmt: skip


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=() if case in ("raises", "drawn") else pytest.mark.long)
        for case in FAILING
    ],
)
def test_a_figure_that_fails_is_named_and_the_report_is_written(own, store, tmp_path, case):
    text, says, drawn = FAILING[case]
    name = own(text)
    out = tmp_path / "out"
    report = write_report([store], out, figure=f"{name}.figure", allow_modules=[name])
    (sentence,) = report.failed
    assert re.search(says, sentence)
    assert "\n" not in sentence
    there = {path.stem for path in (report.folder / "figures").iterdir()}
    assert there >= {"histogram"} | drawn
    assert not there & {"odd", "one", "even"} - drawn
    page = report.page.read_text(encoding="utf-8")
    assert "How the IoUs are spread" in page
    assert [each for each in ("odd", "one", "even") if f"A figure {each}" in page] == [*drawn]


def test_the_command_says_so_at_its_end(own, store, tmp_path, capsys):
    name = own(FAILING["raises"][0])
    words = ["--results", str(tmp_path / "results"), "--allow-module", name]
    assert main(["report", *words, "--figure", f"{name}.figure"]) == 2
    said = capsys.readouterr()
    assert said.err == (
        f"sam-bench: figure {name}.figure failed: ZeroDivisionError: division by zero "
        "(figure.py, line 11); the rest of the report is written\n"
    )
    assert (tmp_path / "results" / "reports" / "report" / "index.html").is_file()


def test_a_figure_of_the_paper_that_the_runs_lack_costs_no_report(store, tmp_path):
    report = write_report([store], tmp_path / "out", figure="fig9c")
    (sentence,) = report.failed
    assert sentence.startswith("figure fig9c failed: fig9c needs several numbers of points")
    assert report.page.is_file()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 / 0\n", "fails as it is imported: ZeroDivisionError"),
        ("raise SystemExit\n", "fails as it is imported: SystemExit"),
        ("draw = 3\n", "has no function draw"),
        ("ORDER = 'first'\n\n\ndef draw(facts):\n    return []\n", "ORDER must be a whole number"),
    ],
)
def test_a_module_that_has_no_figures_is_refused_before_any_work(own, text, says):
    name = own(text)
    with pytest.raises(BenchError, match=says) as caught:
        check_figure(f"{name}.figure", [name])
    assert "\n" not in str(caught.value)
