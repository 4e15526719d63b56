"""The table of datasets, made from the YAMLs in ``conf/dataset``.

::

    python docs/dataset_table.py     writes it into docs/reference/datasets.md, between two marks
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bench.config.folders import conf_dir
from bench.types import BenchError

PAGE = Path(__file__).resolve().parent / "reference" / "datasets.md"
BEGIN, END = "<!-- datasets: python docs/dataset_table.py -->", "<!-- /datasets -->"

_HEAD = (
    "| dataset | format | expected | how sure | how to get it |",
    "|---|---|---|---|---|",
)


def table(folder: Path | None = None) -> str:
    """The table as Markdown: a line for each dataset whose YAML says how to get it, by name.

    A star marks the 23 of the Segment Anything paper. ``folder`` is that of the YAMLs.
    """
    paths = sorted((folder or conf_dir() / "dataset").glob("*.yaml"))
    components = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths]
    return "\n".join([*_HEAD, *(_line(each) for each in components if each["about"].get("get"))])


def with_table(text: str, made: str) -> str:
    """A file's text with the table between its two marks; ``BenchError`` where one is missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"the file has no {BEGIN!r} with {END!r} behind it")
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def main(argv: Sequence[str | Path]) -> int:
    """Writes the table into its page, or the named ones."""
    for name in argv or [PAGE]:
        path = Path(name)
        path.write_text(with_table(path.read_text(encoding="utf-8"), table()), encoding="utf-8")
    return 0


def _line(component: Mapping[str, Any]) -> str:
    about = component["about"]
    title, page = about["title"], about.get("homepage")
    title = f"[{title}]({page})" if page else title
    star = "\\*" if about.get("paper") else ""
    reader = component["target"].split(".")[-2]
    gate = f"{about['gate'].capitalize()}. " if about.get("gate") else ""
    size = f" ({about['size']})" if about.get("size") else ""
    cells = [
        f"{title}{star} `{component['name']}`",
        f"[`{reader}`](../../bench/data/readers/{reader}.py)",
        _counts(about["expected"]),
        about["sure"],
        f"{gate}{about['get']}{size}",
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _counts(expected: Mapping[str, int | None]) -> str:
    """What is expected, as far as it is known.

    >>> _counts({"images": 10000, "masks": None}), _counts({"images": None, "masks": None})
    ('10,000 images', '–')
    """
    known = [f"{expected[what]:,} {what}" for what in ("images", "masks") if expected.get(what)]
    return ", ".join(known) or "–"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
