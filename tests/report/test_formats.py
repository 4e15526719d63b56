import ast
import csv
import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from bench.analysis.comparing.comparison import compare
from bench.analysis.section import Section
from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.cli.tables import fitted
from bench.files.text import csv_cell
from bench.report import write_report
from bench.report.figures import pgf, style
from bench.report.pages.comparison import write_comparison
from bench.report.tables import section_text
from bench.report.tables.formats import escape_latex, to_csv, to_latex, to_markdown, to_rich

ROOT = Path(__file__).resolve().parents[2]

ROUGH = r"A&B_50%|<b>#1 $x^2~{y}\[red]*"


@pytest.fixture
def table(bench, row):
    stores = []
    for model, gain in (("a", 0.0), ("b", 0.2)):
        rows = [
            row(
                model=model, image_id=f"i{i}", mask_id=f"m{i}", iou=0.123456789012345 + gain + i / 9
            )
            for i in range(4)
        ]
        title = ROUGH if model == "a" else "B"
        stores.append(bench.run(model=model, prompt="point_1", rows=rows, title=title))
    return miou_table(select(stores))


def test_csv_has_full_precision_and_reads_back(table):
    lines = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert [float(line["miou"]) for line in lines] == table.lines["miou"].tolist()
    assert lines[0]["miou_oracle"] == ""
    assert [line["model"] for line in lines] == ["a", "b"]
    assert to_csv(table) == to_csv(table)


def test_the_number_of_images_and_the_mark_stand_beside(table):
    """Four images of a mask each: an interval, marked, and a quarter of the masks in each image."""
    first = to_markdown(table).splitlines()[2]
    low, high = (100 * table.lines[f"miou_{end}"].iloc[0] for end in ("low", "high"))
    assert f" | 4 (4.0, 25 %) | 29.0 ({low:.1f}–{high:.1f})\\* | 29.0 (" in first
    assert rf",\,{high:.1f}]}}$*" in to_latex(table)
    assert "Fewer than 30 images" in table.caption


def test_what_is_shown_to_be_best_is_bold(bench):
    ahead, near, behind = (
        bench.run("shapes", model, "box", images=40, skill=skill, seed=1)
        for model, skill in (("m", 3.0), ("z", 2.9), ("a", 0.2))
    )
    apart = miou_table(select([ahead, behind]))
    first, second = to_markdown(apart).splitlines()[2:4]
    assert "**" not in first
    assert f"**{100 * apart.lines['miou'].iloc[1]:.1f}** (" in second
    assert rf"\textbf{{{100 * apart.lines['miou'].iloc[1]:.1f}}}$_{{[" in to_latex(apart)
    assert "Bold: shown to be the best of its dataset and prompt" in apart.caption
    assert "None is." not in apart.caption
    same = bench.run("shapes", "w", "box", images=40, skill=3.0, seed=1)
    level = miou_table(select([ahead, same, near, behind]))
    assert "**" not in to_markdown(level)
    assert "textbf" not in to_latex(level)
    assert "None is." in level.caption


def test_of_few_images_nothing_is_shown_to_be_best(table):
    assert table.lines["miou"].nunique() == 2
    assert "**" not in to_markdown(table)
    assert "Bold" not in table.caption


def test_alone_nothing_is_best(bench, row):
    table = miou_table(select([bench.run(prompt="point_1", rows=[row()])]))
    assert "**" not in to_markdown(table)
    assert "| 50.0 | 30.0 |" in to_markdown(table)


def test_markdown_escapes_what_would_break_a_row(table):
    line = to_markdown(table).splitlines()[2]
    assert r"A&amp;B\_50%\|&lt;b>#1 \$x^2\~{y}\\\[red\]\*" in line
    assert line.replace(r"\|", "").count("|") == 9


def test_latex_escapes_every_special_character(table):
    text = to_latex(table)
    assert (
        r"A\&B\_50\%|\textless{}b\textgreater{}\#1 \$x\textasciicircum{}2\textasciitilde{}\{y\}"
        r"\textbackslash{}[red]*"
    ) in text
    assert "–" not in text
    assert "×" not in text


def test_latex_has_what_the_benchs_own_texts_are_made_of():
    """A minus of a difference was printed as (U+2212)."""
    assert escape_latex("−1.5") == "$-$1.5"
    folders = ("analysis", "report/tables", "scoring/metrics", "tasks")
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for folder in folders
        for path in (ROOT / "bench" / folder).rglob("*.py")
        if path.name != "formats.py"
    ]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]
    abouts = [path.read_text(encoding="utf-8") for path in (ROOT / "conf").rglob("*.yaml")]
    unknown = {c for text in (*texts, *abouts) for c in text if "samchar" in escape_latex(c)}
    assert len(texts) > 1_000
    assert unknown == set()


