"""The folder of a comparison of cards: its table, the answer, the gate; there are no pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bench
from bench.analysis.comparing.card_comparison import CardComparison
from bench.analysis.comparing.gate import Judgement
from bench.report.pages.folder import records, report_folder
from bench.report.tables.section_text import section_files, summary, to_markdown


def write_card_comparison(
    found: CardComparison, judgement: Judgement | None, out: Path
) -> dict[str, Any]:
    """Writes ``summary.md``, ``report.json`` and the table; gives what ``report.json`` holds.

    Raises ``BenchError`` where ``out`` can't be written.
    """
    sections = [found.section, *([] if judgement is None else [judgement.section()])]
    content: dict[str, Any] = {
        "bench": bench.__version__,
        "gate": None if judgement is None else judgement.plain(),
        "comparisons": [
            {
                "a": found.a,
                "b": found.b,
                "answer": list(found.answer),
                "caption": found.section.note,
                "lines": records(found.section.lines),
            }
        ],
    }
    with report_folder(out) as folder:
        for section in sections:
            for name, text in section_files(section).items():
                folder.write(name, text)
        tables = {section.title: to_markdown(section) for section in sections}
        folder.write("summary.md", summary(f"{found.a} and {found.b}", found.answer, tables))
        folder.publish(content)
    return content
