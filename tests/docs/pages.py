"""The pages that the tests here read: every Markdown file that a user is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "datasets/README.md", "results/README.md")
    for path in ROOT.glob(pattern)
    if not {"_build", "_generated"} & set(path.parts)
)

_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The code of a page's blocks of that language, their indentation taken away."""
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [
        "\n".join(line[len(indent) :] for line in code.splitlines())
        for indent, written, code in found
        if written == language
    ]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> Iterator[str]:
    """Where a page's links and pictures lead, those to other sites left out."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" not in target and not target.startswith("mailto:"):
            yield target


def anchors(page: Path) -> set[str]:
    """What a link behind # may name on a page: its headings, as GitHub and MyST write them."""
    found: set[str] = set()
    for included in re.findall(r"^```\{include\} (\S+)$", page.read_text("utf-8"), re.MULTILINE):
        if "_generated" not in included:
            found |= anchors((page.parent / included).resolve())
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return found