HOSTILE = [
    "[2cm]", "*", "=1+1", "+1+1", "-cmd", "@SUM(1)", "\t=1", "\r=1", "＝1",
    "a\rb", "a\r\nb", "a\x0bb", "a\x85b", "a\u2028b", "a\x1b[31mb", "~~a~~", "a\x00b",
]  # fmt: skip


TEX = [
    r"\input{secret}", r"\write18{touch owned}", r"\immediate\write18{touch owned}", r"\csname x",
    r"\end{tabular}", r"\\[9cm]", r"\midrule[9pt]", "% a comment", "a & b", "#1", "$x^{2}$", "a_b",
    "^^M", "^^5cinput{secret}", "{", "}", "{{{", "[0pt]", "*[3em]", "a--b---c", "``x''", ",,x''",
    "?`x", "~", "\\", "a\tb", "e\u0301", "x\u0327\u0308", "Straße Łódź Ağrı", "犬の写真", "שלום",
    "مرحبا", "\u0416", "\u200d", "👩\u200d🔬", "❤\ufe0f", "\ufeff", "\ufffd", "\ufffe",
    "\U0010ffff", "\xad", "\xa0", "\ufb01", "\u2212", "\u2264", "\u03b1", "\u2192", "\u202eb",
    "x" * 400,
]  # fmt: skip


@pytest.fixture
def hostile():
    return section_of(HOSTILE, "[category]")


def section_of(texts, head="[category]", note="A note."):
    lines = pd.DataFrame({"category": texts, "miou": [-0.5] * len(texts)})
    rows = tuple((text, "-50.0") for text in texts)
    return Section("by_category", "By category", note, (head, "mIoU"), rows, lines, names=1)


def compiled(folder, *tables, program="pdflatex", more=""):
    """The tables in a paper with no package but those that they ask for: the log of a clean end."""
    (folder / "secret.tex").write_text("READ ")
    named = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs}"
    named += more + r"\begin{document}"
    (folder / "t.tex").write_text(named + "\n\n".join(tables) + r"\end{document}")
    words = ["-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode", "t.tex"]
    done = subprocess.run([program, *words], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    log = (folder / "t.log").read_bytes()
    assert b"secret.tex" not in log
    assert not (folder / "owned").exists()
    return log


needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="pdflatex is not installed (CONTRIBUTING.md)"
)


@needs_latex
def test_latex_compiles_whatever_names_hold(table, tmp_path):
    texts = [*HOSTILE, *TEX]
    everywhere = section_of([*texts, *(f"a {text}" for text in texts)], note=" ".join(texts))
    heads = [section_of(["a", "a"], head=text, note=text) for text in texts]
    sections = [section_text.to_latex(section) for section in (everywhere, *heads)]
    log = compiled(tmp_path, to_latex(table), r"\clearpage ".join(sections))
    assert b"Overfull" in log  # the name of 400 characters, for one: the tables were set
    assert b"Missing character" not in log


def has_pgf():
    if shutil.which("kpsewhich") is None:
        return False
    return (
        subprocess.run(["kpsewhich", "pgf.sty"], capture_output=True, check=False).returncode == 0
    )


@needs_latex
@pytest.mark.skipif(not has_pgf(), reason="LaTeX's pgf is not installed (CONTRIBUTING.md)")
@pytest.mark.filterwarnings("ignore:(Glyph|Matplotlib currently)")
def test_a_figure_in_latex_takes_names_as_data(tmp_path):
    with style.figure_style():
        figure = Figure(figsize=(3.25, 8))
        for place, text in enumerate(TEX):
            shown = text.replace("$", r"\$")
            figure.text(0.1, place / len(TEX), shown, rotation=90 * (place % 2))
        axis = figure.subplots()
        axis.imshow(np.eye(3), extent=(1, 10, -1, 1), aspect="auto")
        pgf.write(figure, tmp_path / "drawn.pgf")
    assert (tmp_path / "drawn-img0.png").is_file()
    (folder := tmp_path / "paper").mkdir()
    picture = (tmp_path / "drawn.pgf").read_text()
    assert r"\textbackslash{}input\{secret\}" in picture
    shutil.copy(tmp_path / "drawn-img0.png", folder)
    log = compiled(folder, picture, more=r"\usepackage{pgf,graphicx}")
    assert b"Missing character" not in log
    assert b"drawn-img0.png" in log


@needs_latex
@pytest.mark.long
def test_every_table_of_a_report_and_a_comparison_compiles(bench, row, tmp_path):
    stores = []
    for model, title in (("a", "& " + TEX[0]), ("b", TEX[1])):
        rows = [
            row(model=model, image_id=f"{n}", mask_id=f"{n}/1", category=TEX[n % len(TEX)])
            for n in range(60)
        ]
        stores.append(bench.run(model=model, prompt="point_1", rows=rows, title=title))
    write_report(stores, tmp_path / "report", by=["category"], columns=["1 point"])
    write_comparison([compare(stores[:1], stores[1:])], tmp_path / "comparison")
    found = sorted(tmp_path.rglob("*.tex"))
    assert {path.stem for path in found} >= {"table", "wide", "slices_category", "comparison"}
    compiled(tmp_path, *(path.read_text() for path in found))


