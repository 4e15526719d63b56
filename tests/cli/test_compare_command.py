"""``sam-bench compare`` on real runs."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from finished import dataset_words

from bench.cli import main


@pytest.fixture
def results(runs: Path, tmp_path: Path) -> Path:
    """A folder of results with the runs."""
    return shutil.copytree(runs, tmp_path / "results")


@pytest.fixture(scope="module")
def runs(coco_folder_in: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of three discs of different size, on real files."""
    folder = coco_folder_in(tmp_path_factory.mktemp("compare"), images=6, masks=2)
    for name, radius in (("small", 0.1), ("middle", 0.2), ("large", 0.4)):
        words = [
            "model=disk",
            f"model.name={name}",
            f"model.args.radius={radius}",
            "prompt=[point_1,box]",
            *dataset_words(folder),
        ]
        assert main(["run", *words]) == 0
    return folder.parent / "results"


@pytest.mark.long
def test_models_are_compared_by_name_and_a_page_is_written(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["compare", "small", "middle", "large", "--results", str(results)]) == 0
    out = capsys.readouterr().out
    for expected in ("small against middle", "small against large", "1 point", "difference"):
        assert expected in out
    folder = results / "reports" / "compare"
    assert (folder / "comparison_2.csv").is_file()
    assert (folder / "index.html").read_text().count("data:image/webp") >= 8


@pytest.mark.parametrize(
    ("gate", "code", "says"),
    [
        pytest.param("delta_miou>-100", 0, "holds", marks=pytest.mark.long),
        pytest.param("delta_miou>99", 1, "fails", marks=pytest.mark.long),
        pytest.param("delta_miou>=0", 0, "holds", marks=pytest.mark.long),
        ("delta_miou>0", 1, "fails"),
    ],
)
def test_a_gate_sets_the_exit_code(
    results: Path, gate: str, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # The box's answer doesn't depend on the radius, so that its difference is exactly 0.
    sides = ["blobs-small-box-*", "blobs-large-box-*"]
    arguments = ["compare", *sides, "--results", str(results), "--gate", gate]
    assert main(arguments) == code
    out = capsys.readouterr().out
    assert says in out
    folder = results / "reports" / "compare"
    said = json.loads((folder / "report.json").read_text())["gate"]
    assert said["condition"] == gate
    assert said["holds"] is (code == 0)
    sentences = [verdict["sentence"] for verdict in said["verdicts"]]
    assert all(sentence in out for sentence in sentences)
    page, summary = (folder / "index.html").read_text(), (folder / "summary.md").read_text()
    for text in (html.unescape(page), re.sub(r"\\(.)", r"\1", summary)):
        assert f"Gate {gate}: {'holds' if code == 0 else 'does not hold'}" in text
        assert all(sentence in text for sentence in sentences)
    assert main([*arguments, "--json"]) == code
    assert json.loads(capsys.readouterr().out)["gate"] == said


def test_a_papers_names_digits_and_width_are_everywhere(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = ["--label", "small=Ours & co", "--label", "blobs=Nature", "--digits", "3"]
    words = ["compare", "small", "large", *looks, "--width", "ieee", "--results", str(results)]
    capsys.readouterr()
    assert main(words) == 0
    out = " ".join(capsys.readouterr().out.split())
    folder = results / "reports" / "compare"
    lines = json.loads((folder / "report.json").read_text())["comparisons"][0]["lines"]
    told = (folder / "comparison.md").read_text()
    for line in lines:
        for value in (line["miou_a"], line["miou_b"]):
            assert f"| {100 * value:.3f} |" in told
        delta = f"{100 * line['delta']:+.3f}" if line["delta"] else "0.000"
        assert f"| {delta} ".replace("-", "−") in told
    page = (folder / "index.html").read_text()
    for text in map(html.unescape, (out, told, page)):
        assert "Ours & co" in text
        assert "Nature" in text
        assert not re.search(r"\bsmall (against|and)\b", text)
    (size,) = re.findall(r'width="([\d.]+)pt"', (folder / "figures" / "spread.svg").read_text())[:1]
    assert float(size) / 72 in (pytest.approx(3.5, abs=0.02), pytest.approx(7.16, abs=0.02))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["small"], "two sides"),
        (["small", "nobody"], "no run matches 'nobody'"),
        (["small", "large", "--gate", "delta_miou"], "a gate is"),
        (["small", "large", "--gate-each"], "give --gate too"),
        (["*-small-*", "*"], "one side of a comparison holds"),
        (["small", "large", "--datasets"], "expected one argument"),
        (["small", "large", "--label", "nobody=X"], "nothing is called 'nobody'"),
        (["small", "large", "--label", "1 point=one"], "a comparison keeps the names of prompts"),
        (["small", "large", "--digits", "9"], "a whole number from 0 to 6, found 9"),
        (["small", "large", "--width", "cvprr"], "did you mean cvpr"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    results: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    try:
        code = main(["compare", *words, "--results", str(results)])
    except SystemExit as ended:
        code = int(ended.code or 0)
    err = capsys.readouterr().err
    assert code == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert not (results / "reports").exists()
