"""What pages quote is true: links lead somewhere, commands are understood, Python runs."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from pages import PAGES, ROOT, anchors, blocks, links, name

from bench.cli import _parser, main
from bench.config.composing import load_configs
from bench.config.folders import component_file

COMMANDS = sorted(
    {
        line.strip()
        for page in PAGES
        for block in blocks(page, "sh")
        for line in block.replace("\\\n", " ").splitlines()
        if line.lstrip().startswith("sam-bench ")
    }
)
WITH_PYTHON = [page for page in PAGES if blocks(page, "python") and page.name != "README.md"]

PLACEHOLDERS = ("my_conf", "exports")
"""Folders of a reader's own, which aren't here: their words are parsed, not composed."""


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{name(page)} links to {link}"
        if anchor and path.suffix == ".md":
            # What is made from the code is in no file here; the build of the site holds it.
            made = "_generated" in path.read_text(encoding="utf-8")
            assert made or anchor in anchors(path), f"{name(page)} links to {link}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 8_192


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_of_the_repository_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:bench|tests|benchmarks|docs|conf)/[\w/.]+)`", text):
        made = "NAME" in path or "_build" in path
        assert made or (ROOT / path).exists(), f"{name(page)} names {path}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pieces_of_files_that_a_page_shows_are_there(page: Path) -> None:
    """The build of the site shows them; where a file has no such piece the build fails."""
    for path in re.findall(r"^```\{literalinclude\} (\S+)$", page.read_text("utf-8"), re.MULTILINE):
        assert (page.parent / path).resolve().is_file(), f"{name(page)} shows {path}"


@pytest.mark.long
@pytest.mark.parametrize("line", COMMANDS)
def test_a_quoted_command_is_understood(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    options = _parser().parse(words)  # leaves with exit code 2 where it isn't understood
    overrides = [word for word in getattr(options, "overrides", []) if "=" in word]
    own = getattr(options, "config_dir", None)
    if words[0] in ("run", "check", "score", "protocol") and str(own) not in PLACEHOLDERS:
        extra = ROOT / own if own else None
        configs = load_configs(overrides, extra)
        assert configs
        for group in ("task", "model", "dataset"):
            for config in configs:
                chosen = getattr(config, group).name
                if f"{group}.name={chosen}" not in overrides:
                    assert component_file(group, chosen, extra).is_file()


@pytest.mark.long
@pytest.mark.parametrize("page", WITH_PYTHON, ids=name)
def test_the_python_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a page's blocks follow each other, in a folder of their own
    names: dict[str, object] = {}
    for number, code in enumerate(blocks(page, "python"), 1):
        exec(compile(code, f"{name(page)}, block {number}", "exec"), names)


def test_the_python_of_the_readme_is_that_of_its_page() -> None:
    """It is slow, so the page runs it with a faster model."""
    [code] = blocks(ROOT / "README.md", "python")
    page = "\n".join(blocks(ROOT / "docs" / "reference" / "api.md", "python"))
    page = page.replace(", limit=2", "").replace("disk", "demo")
    assert all(line in page for line in code.splitlines())


@pytest.mark.parametrize(
    "datasets",
    [pytest.param("photos", marks=pytest.mark.long),
     pytest.param("photos,shapes", marks=pytest.mark.slow)],
)  # fmt: skip
def test_the_table_of_the_first_pages_is_the_demos(datasets: str, tmp_path: Path) -> None:
    words = ["experiment=demo", "model=demo", f"dataset={datasets}", "--report", "demo"]
    assert main(["run", *words, "--figures", "none", "--results", str(tmp_path)]) == 0
    written = rows_in(tmp_path / "reports" / "demo" / "table.md")
    assert written[0].pop(2) == "model"
    expected = [
        [dataset, prompt, *values]
        for dataset, prompt, model, *values in written[1:]
        if not dataset.startswith("mean")
    ]
    for page in (ROOT / "README.md", ROOT / "docs" / "guide" / "start.md"):
        found = [row for row in rows_in(page) if len(row) == len(written[0]) and row[3] != "images"]
        for above, row in pairwise(found):
            row[0] = row[0] or above[0]
        assert [row for row in found if row[0].lower() in datasets] == expected


def rows_in(path: Path) -> list[list[str]]:
    """The cells of each line of a page's pipe tables, rules left out."""
    lines = [line for line in path.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]
    return [row for row in cells if not set("".join(row)) <= set("-: ")]