@needs_latex
@pytest.mark.long
def test_every_table_fits_the_columns_of_a_conferences_paper(bench, tmp_path):
    stores = [
        bench.run(dataset, model, prompt, images=8, skill=skill, dataset_title=f"{dataset} (v1)")
        for dataset in ("nuclei", "shapes", "streets")
        for model, skill in (("Segmenter B", 0.7), ("Segmenter HQ-L", 2.0), ("other", 1.1))
        for prompt in ("points", "box")
    ]
    write_report(stores, tmp_path / "report", by=["size"])
    sides = [
        [store for store in stores if store.header()["model"]["name"] == name]
        for name in ("Segmenter HQ-L", "other")
    ]
    write_comparison([compare(*sides)], tmp_path / "comparison")
    found = sorted(tmp_path.rglob("*.tex"))
    assert {path.stem for path in found} >= {"table", "wide", "reasons", "comparison"}
    cvpr = r"\usepackage[textwidth=6.875in,columnsep=.3125in]{geometry}\twocolumn\sloppy"
    log = compiled(tmp_path, *(path.read_text() for path in found), more=cvpr)
    assert b"Overfull" not in log
    assert b"(U+" not in log


def test_what_latex_would_join_or_not_know_is_kept_apart():
    assert escape_latex("a--b 5–6 ''x'' ?`y") == ("a-{}-b 5--6 '{}'x'{}' ?{}\\textasciigrave{}y")
    assert escape_latex("e\u0301 Łódź") == "é Łódź"
    assert escape_latex("ж") == r"\samchar{ж}{0436}"
    plain, foreign = (section_text.to_latex(section_of([text])) for text in ("é", "ж"))
    assert r"\providecommand{\samchar}" not in plain
    assert foreign.count(r"\providecommand{\samchar}") == 1


def test_a_row_stays_a_row_whatever_a_name_holds(hostile):
    rows = section_text.to_markdown(hostile).partition("\n\n")[0].splitlines()
    assert len(rows) == len(HOSTILE) + 2
    assert {row.replace("\\|", "").count("|") for row in rows} == {3}
    assert r"| \~\~a\~\~ |" in rows[-2]
    text = section_text.to_latex(hostile)
    body = text.partition("\\midrule\n")[2].splitlines()
    for line, before in zip(body, ["\\midrule", *body], strict=False):
        if before.endswith(("\\\\", "rule")):
            assert not line.startswith(("[", "*")), line
    assert r"{}[2cm] & -50.0 \\" in body
    assert r"{}[category] & mIoU \\" in text
    assert not set(text) & set(map(chr, [*range(10), *range(11, 32), 0x7F, 0x85, 0x2028]))


def test_no_cell_of_a_csv_is_a_formula(hostile):
    plain = section_text.to_csv(hostile)
    found = list(csv.reader(io.StringIO(plain, newline="")))[1:]
    computed = HOSTILE[2:9]
    steering = {ord(c): f"\\x{ord(c):02x}" for c in "\x00\x0b\x1b\x85"} | {0x2028: r"\u2028"}
    said = [f"'{text}" if text in computed else text for text in HOSTILE]
    assert [cell for cell, _ in found] == [
        text.replace("\r\n", "\n").replace("\r", "\n").translate(steering) for text in said
    ]
    assert {number for _, number in found} == {"-0.5"}
    assert csv_cell("-1e-3") == "-1e-3"


def test_terminal_shows_names_as_they_are(table):
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(to_rich(table))
    text = console.export_text()
    assert ROUGH in text
    assert "10" in text
    assert "Protocol sam." in text


def test_narrow_terminal_cuts_no_number(table):
    console = Console(width=72, file=io.StringIO(), record=True)
    console.print(fitted(to_rich(table), 72))
    text = console.export_text()
    assert "…" not in text
    for value in table.lines["miou"]:
        assert f" {100 * value:.1f} " in text


def test_protocol_is_a_column_only_where_there_are_several(bench, row):
    stores = [
        bench.run(prompt="point_1", protocol=p, rows=[row(protocol=p)]) for p in ("sam", "sam2")
    ]
    assert "protocol" not in to_markdown(miou_table(select(stores[:1]))).splitlines()[0]
    table = miou_table(select(stores))
    assert "| protocol |" in to_markdown(table).splitlines()[0]
    assert table.series("sam_b", "sam2") == "sam_b, sam2"
    assert not pd.isna(table.lines["dataset"]).any()
