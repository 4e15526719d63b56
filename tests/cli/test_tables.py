"""Terminals of any width: every printed number is one of the table's own, and none lacks."""

import io
import re

import pandas as pd
import pytest
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.analysis.section import Section
from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.cli import console, main
from bench.cli.tables import least_width
from bench.report import Request
from bench.report.tables.formats import to_markdown, to_rich
from bench.report.tables.further import further_tables
from bench.run.progress import RunProgress

WIDTHS = range(30, 201)
COLOURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def numbers(text):
    """The words of a text that hold digits and no letters, without their brackets."""
    text = " ".join(COLOURS.sub("", text).split())
    text = re.sub(r"[\d.,]+ \wB of the disk", "", text)  # others write to it meanwhile
    words = (word.strip("()[],;:.%…") for word in text.split())
    return {word for word in words if re.search(r"\d", word) and not re.search(r"[^\W\d_]", word)}


def drawn(table, width):
    """The lines of a table in a terminal of that width."""
    screen = Console(
        width=width, file=io.StringIO(), force_terminal=True, color_system=None, emoji=False
    )
    console.show(table, screen)
    return screen.file.getvalue()


def section(columns=9):
    """What a comparison looks like: long names, and numbers with their intervals."""
    heads = ("prompt", "dataset", "A model, fine-tuned", "Another", "difference", "p",
             "wins of the first", "masks", "images")  # fmt: skip
    rows = tuple(
        (f"{n} points", name, f"{91.9 - n:.1f}", f"{88.35 + n / 7:.2f}",
         f"−{n}.4 (−10.{n} to +{n}4.1)", "<0.0001", f"{50 + n}.0 ({n}.5 to 99.{n})",
         f"{12_345_678 * (n + 1):,}", f"{1000 + n:,}")
        for n, name in enumerate(["bbbc038", "a_very_long_name_of_a_dataset", "", "[b]x", "ü"])
    )  # fmt: skip
    kept = [0, 1, *range(9 - columns + 2, 9)]
    return Section(
        "s", "Title", "From 10,000 samples, 95 % intervals.", tuple(heads[i] for i in kept),
        tuple(tuple(row[i] for i in kept) for row in rows), pd.DataFrame(), names=2,
    )  # fmt: skip


def styled():
    """Markup, several lines in a cell, no header, rows of a total."""
    table = Table(*[""] * 3, box=None, show_header=False)
    table.add_row("[bold]section[/]", "", "")
    table.add_row(escape("[x] name"), "[red]1,234.5[/]", "first 67.8\n[dim]because of 9.01[/]")
    table.add_section()
    table.add_row("total", "", "2 h 13 min")
    return table


TABLES = {
    "wide": lambda: console.table_of(section()),
    "narrow": lambda: console.table_of(section(4)),
    "styled": styled,
}


@pytest.mark.parametrize("name", [pytest.param("wide", marks=pytest.mark.long), "narrow", "styled"])
def test_every_number_is_whole_at_every_width(name):
    own = numbers(drawn(TABLES[name](), 1000))
    assert len(own) > 3
    for width in WIDTHS:
        shown = drawn(TABLES[name](), width)
        assert numbers(shown) == own, width
        assert max(map(len, shown.splitlines())) <= width
        assert "…" not in shown


def test_as_wide_as_it_is_a_table_stays_a_table():
    table = console.table_of(section())
    least = least_width(table)
    assert least <= 80, "a comparison is a table in a usual terminal"
    assert "difference" not in drawn(console.table_of(section()), least).splitlines()[-1]
    assert re.search(r"^ prompt +dataset ", drawn(console.table_of(section()), 200), re.MULTILINE)
    blocks = drawn(console.table_of(section()), least - 1)
    assert re.search(r"^differen\w* +−0\.4", blocks, re.MULTILINE)


def test_a_first_cell_that_stands_for_the_one_above_is_repeated_in_blocks():
    table = Table("dataset", "model", "masks")
    table.add_row("shapes", "a_long_name", "1,234,567,890")
    table.add_row("", "b_long_name", "9,876,543,210")
    assert drawn(table, 30).count("shapes") == 2
    table = Table("dataset", "model", "masks")
    table.add_row("shapes", "a", "1")
    table.add_row("", "b", "2")
    assert drawn(table, 80).count("shapes") == 1


