"""Links of a page to files beyond the site: words, the page that includes them, or a warning."""

from __future__ import annotations

from pathlib import Path

import pytest
from repository_links import included_by
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated")  # of Sphinx, by MyST

PAGES = {
    "docs/index.md": """# Start

[code](../code/loop.py), [folder](../code), [contributing](../CONTRIBUTING.md#a-model),
[speed](../benchmarks/results/speed.md), [the other](other.md#there)

```{toctree}
other
contributing
house/measurements
```
""",
    "docs/other.md": "# Other\n\n## There\n",
    "docs/contributing.md": "```{include} ../CONTRIBUTING.md\n:relative-docs: docs/\n```\n",
    "docs/house/measurements.md": "# Measurements\n\n## speed.md\n",
    "CONTRIBUTING.md": "# Contributing\n\n## A model\n\n[start](docs/other.md)\n",
    "benchmarks/results/speed.md": "fast\n",
    "code/loop.py": "",
}


def build(root: Path, **changed: str) -> tuple[str, str]:
    """The start page of a small site, and the warnings; ``changed`` replaces the start page."""
    for name, text in (PAGES | changed).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    warnings = root / "warnings"
    settings = {"extensions": ["myst_parser", "repository_links"], "myst_heading_anchors": 3}
    with docutils_namespace(), warnings.open("w", encoding="utf-8") as stream:
        site = Sphinx(
            root / "docs", None, root / "out", root / "trees", "html",
            confoverrides=settings, status=None, warning=stream,
        )  # fmt: skip
        site.build()
    return (root / "out" / "index.html").read_text("utf-8"), warnings.read_text("utf-8")


def test_files_beyond_the_site_are_words_or_the_page_that_includes_them(tmp_path: Path) -> None:
    page, warnings = build(tmp_path)
    assert not warnings
    assert 'href="contributing.html#a-model"' in page
    assert 'href="house/measurements.html#speed-md"' in page
    assert 'href="other.html#there"' in page
    assert "loop.py" not in page  # named by its words alone
    assert ">code</span>" in page or "code," in page
    contributing = (tmp_path / "out" / "contributing.html").read_text("utf-8")
    assert 'href="other.html"' in contributing


def test_a_link_that_leads_nowhere_is_a_warning(tmp_path: Path) -> None:
    links = ["../code/gone1.py", "../CONTRIBUTING.md#gone2", "other.md#gone3", "gone4.md", "#gone5"]
    broken = "".join(f"\n\n[broken]({link})" for link in links)
    start = PAGES["docs/index.md"].replace("# Start", f"# Start{broken}")
    _, warnings = build(tmp_path, **{"docs/index.md": start})
    assert [f"gone{n}" in warnings for n in range(1, 6)] == [True] * 5
    assert warnings.count("WARNING") == 5


def test_a_page_is_known_by_what_it_includes(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "house" / "rules.md"
    page.parent.mkdir(parents=True)
    page.write_text("```{include} ../../RULES.md\n```\n\n```{include} ../inside.md\n```\n")
    assert included_by(tmp_path / "docs") == {tmp_path / "RULES.md": "house/rules"}
