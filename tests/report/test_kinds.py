"""Which files figures are written as: asked, by the environment, or all."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from bench.report import write_report
from bench.report.figures import style
from bench.report.figures.kinds import KINDS, VARIABLE, kinds_asked
from bench.types import BenchError


def test_without_words_the_environment_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert kinds_asked() == KINDS
    monkeypatch.setenv(VARIABLE, "png, pdf")
    assert kinds_asked() == ("pdf", "png")
    assert kinds_asked(["none"]) == ()
    monkeypatch.setenv(VARIABLE, "none")
    assert kinds_asked() == ()
    assert kinds_asked(["svg"]) == ("svg",)


@pytest.mark.parametrize(
    ("words", "says"),
    [(["pfd"], "no kind 'pfd'; did you mean pgf or pdf"), (["none", "pdf"], "none stands alone"),
     ([""], "no kind ''"), (["PDF"], "no kind 'PDF'")],
)  # fmt: skip
def test_other_words_are_refused(words: list[str], says: str) -> None:
    with pytest.raises(BenchError, match=says):
        kinds_asked(words)


def test_the_environments_fault_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "jpeg")
    with pytest.raises(BenchError, match=f"{VARIABLE}: no kind 'jpeg'"):
        kinds_asked()


def test_characters_without_a_picture_are_told_and_warn_of_nothing_else() -> None:
    with style.figure_style():
        figure = Figure()
        figure.suptitle("é 🌳\n–")
        figure.text(0.5, 0.5, "目 x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "<svg" in style.outlined(figure)
    assert style.lacking(figure) == {"🌳", "目"}


@pytest.mark.long
@pytest.mark.parametrize("kinds", [("svg", "pdf"), ("none",)])
def test_a_report_has_the_files_that_it_says_and_no_others(bench, kinds, tmp_path: Path) -> None:
    stores = [bench.run("shapes", "sam_b", images=3)]
    report = write_report(stores, tmp_path / "report", figures=kinds)
    found = {path.name for path in (report.folder / "figures").iterdir()}
    assert {Path(name).suffix[1:] for name in found} == set(kinds_asked(kinds))
    named = json.loads((report.folder / "report.json").read_text())["files"]
    assert {name for name in named if name.startswith("figures/")} == {
        f"figures/{n}" for n in found
    }
    page = report.page.read_text()
    assert page.count("<svg") > 3, "the page shows its figures either way"
    for stem in {Path(name).stem for name in found}:
        assert f"figures/{stem}.pdf, .svg</span>" in page
    assert ('class="quiet">figures/' in page) == bool(found)