def test_a_file_has_the_whole_table(tmp_path):
    with (tmp_path / "out").open("w") as file:
        screen = Console(width=40, file=file)
        console.show(console.table_of(section()), screen)
    assert screen.width == 40
    text = (tmp_path / "out").read_text()
    assert numbers(text) == numbers(drawn(console.table_of(section()), 1000))
    assert re.search(r"^ prompt +dataset ", text, re.MULTILINE)


@pytest.mark.parametrize("width", WIDTHS[::5])
def test_the_progress_bar_cuts_no_number(width):
    screen = Console(
        width=width, file=io.StringIO(), force_terminal=True, color_system=None, height=40
    )
    values = {"point_1": [0.9191], "point_3": [0.8246], "box_of_a_long_name": [0.7357]}
    with RunProgress("demo on a_dataset_of_long_name", 1200, screen) as progress:
        progress.image_done(values)
    said = numbers(re.sub(r"\d[\d.]* img/s|\d+:\d\d:\d\d|\d\d:\d\d", "", screen.file.getvalue()))
    assert {"91.9", "82.5", "73.6", "1/1200"} <= said
    assert said <= {"91.9", "82.5", "73.6", "0/1200", "1/1200"}


@pytest.fixture
def terminal(monkeypatch, capsys):
    """Runs a command in a terminal of a width, and gives what it prints."""

    def run(width, command):
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", str(width))
        capsys.readouterr()
        command()
        return capsys.readouterr().out

    return run


COMMANDS = [
    ["ls", "models"],
    ["protocol", "show", "sam"],
    ["protocol", "diff", "sam", "segment_anything_fast"],
    ["data", "ls"],
    ["run", "model=disk", "dataset=shapes", "dataset.args.count=1200", "--plan"],
    ["check", "dataset=shapes", "dataset.args.count=2"],
]


@pytest.mark.long
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_shows_its_numbers_whole(words, terminal, tmp_path):
    where = [f"runtime.results={tmp_path}"] if words[0] in ("run", "check") else []
    own = numbers(terminal(1000, lambda: main([*words, *where])))
    for width in (30, 64, 100):
        assert numbers(terminal(width, lambda: main([*words, *where]))) == own, width


@pytest.mark.long
def test_a_reports_tables_in_a_terminal_are_those_of_its_files(bench):
    stores = [
        bench.run(d, m, "points", images=4, skill=s, title=f"Model {m}, fine-tuned")
        for d in ("nuclei_of_cells", "shapes")
        for m, s in (("sam", 1.0), ("other", 2.0))
    ]
    selection = select(stores)
    table = miou_table(selection)
    request = Request(tuple(stores), by=("size",))
    sections = list(further_tables(selection, table, request))
    wide, why, sizes = sections
    assert (wide.name, why.name, why.printed) == ("wide", "reasons", False)
    for make in (lambda: to_rich(table), lambda: console.table_of(sizes)):
        own = numbers(drawn(make(), 1000))
        assert len(own) > 50
        for width in WIDTHS[::10]:
            assert numbers(drawn(make(), width)) == own, width
    written = numbers(to_markdown(table).replace("**", " ").replace("\\*", "*"))
    assert numbers(drawn(to_rich(table), 30)) <= written


@pytest.mark.long
def test_compared_and_explained_numbers_are_whole(bench, terminal):
    for model, skill in (("sam", 1.0), ("other", 2.0)):
        bench.run("shapes", model, "point_1", images=4, skill=skill)
    results = ["--results", str(bench.results)]
    for words in (["compare", "sam", "other"], ["explain", "*-sam-*", "--target", "55.6"],
                  ["ls", "runs"]):  # fmt: skip
        own = numbers(terminal(1000, lambda w=words: main([*w, *results])))
        for width in (30, 40, 80):
            assert numbers(terminal(width, lambda w=words: main([*w, *results]))) == own, words
